"""The ways to train that are compared: each a generator that makes one step when asked for one."""

import queue
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from benchmarks import usual_loop
from camil.augmentation import draw_seeds
from camil.corpus import Corpus
from camil.devices import autocast
from camil.encoders import AudioEncoder, MIDIEncoder
from camil.losses import ContrastiveLoss
from camil.samplers import RandomNegatives, pairs
from camil.training import fit


def encoders(width: int, depth: int, device, channels_last: bool):
    """The same two encoders each time, in training mode."""
    torch.manual_seed(0)
    both = [kind(width, depth, normalize=True).to(device) for kind in (MIDIEncoder, AudioEncoder)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [encoder.to(memory_format=layout).train() for encoder in both]


def cost(midi, audio, generator=None):
    """The paper's loss, with four random negatives a segment."""
    return ContrastiveLoss()(*pairs(midi, audio, RandomNegatives(4)(len(midi), generator)))


def bare(given, device, *, channels_last=True, half=True, compiled=False) -> Iterator[None]:
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


def whole(corpus: Path, given, device, folder: Path) -> Iterator[None]:
    """`fit` as notebook 02 calls it: notes drawn, mels read, negatives drawn, progress told.

    An epoch is made too long to end, here as in the usual loop; what its end costs, validation and
    a checkpoint, does not depend on the loop and is timed by `benchmarks.gpu`.
    """
    data = Corpus(corpus, device)
    held = data.hold_mels()
    midi, audio = encoders(given.width, given.depth, device, False)

    def step(rows, generator):
        seeds = draw_seeds(len(rows), generator)
        return cost(midi(data.rolls(rows, seeds)), audio(data.mels(rows)), generator)

    return _steps_of(
        torch.nn.ModuleList([midi, audio]),
        step,
        torch.arange(len(data)).repeat(1000),
        lambda: {"validation_loss": 0.0},
        best="validation_loss",
        folder=folder,
        epochs=1,
        batch_size=given.batch_size,
        learning_rate=0.001,
        seed=0,
        settings={},
        prefetch=None if held else data.prefetch,
    )


def _steps_of(model, step, *arguments, **settings) -> Iterator[None]:
    """Run `fit` in a thread of its own that stops before each step until it is told to go on."""
    go, done = queue.Queue(), queue.Queue()

    def stopping(rows, generator):
        done.put(None)
        go.get()
        return step(rows, generator)

    def run():
        try:
            fit(model, stopping, *arguments, **settings)
        except BaseException as error:
            done.put(error)

    def wait():
        if error := done.get():
            raise error

    threading.Thread(target=run, daemon=True).start()
    wait()
    while True:
        go.put(None)
        wait()
        yield


def usual(corpus: Path, given, device, folder: Path) -> Iterator[None]:
    """`usual_loop.py` on the same segments, written as arrays once, which is not timed."""
    data = Corpus(corpus)
    rows = torch.arange(len(data))
    np.save(folder / "rolls.npy", data.rolls(rows)[:, 0].numpy())
    np.save(folder / "mels.npy", np.load(corpus / "mels.npy").astype(np.float32))
    midi, audio = encoders(given.width, given.depth, device, False)
    batches = usual_loop.loader(folder, given.batch_size, given.workers, device.type == "cuda")
    return usual_loop.train(midi, audio, cost, batches, device)
