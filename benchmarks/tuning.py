"""What SIC and CAMIL make of the same trials: chosen on validation songs, as many for each.

    python -m benchmarks.tuning corpora/real runs/real/aic-seed0

Every trial is a rate of learning with or without changed notes (transposition, left-out notes), of
the same encoder, for the same number of epochs; CAMIL is scored by a linear probe of its frozen
encoder. The test songs are not touched. The second folder is a run of 03_classify on audio, the
ear that CAMIL learns from.
"""

import argparse
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.provenance import in_a_line, provenance
from camil.corpus.augmentation import Augmentation, draw_seeds
from camil.corpus.corpus import Corpus
from camil.encoders.classifier import Classifier
from camil.encoders.hub import load_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.evaluation.metrics import scores
from camil.evaluation.probing import linear_probe
from camil.losses.contrastive import ContrastiveLoss
from camil.midi.instruments import INSTRUMENTS
from camil.samplers.negatives import ClassNegatives
from camil.samplers.pairs import pairs
from camil.training.devices import choose_device
from camil.training.embed import embed
from camil.training.fit import fit
from camil.workbook.files import write_json, write_text

BATCH = 64  # segments
LEARNING_RATES = (0.001, 0.003, 0.01)
CHANGES = {
    "none": Augmentation(),
    "2 semitones at most, a tenth left out": Augmentation(transpose=2, note_dropout=0.1),
}


def validation_f1(data: Corpus, classifier: nn.Module) -> float:
    """Macro-F1 on the segments of the validation songs."""
    rows = data.rows("validation")
    predicted = embed(classifier, data.rolls, rows).argmax(1)
    return scores(data.labels[rows].cpu().numpy(), predicted.cpu().numpy())["macro_f1"]


def sic(data: Corpus, encoder: MIDIEncoder, train, _) -> float:
    """The supervised baseline, trained as in notebook 3."""
    classifier = Classifier(encoder, INSTRUMENTS).to(data.labels.device)

    def step(rows, generator):
        rolls = data.rolls(rows, draw_seeds(len(rows), generator))
        return cross_entropy(classifier(rolls), data.labels[rows])

    def evaluate():
        return {"validation_macro_f1": validation_f1(data, classifier)}

    train(classifier, step, evaluate=evaluate)
    return validation_f1(data, classifier)


def camil(data: Corpus, encoder: MIDIEncoder, train, heard: torch.Tensor) -> float:
    """Class-based negatives and a frozen ear, trained as in notebook 2, then a linear probe."""
    encoder = encoder.to(data.labels.device)
    loss, sampler = ContrastiveLoss(), ClassNegatives(4)

    def cost(midi, rows, generator):
        return loss(*pairs(midi, heard[rows], sampler(data.labels[rows], generator)))

    def step(rows, generator):
        midi = encoder(data.rolls(rows, draw_seeds(len(rows), generator)))
        return cost(midi, rows, generator)

    @torch.no_grad()
    def evaluate():
        rows, generator = data.rows("validation").cpu(), torch.Generator().manual_seed(0)
        # In parts of a batch's size, in an order by chance: neighbours are parts of one song.
        order, size = torch.randperm(len(rows), generator=generator), min(BATCH, len(rows))
        parts = order[: len(order) // size * size].split(size)
        midi = embed(encoder, data.rolls, rows).cpu()
        costs = [cost(midi[part], rows[part], generator) for part in parts]
        return {"validation_loss": torch.stack(costs).mean().item()}

    train(encoder, step, evaluate=evaluate)
    known = [
        (embed(encoder, data.rolls, rows), data.labels[rows])
        for rows in (data.rows("train"), data.rows("validation"))
    ]
    probe = linear_probe(*known[0], *known[1], classes=len(INSTRUMENTS))
    return validation_f1(data, nn.Sequential(encoder, probe))


CONDITIONS = {"SIC": (sic, "validation_macro_f1"), "CAMIL": (camil, "validation_loss")}


def trial(condition: str, data: Corpus, heard: torch.Tensor, given, learning_rate: float) -> float:
    """One training; macro-F1 on the validation songs. `heard` is the ear's embedding of all."""
    torch.manual_seed(given.seed)
    score, best = CONDITIONS[condition]
    # On the sphere where distances count, as the notebooks have it.
    encoder = MIDIEncoder(given.width, normalize=condition == "CAMIL")
    with tempfile.TemporaryDirectory() as folder:
        train = partial(
            fit,
            rows=data.rows("train"),
            best=best,
            folder=folder,
            epochs=given.epochs,
            batch_size=BATCH,
            learning_rate=learning_rate,
            seed=given.seed,
            settings={},
        )
        return score(data, encoder, train, heard)


def main(arguments: list[str] | None = None) -> None:
    """Run every trial, tell and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("ear", type=Path)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/tuning.json"))
    given = parser.parse_args(arguments)
    device = choose_device("auto")
    ear = load_encoder(given.ear / "encoder.safetensors", AudioEncoder).to(device)
    ear.config["normalize"] = True
    data = Corpus(given.corpus, device)
    heard, found = embed(ear, data.mels, torch.arange(len(data))), []
    for change, rate in product(CHANGES, LEARNING_RATES):
        data = Corpus(given.corpus, device, augmentation=CHANGES[change])
        row = {"changed notes": change, "learning rate": rate}
        row |= {name: trial(name, data, heard, given, rate) for name in CONDITIONS}
        found.append(row)
        about = {"corpus": data.identity, "trials": found}
        about |= {"width": given.width, "epochs": given.epochs, "seed": given.seed}
        write_json(given.output, provenance(device) | about)
        print(pd.DataFrame(found).round(3).to_string(), flush=True)
    table = pd.DataFrame(found).round(3).to_markdown(index=False)
    title = "# SIC and CAMIL, tuned alike\n\nMacro-F1 on segments of the validation songs.\n\n"
    write_text(
        given.output.with_suffix(".md"), f"{title}{table}\n\n{in_a_line(provenance(device))}\n"
    )


if __name__ == "__main__":
    main()
