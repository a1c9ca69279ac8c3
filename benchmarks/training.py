"""Training speed, compared with the model step alone and with a DataLoader loop.

    python -m benchmarks.training --compile          two CPU cores, width 16: about 5 minutes
    python -m benchmarks.training --width 64 --batch-size 512 --device cuda --workers 8

Results go to benchmarks/results/training.json and training.md; `benchmarks.operation_counts` has
the lower bounds of a step. All loops of `benchmarks.training_loops` are timed in one run, each in a
separate process, in alternating order (A B C, C B A, ...). A turn is a few steps. The results are
the median and the range over turns, in pairs of a roll and a spectrogram per second. A ratio is the
median of the ratios per round, so that a temporary slowdown of the machine affects both sides.
A turn ends with a pause, in which data loaders prefetch their next batches; the next turn makes as
many steps as batches were prefetched before its timing starts.
"""

import argparse
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks import training_loops
from benchmarks.alternating import PAUSE, Loop
from benchmarks.dataloader_loop import AHEAD
from benchmarks.made_up_corpus import made_up_corpus
from benchmarks.operation_counts import minimum_cost
from benchmarks.provenance import provenance
from camil.training.devices import choose_device
from camil.workbook.environment import KEEP_MEMORY
from camil.workbook.files import write_json, write_text

# Targets of the ratios: on two CPU cores, and on an H200 at the paper's widths.
TARGETS = {"camil / bare step": (0.90, 0.85), "camil / DataLoader loop": (1.5, 5.0)}


def main(command: list[str] | None = None) -> dict:
    """Time all loops, then write, print and return the results."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--depth", type=int, default=18)
    arguments.add_argument("--batch-size", type=int, default=128)
    arguments.add_argument("--segments", type=int, default=2048)
    arguments.add_argument("--steps", type=int, default=3, help="steps per turn")
    arguments.add_argument("--turns", type=int, default=12)
    arguments.add_argument("--workers", type=int, default=2, help="of the DataLoader loop")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true", help="also time torch.compile")
    arguments.add_argument("--output", type=Path, default=Path("benchmarks/results/training.json"))
    given = arguments.parse_args(command)
    device = choose_device(given.device)
    # The allocator settings that `camil.workbook.execute` gives to kernels, here for all loops.
    os.environ.update(KEEP_MEMORY)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        corpus = made_up_corpus(folder / "corpus", given.segments)
        timed = loops(corpus, given, device, folder)
        try:
            results = measure(timed, given, device)
        finally:
            for loop in timed.values():
                loop.close()
    write_json(given.output, results)
    write_text(given.output.with_suffix(".md"), as_markdown(results))
    print(as_markdown(results))
    return results


def loops(corpus: Path, given, device, folder: Path) -> dict[str, Loop]:
    """The timed loops by name, each in a separate process."""

    def bare(**how):
        return Loop(partial(training_loops.bare, **how), given, device, device=device, ready=1)

    (arrays := folder / "arrays").mkdir()
    ahead = max(AHEAD * given.workers, 1)
    found = {
        "bare step": bare(),
        "camil": Loop(
            training_loops.whole, given, device, corpus, folder / "run", device=device, ready=1
        ),
        "DataLoader loop": Loop(
            training_loops.with_dataloader,
            given,
            device,
            corpus,
            arrays,
            device=device,
            ready=ahead,
        ),
        "bare, float32": bare(half=False),
        "bare, not channels_last": bare(channels_last=False),
        "bare, neither": bare(channels_last=False, half=False),
    }
    if device.type == "cuda":
        found["bare, cuDNN searches"] = bare(search=True)
    if given.compile:
        found["bare, compiled"] = bare(compiled=True)
    return found


def measure(timed: dict[str, Loop], given, device) -> dict:
    """Time the loops in turns; median rates, ratios, lower bounds and provenance."""
    errors, warming_up, rates = {}, {}, {}
    for name, loop in timed.items():
        begun = time.perf_counter()
        try:
            loop.turn(2)
        except RuntimeError as error:
            errors[name] = str(error)
        else:
            rates[name], warming_up[name] = [], time.perf_counter() - begun - PAUSE
    for number in range(given.turns):
        for name in list(rates)[:: -1 if number % 2 else 1]:
            seconds = timed[name].turn(given.steps)
            rates[name].append(given.steps * given.batch_size / seconds)
    rate = {name: statistics.median(found) for name, found in rates.items()}
    results = {
        "pairs_per_second": rate,
        "turns": rates,
        "ratios": ratios(rates),
        "minimum_cost": minimum_cost(given.width, given.depth),
        "errors": errors,
        "given": {name: str(value) for name, value in vars(given).items() if name != "output"},
    }
    results["tflop_per_second"] = rate["camil"] * results["minimum_cost"]["gflop_per_pair"] / 1e3
    if "bare, compiled" in rate:
        steps = 3 * given.batch_size / rate["bare, compiled"]
        results["seconds_to_compile"] = warming_up["bare, compiled"] - steps
    return results | provenance(device)


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Median ratio per round of each pair of loops that were both timed."""
    wanted = {
        "camil / bare step": ("camil", "bare step"),
        "camil / DataLoader loop": ("camil", "DataLoader loop"),
        "bfloat16": ("bare step", "bare, float32"),
        "channels_last": ("bare step", "bare, not channels_last"),
        "bfloat16 and channels_last": ("bare step", "bare, neither"),
        "cuDNN's search": ("bare, cuDNN searches", "bare step"),
        "torch.compile": ("bare, compiled", "bare step"),
    }
    return {
        name: statistics.median(a / b for a, b in zip(rates[over], rates[under], strict=True))
        for name, (over, under) in wanted.items()
        if over in rates and under in rates
    }


def as_markdown(results: dict) -> str:
    """The results as tables, with their provenance below."""
    given, least = results["given"], results["minimum_cost"]
    lines = [
        f"# Training speed at width {given['width']}, batch size {given['batch_size']}",
        "",
        "| loop | pairs per second (median) | range over turns |",
        "|:--|--:|--:|",
    ]
    for name, rate in results["pairs_per_second"].items():
        turns = results["turns"][name]
        lines.append(f"| {name} | {rate:.1f} | {min(turns):.1f} to {max(turns):.1f} |")
    lines += [*(f"| {name} | failed | |" for name in results["errors"]), ""]
    lines += ["| ratio | measured | target |", "|:--|--:|--:|"]
    for name, ratio in results["ratios"].items():
        target = TARGETS.get(name, ("", ""))[results["cuda"] is not None]
        lines.append(f"| {name} | {ratio:.2f} | {target} |")
    if "seconds_to_compile" in results:
        lines += [
            "",
            f"torch.compile costs {results['seconds_to_compile']:.0f} s at the first step.",
        ]
    lines += [
        "",
        f"A pair costs at least {least['gflop_per_pair']:.2f} GFLOP and moves "
        f"{least['activation_megabytes_per_pair']:.1f} MB of activations "
        f"(benchmarks.operation_counts); camil computes {results['tflop_per_second']:.3f} TFLOP/s.",
        "",
        f"{results['date']}, commit {results['commit']}, {results['device']}, "
        f"{results['threads']} threads, torch {results['versions']['torch']}: "
        f"`{results['command']}`",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
