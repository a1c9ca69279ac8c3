"""All GPU measurements of training, in under 9 minutes on a machine with PyTorch.

    python -m benchmarks.gpu                         writes benchmarks/results/gpu.json and gpu.md
    python -m benchmarks.gpu --small --device cpu    the same code at a tiny size, for tests

The parts are independent: a part that fails leaves its error in the results, which are written
after every part.
"""

import argparse
import contextlib
import shutil
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

import torch

from benchmarks import training
from benchmarks.dataloader_loop import AHEAD
from benchmarks.hardware_limits import bandwidth, convolution_limit, seconds_of
from benchmarks.made_up_corpus import made_up_corpus
from benchmarks.operation_counts import minimum_cost
from benchmarks.provenance import provenance
from benchmarks.training_loops import cost
from camil import losses
from camil.corpus.augmentation import Augmentation, draw_seeds
from camil.corpus.corpus import Corpus
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.training.checkpoints import Checkpoint, State
from camil.training.devices import choose_device
from camil.training.embed import embed
from camil.training.fit import fit
from camil.workbook.files import write_json, write_text

SIZES = {
    "whole": {"width": 64, "batch": 512, "segments": 8192, "steps": 12, "turns": 5, "workers": 8},
    "small": {"width": 4, "batch": 16, "segments": 96, "steps": 1, "turns": 1, "workers": 0},
}
SHARED_MEMORY = Path("/dev/shm")  # holds the batches of DataLoader workers, on Linux


def same_as_on_the_cpu(device, size, corpus):
    """Compare rolls drawn on the GPU and the CPU, and embeddings with and without a batch."""
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
    """Value of each loss on bfloat16 embeddings, and whether its gradients are finite."""
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
    """Compare a training that was interrupted within an epoch and resumed with one that was not."""

    def train(folder, stop_at=None):
        torch.manual_seed(0)
        data, calls = Corpus(corpus, device), 0
        midi, audio = MIDIEncoder(8, 10).to(device), AudioEncoder(8, 10).to(device)

        def step(rows, generator):
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise KeyboardInterrupt
            return cost(midi(data.rolls(rows)), audio(data.mels(rows)), generator)

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


def embedding(device, size, corpus):
    """Segments per second when embedding a whole corpus in single precision."""
    data = Corpus(corpus, device)
    found = {"mels_held": data.hold_mels()}
    for kind, draw in ((MIDIEncoder, data.rolls), (AudioEncoder, data.mels)):
        encoder, rows = kind(size["width"]).to(device), torch.arange(len(data))
        spent = seconds_of(partial(embed, encoder, draw, rows), device, repeats=1)
        found[f"{kind.__name__}_segments_per_second"] = len(data) / spent
    return found


def checkpoint(device, size, corpus):
    """Seconds to write a checkpoint at these widths, and its size."""
    model = torch.nn.ModuleList([kind(size["width"]) for kind in (MIDIEncoder, AudioEncoder)])
    optimizer = torch.optim.Adam(model.to(device).parameters(), fused=True)
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    state = State(model, optimizer, torch.Generator())
    state.finish_epoch({"epoch": 1}, is_best=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoint(Path(folder), state, {})
        spent = seconds_of(kept.save, device, repeats=3)
        return {"seconds": spent, "megabytes": kept.path.stat().st_size / 1e6}


def against_dataloader_loop(device, size, corpus):
    """`benchmarks.training` at the paper's widths."""
    command = ["--device", device.type]
    for name, value in (size | {"workers": _workers(size)}).items():
        command += [f"--{'batch-size' if name == 'batch' else name}", str(value)]
    if device.type == "cuda":
        command.append("--compile")
    with tempfile.TemporaryDirectory() as folder:
        return training.main([*command, "--output", f"{folder}/training.json"])


def _workers(size) -> int:
    """DataLoader workers, limited by the shared memory for their batches."""
    room = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else 2**40
    batch = size["batch"] * (84 * 192 + 128 * 282) * 4  # bytes
    return min(size["workers"], int(room / batch / (AHEAD + 1)))


PARTS = (
    same_as_on_the_cpu,
    losses_in_half_precision,
    interrupted,
    bandwidth,
    convolution_limit,
    embedding,
    checkpoint,
    against_dataloader_loop,
)


def main(command: list[str] | None = None) -> dict:
    """Run every part and write the results."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--small", action="store_true", help="a tiny size, for tests")
    arguments.add_argument("--output", type=Path, default=Path("benchmarks/results/gpu.json"))
    given = arguments.parse_args(command)
    device, size = choose_device(given.device), SIZES["small" if given.small else "whole"]
    begun = time.perf_counter()
    results = {"size": size, **provenance(device), "summary": {}}
    with tempfile.TemporaryDirectory() as folder:
        corpus = made_up_corpus(Path(folder) / "corpus", size["segments"])
        for part in PARTS:
            started = time.perf_counter()
            try:
                results[part.__name__] = part(device, size, corpus)
            except Exception:
                results[part.__name__] = {"error": traceback.format_exc()}
                print(results[part.__name__]["error"])
            print(f"{part.__name__}: {time.perf_counter() - started:.0f} s", flush=True)
            results["seconds"] = time.perf_counter() - begun
            results["summary"] = summary(results)
            write_json(given.output, results)
            write_text(given.output.with_suffix(".md"), as_markdown(results))
    print(as_markdown(results))
    return results


def summary(results: dict) -> dict[str, float]:
    """The main numbers of the parts that have succeeded so far."""
    found: dict[str, float] = {}
    timed = results.get("against_dataloader_loop", {})
    found |= timed.get("ratios", {})
    if most := results.get("convolution_limit", {}).get("bf16_convolution_tflops"):
        found["convolutions alone, TFLOP/s"] = most
        if "ratios" in timed:
            found["camil / convolutions alone"] = timed["tflop_per_second"] / most
    if moved := results.get("bandwidth", {}).get("terabytes_per_second"):
        least = minimum_cost(results["size"]["width"])
        pairs = moved * 1e6 / least["activation_megabytes_per_pair"]
        found["pairs per second, limit by memory bandwidth"] = pairs
    if "ratios" in timed:
        found["pairs per second, camil"] = timed["pairs_per_second"]["camil"]
    for part in ("embedding", "checkpoint"):
        found |= {f"{part}: {name}": value for name, value in results.get(part, {}).items()
                  if isinstance(value, float)}  # fmt: skip
    return found


def as_markdown(results: dict) -> str:
    """The summary as a table, with failed parts and provenance."""
    lines = [f"# Training on {results['device']}", "", "| | |", "|:--|--:|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in results["summary"].items()]
    failed = [part.__name__ for part in PARTS if "error" in results.get(part.__name__, {})]
    lines += ["", f"Failed: {', '.join(failed)}." if failed else "No part failed.", ""]
    lines.append(
        f"{results['date']}, commit {results['commit']} (source {results['source']}), torch "
        f"{results['versions']['torch']}, CUDA {results['cuda']}, {results['seconds']:.0f} s: "
        f"`{results['command']}`"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
