"""Trials of SIC and CAMIL with equal budgets, scored on validation songs.

Both train the same MIDI encoder for the same number of epochs. CAMIL is scored by a linear probe of
its frozen encoder. No trial reads a test song.
"""

import tempfile
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.corpus.augmentation import draw_seeds
from camil.corpus.corpus import Corpus
from camil.encoders.classifier import Classifier
from camil.encoders.resnet import MIDIEncoder
from camil.evaluation.metrics import scores
from camil.evaluation.probing import linear_probe
from camil.losses.contrastive import ContrastiveLoss
from camil.samplers.negatives import ClassNegatives
from camil.samplers.pairs import pairs
from camil.training.embed import embed
from camil.training.fit import fit

BATCH = 64  # segments
Train = Callable[..., list]  # `fit` without model, step and evaluate


def trial(
    condition: str,
    data: Corpus,
    audio: Tensor,
    *,
    learning_rate: float,
    width: int,
    epochs: int,
    seed: int = 0,
    depth: int = 18,
) -> float:
    """Train one encoder and return its macro-F1 on the segments of the validation songs.

    Args:
        condition: a name in ``CONDITIONS``.
        data: the corpus, with the augmentation under trial.
        audio: ``(segments, embedding)``, frozen audio embeddings of all segments, which CAMIL
            learns from.
    """
    torch.manual_seed(seed)
    score, best = CONDITIONS[condition]
    # Embeddings lie on the unit sphere where distances are trained, as in the notebooks.
    encoder = MIDIEncoder(width, depth, normalize=condition == "CAMIL").to(data.labels.device)
    with tempfile.TemporaryDirectory() as folder:
        train = partial(
            fit,
            rows=data.rows("train"),
            best=best,
            folder=folder,
            epochs=epochs,
            batch_size=BATCH,
            learning_rate=learning_rate,
            seed=seed,
            settings={},
        )
        return score(data, encoder, train, audio)


def validation_f1(data: Corpus, classifier: nn.Module, rows: Tensor | None = None) -> float:
    """Macro-F1 on segments of the validation songs, on all of them if ``rows`` is None."""
    rows = data.rows("validation") if rows is None else rows
    predicted = embed(classifier, data.rolls, rows).argmax(1)
    return scores(data.labels[rows].cpu().numpy(), predicted.cpu().numpy())["macro_f1"]


def train_on_labels(
    data: Corpus, classifier: Classifier, train: Train, validation: Tensor | None = None
) -> list[dict[str, float]]:
    """Train a classifier by cross-entropy, as ``03_classify`` does.

    Args:
        train: `fit` with its training rows and all options, for example from `functools.partial`;
            it keeps the epoch with the highest ``validation_macro_f1``.
        validation: ``(rows,)`` int64, the segments of this score; all if None.

    Returns:
        The history: one dict per epoch.
    """

    def step(rows: Tensor, generator: torch.Generator) -> Tensor:
        rolls = data.rolls(rows, draw_seeds(len(rows), generator))
        return cross_entropy(classifier(rolls), data.labels[rows])

    def evaluate() -> dict[str, float]:
        return {"validation_macro_f1": validation_f1(data, classifier, validation)}

    return train(classifier, step, evaluate=evaluate)


def train_sic(data: Corpus, encoder: MIDIEncoder, train: Train, _: Tensor) -> float:
    """Train the supervised baseline.

    Args:
        data: the corpus; its augmentation is used in training.
        encoder: with random weights.
        train: `fit` with its training rows and all options.

    Returns:
        Macro-F1 on the validation songs.
    """
    classifier = Classifier(encoder, data.instruments.names).to(data.labels.device)
    train_on_labels(data, classifier, train)
    return validation_f1(data, classifier)


def train_camil(data: Corpus, encoder: MIDIEncoder, train: Train, audio: Tensor) -> float:
    """Train with class-based negatives as ``02_pretrain`` does, then fit a linear probe.

    Args:
        data, encoder, train: as for `train_sic`.
        audio: ``(segments, embedding)``, frozen audio embeddings of all segments.

    Returns:
        Macro-F1 of the probe on the validation songs.
    """
    loss, sampler = ContrastiveLoss(), ClassNegatives(4)

    def cost(midi: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return loss(*pairs(midi, audio[rows], sampler(data.labels[rows], generator)))

    def step(rows: Tensor, generator: torch.Generator) -> Tensor:
        midi = encoder(data.rolls(rows, draw_seeds(len(rows), generator)))
        return cost(midi, rows, generator)

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        rows, generator = data.rows("validation").cpu(), torch.Generator().manual_seed(0)
        # In parts of a batch's size and in random order: neighbouring rows are one song's.
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
    probe = linear_probe(*known[0], *known[1], classes=len(data.instruments))
    return validation_f1(data, nn.Sequential(encoder, probe))


CONDITIONS = {
    "SIC": (train_sic, "validation_macro_f1"),
    "CAMIL": (train_camil, "validation_loss"),
}
