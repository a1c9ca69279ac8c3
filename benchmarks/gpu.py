"""Everything about training that needs a GPU, in under 9 minutes, from a machine with PyTorch.

python -m benchmarks.gpu                    writes benchmarks/results/gpu.json
python -m benchmarks.gpu --small --device cpu    the same path at a tiny size, to test it

Each part is tried for itself; one that fails leaves its error in the results.
"""

import argparse
import contextlib
import json
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

import torch

from benchmarks import training
from benchmarks.made_up_corpus import made_up_corpus
from camil import losses
from camil.augmentation import Augmentation, draw_seeds
from camil.corpus import Corpus
from camil.devices import choose_device
from camil.encoders import AudioEncoder, MIDIEncoder
from camil.runs import commit, versions, write_json
from camil.training import embed, fit

SIZES = {
    "whole": {"width": 64, "batch": 512, "segments": 8192, "steps": 6, "turns": 3, "workers": 8},
    "small": {"width": 4, "batch": 16, "segments": 96, "steps": 1, "turns": 1, "workers": 0},
}


def same_as_on_the_cpu(device, size, corpus):
    """Rolls and augmented rolls, drawn on both; embeddings, alone and in company."""
    augmentation = Augmentation(5, 0.2, 0.1, 0.2)
    settings = {"onsets": True, "velocity": True, "augmentation": augmentation}
    here, there = Corpus(corpus, "cpu", **settings), Corpus(corpus, device, **settings)
    rows = torch.arange(min(256, len(here)))
    seeds = draw_seeds(len(rows), torch.Generator().manual_seed(0))
    encoder = MIDIEncoder(size["width"], channels=2).to(device)
    together = embed(encoder, there.rolls, rows)
    alone = torch.cat([embed(encoder, there.rolls, rows[i : i + 1]) for i in range(4)])
    return {
        "rolls_equal": torch.equal(here.rolls(rows), there.rolls(rows).cpu()),
        "augmented_rolls_equal": torch.equal(
            here.rolls(rows, seeds), there.rolls(rows, seeds).cpu()
        ),
        "mels_held": there.hold_mels(),
        "largest_difference_alone_or_in_company": (together[:4] - alone).abs().max().item(),
    }


def losses_in_half_precision(device, size, corpus):
    """Every objective on embeddings in bfloat16: its value and whether gradients are finite."""
    labels = torch.arange(size["batch"], device=device) % 8
    negatives = torch.randint(size["batch"], (size["batch"], 4), device=device)
    found = {}
    for loss, rest in (
        (losses.InfoNCE(), ()),
        (losses.SigmoidPairs(), ()),
        (losses.SupervisedContrastive(), (labels,)),
        (losses.TripletLoss(), (negatives,)),
        (losses.EmbeddingDistillation(), ()),
    ):
        torch.manual_seed(0)
        midi, audio = torch.randn(2, size["batch"], 128, device=device, dtype=torch.bfloat16)
        value = loss.to(device)(midi.requires_grad_(), audio, *rest)
        value.backward()
        found[type(loss).__name__] = [value.item(), bool(midi.grad.isfinite().all())]
    return found


def interrupted(device, size, corpus):
    """A training stopped in the middle of an epoch and gone on with, beside one that was not."""

    def train(folder, stop_at=None):
        torch.manual_seed(0)
        data, calls = Corpus(corpus, device), 0
        midi, audio = MIDIEncoder(8, 10).to(device), AudioEncoder(8, 10).to(device)

        def step(rows, generator):
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise KeyboardInterrupt
            return training.cost(midi(data.rolls(rows)), audio(data.mels(rows)), generator)

        return fit(
            torch.nn.ModuleList([midi, audio]),
            step,
            torch.arange(64),
            lambda: {"validation_loss": 0.0},
            best="validation_loss",
            folder=folder,
            epochs=2,
            batch_size=16,
            learning_rate=0.001,
            seed=0,
            settings={},
            checkpoint_seconds=0,
        )

    with tempfile.TemporaryDirectory() as folder:
        expected = train(Path(folder) / "whole")
        with contextlib.suppress(KeyboardInterrupt):
            train(Path(folder) / "stopped", stop_at=7)
        resumed = train(Path(folder) / "stopped")
    return {"whole": expected, "resumed": resumed, "same_bits": expected == resumed}


def ceiling(device, size, corpus):
    """Each convolution of both encoders by itself, forward and backward, in bfloat16."""
    flop = seconds = 0.0
    for kind in (MIDIEncoder, AudioEncoder):
        encoder = kind(size["width"]).to(device, torch.bfloat16, memory_format=torch.channels_last)
        for layer, shape in _convolutions(encoder, size["batch"], device):
            x = torch.randn(shape, device=device, dtype=torch.bfloat16)
            x = x.to(memory_format=torch.channels_last).requires_grad_(shape[1] > 1)
            gradient = torch.randn_like(layer(x))
            spent = _seconds(partial(_forward_and_backward, layer, x, gradient), device)
            passes = 3 if shape[1] > 1 else 2  # the first layer's input needs no gradient
            flop += passes * 2 * gradient.numel() * layer.weight[0].numel()
            seconds += spent
    return {"bf16_convolution_tflops": flop / seconds / 1e12, "seconds_a_step": seconds}


def _forward_and_backward(layer, x, gradient):
    layer(x).backward(gradient)


def _convolutions(encoder, batch, device):
    found = []
    layers = [layer for layer in encoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [
        layer.register_forward_hook(lambda layer, x, _: found.append((layer, tuple(x[0].shape))))
        for layer in layers
    ]
    image = torch.zeros(batch, 1, *encoder.input_shape, device=device, dtype=torch.bfloat16)
    with torch.no_grad():
        encoder(image)
    for hook in hooks:
        hook.remove()
    return found


def _seconds(work, device, repeats: int = 10) -> float:
    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        work()
    wait()
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return (time.perf_counter() - begun) / repeats


def against_the_usual_loop(device, size, corpus):
    """`benchmarks.training` at the paper's widths."""
    names = {"width": "width", "batch": "batch-size"}
    command = ["--device", device.type]
    for name, value in size.items():
        command += [f"--{names.get(name, name)}", str(value)]
    if device.type == "cuda":
        command.append("--compile")
    return training.main(command)


PARTS = (
    same_as_on_the_cpu,
    losses_in_half_precision,
    interrupted,
    ceiling,
    against_the_usual_loop,
)


def main(command: list[str] | None = None) -> dict:
    """Run every part and write what came out."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--small", action="store_true", help="a tiny size, to test this script")
    arguments.add_argument("--output", type=Path, default=Path("benchmarks/results/gpu.json"))
    given = arguments.parse_args(command)
    device, size = choose_device(given.device), SIZES["small" if given.small else "whole"]
    begun = time.perf_counter()
    results = {"device": training.name_of(device), "size": size, "date": time.strftime("%Y-%m-%d")}
    results |= {"commit": commit(), "versions": versions(), "cuda": torch.version.cuda}
    with tempfile.TemporaryDirectory() as folder:
        corpus = made_up_corpus(Path(folder) / "corpus", size["segments"])
        for part in PARTS:
            started = time.perf_counter()
            try:
                results[part.__name__] = part(device, size, corpus)
            except Exception:
                results[part.__name__] = {"error": traceback.format_exc()}
            print(f"{part.__name__}: {time.perf_counter() - started:.0f} s", flush=True)
            results["seconds"] = time.perf_counter() - begun
            write_json(given.output, results)  # after each part: what is done is not lost
    _compare(results)
    write_json(given.output, results)
    print(json.dumps(results, indent=1))
    return results


def _compare(results: dict) -> None:
    """Add the share of the ceiling that training reaches."""
    timed, most = results["against_the_usual_loop"], results["ceiling"]
    if "error" not in timed and "error" not in most:
        rate = timed["pairs_per_second"]["camil"] * timed["floor"]["gflop_per_pair"] / 1e3
        results["share_of_ceiling"] = rate / most["bf16_convolution_tflops"]


if __name__ == "__main__":
    main()
