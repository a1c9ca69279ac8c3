"""How fast CAMIL trains: against its bare model step, and against the usual loop.

python -m benchmarks.training                            two CPU cores, width 16
python -m benchmarks.training --width 64 --batch-size 512 --device cuda

Everything is timed in one process, in turns (A B C, A B C, ...), each turn some steps; what is told
is the median of the turns, in pairs of a roll and a spectrogram a second, and the range.
"""

import argparse
import json
import queue
import statistics
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from benchmarks import usual_loop
from benchmarks.floor import floor
from benchmarks.made_up_corpus import made_up_corpus
from camil.augmentation import draw_seeds
from camil.corpus import Corpus
from camil.devices import autocast, choose_device
from camil.encoders import AudioEncoder, MIDIEncoder
from camil.losses import ContrastiveLoss
from camil.runs import commit, versions
from camil.samplers import RandomNegatives, pairs
from camil.training import fit


class Arrangement:
    """One way to train; `turn` does some steps and gives the pairs a second."""

    def __init__(self, steps, device: torch.device, batch_size: int):
        self.steps, self.device, self.batch_size = steps, device, batch_size
        self.rates = []

    def turn(self, count: int) -> None:
        self._wait()
        begun = time.perf_counter()
        for _ in range(count):
            next(self.steps)
        self._wait()
        self.rates.append(count * self.batch_size / (time.perf_counter() - begun))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def encoders(width: int, depth: int, device, channels_last: bool):
    torch.manual_seed(0)
    both = [kind(width, depth, normalize=True).to(device) for kind in (MIDIEncoder, AudioEncoder)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [encoder.to(memory_format=layout).train() for encoder in both]


def cost(midi, audio, generator=None):
    return ContrastiveLoss()(*pairs(midi, audio, RandomNegatives(4)(len(midi), generator)))


def bare(given, device, *, channels_last=True, half=True, compiled=False):
    """The model's step alone: inputs are there already, nothing is drawn, read or kept."""
    midi, audio = encoders(given.width, given.depth, device, channels_last)
    parameters = [*midi.parameters(), *audio.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.001, fused=True)
    if compiled:
        midi, audio = torch.compile(midi), torch.compile(audio)
    rolls = (torch.rand(given.batch_size, 1, 84, 192, device=device) < 0.03).float()
    mels = torch.rand(given.batch_size, 1, 128, 282, device=device)
    while True:
        with autocast(device) if half else nullcontext():
            loss = cost(midi(rolls), audio(mels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def whole(corpus: Path, given, device, folder: Path):
    """`fit` as notebook 02 calls it: notes drawn, mels read, negatives, history, checkpoints."""
    data = Corpus(corpus, device)
    held = data.hold_mels()
    midi, audio = encoders(given.width, given.depth, device, False)
    rows = torch.arange(len(data))

    def step(rows, generator):
        seeds = draw_seeds(len(rows), generator)
        return cost(midi(data.rolls(rows, seeds)), audio(data.mels(rows)), generator)

    return _steps_of(
        fit,
        torch.nn.ModuleList([midi, audio]),
        step,
        rows,
        lambda: {"validation_loss": 0.0},
        best="validation_loss",
        folder=folder,
        epochs=1_000_000,
        batch_size=given.batch_size,
        learning_rate=0.001,
        seed=0,
        settings={},
        prefetch=None if held else data.prefetch,
    )


def _steps_of(fit, model, step, *arguments, **settings):
    """Run `fit` in a thread of its own that stops before each step until it is told to go on."""
    go, done = queue.Queue(), queue.Queue()

    def stopping(rows, generator):
        done.put(None)
        go.get()
        return step(rows, generator)

    threading.Thread(
        target=fit, args=(model, stopping, *arguments), kwargs=settings, daemon=True
    ).start()
    done.get()
    while True:
        go.put(None)
        done.get()
        yield


def usual(corpus: Path, given, device, folder: Path):
    """`usual_loop.py` on the same segments, written as arrays once, which is not timed."""
    data = Corpus(corpus)
    rows = torch.arange(len(data))
    np.save(folder / "rolls.npy", data.rolls(rows)[:, 0].numpy())
    np.save(folder / "mels.npy", np.load(corpus / "mels.npy").astype(np.float32))
    midi, audio = encoders(given.width, given.depth, device, False)
    batches = usual_loop.loader(folder, given.batch_size, given.workers, device.type == "cuda")
    return usual_loop.train(midi, audio, lambda m, a, rows: cost(m, a), batches, device, 1_000_000)


def main(command: list[str] | None = None) -> dict:
    """Time, tell and return the results."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--depth", type=int, default=18)
    arguments.add_argument("--batch-size", type=int, default=128)
    arguments.add_argument("--segments", type=int, default=2048)
    arguments.add_argument("--steps", type=int, default=4, help="in a turn")
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--workers", type=int, default=2, help="of the usual DataLoader")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true", help="time torch.compile as well")
    arguments.add_argument("--output", type=Path, help="where the results go, as JSON")
    given = arguments.parse_args(command)
    device = choose_device(given.device)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        corpus = made_up_corpus(folder / "corpus", given.segments)
        ways = {
            "bare step": bare(given, device),
            "camil": whole(corpus, given, device, folder / "run"),
            "usual loop": usual(corpus, given, device, folder),
            "bare, fp32": bare(given, device, half=False),
            "bare, not channels_last": bare(given, device, channels_last=False),
            "bare, neither": bare(given, device, channels_last=False, half=False),
        }
        if given.compile:
            ways["bare, compiled"] = bare(given, device, compiled=True)
        results = measure(ways, given, device)
    if given.output:
        given.output.write_text(json.dumps(results, indent=2) + "\n")
    return results


def measure(ways, given, device) -> dict:
    """The median rate of every way, and what it means."""
    timed = {name: Arrangement(steps, device, given.batch_size) for name, steps in ways.items()}
    for way in timed.values():
        way.turn(2)  # to warm up
        way.rates.clear()
    for _ in range(given.turns):
        for way in timed.values():
            way.turn(given.steps)
    rate = {name: statistics.median(way.rates) for name, way in timed.items()}
    for name, way in timed.items():
        print(
            f"{name:26} {rate[name]:8.1f} pairs/s  ({min(way.rates):.1f} to {max(way.rates):.1f})"
        )
    ratios = {
        "camil to bare step": rate["camil"] / rate["bare step"],
        "camil to usual loop": rate["camil"] / rate["usual loop"],
        "bf16": rate["bare step"] / rate["bare, fp32"],
        "channels_last": rate["bare step"] / rate["bare, not channels_last"],
        "both": rate["bare step"] / rate["bare, neither"],
    }
    if "bare, compiled" in rate:
        ratios["compile"] = rate["bare, compiled"] / rate["bare step"]
    for name, ratio in ratios.items():
        print(f"{name:26} {ratio:8.2f}")
    least = floor(given.width, given.depth)
    print(", ".join(f"{name} {value:.3g}" for name, value in least.items()))
    print(f"camil: {least['gflop_per_pair'] * rate['camil'] / 1e3:.3f} TFLOP/s")
    return {
        "pairs_per_second": rate,
        "turns": {name: way.rates for name, way in timed.items()},
        "ratios": ratios,
        "floor": least,
        "given": {name: str(value) for name, value in vars(given).items()},
        "threads": torch.get_num_threads(),
        "device": name_of(device),
        "commit": commit(),
        "versions": versions(),
        "date": time.strftime("%Y-%m-%d"),
    }


def name_of(device: torch.device) -> str:
    return torch.cuda.get_devicename_of(device) if device.type == "cuda" else str(device)


if __name__ == "__main__":
    main()
