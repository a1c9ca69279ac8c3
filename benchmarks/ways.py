"""The ways to train that are compared: each a loop that comes to a gate before every step."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from benchmarks import usual_loop
from camil.corpus.augmentation import draw_seeds
from camil.corpus.corpus import Corpus
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.losses.contrastive import ContrastiveLoss
from camil.samplers.negatives import RandomNegatives
from camil.samplers.pairs import pairs
from camil.training.devices import autocast
from camil.training.fit import fit

Gate = Callable[[], None]


def encoders(width: int, depth: int, device, channels_last: bool):
    """The same two encoders each time, in training mode."""
    torch.manual_seed(0)
    both = [kind(width, depth, normalize=True).to(device) for kind in (MIDIEncoder, AudioEncoder)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [encoder.to(memory_format=layout).train() for encoder in both]


def cost(midi, audio, generator=None):
    """The paper's loss, with four random negatives a segment."""
    return ContrastiveLoss()(*pairs(midi, audio, RandomNegatives(4)(len(midi), generator)))


def bare(gate: Gate, given, device, *, channels_last=True, half=True, compiled=False, search=False):
    """The model's step alone: inputs are there already, nothing is drawn, read or kept.

    Args:
        search: let cuDNN try its algorithms on each shape.
    """
    torch.backends.cudnn.benchmark = search
    midi, audio = encoders(given.width, given.depth, device, channels_last)
    parameters = [*midi.parameters(), *audio.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.001, fused=True)
    if compiled:
        midi, audio = torch.compile(midi), torch.compile(audio)
    rolls = (torch.rand(given.batch_size, 1, 84, 192, device=device) < 0.03).float()
    mels = torch.rand(given.batch_size, 1, 128, 282, device=device)
    while True:
        gate()
        with autocast(device) if half else nullcontext():
            loss = cost(midi(rolls), audio(mels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def whole(gate: Gate, given, device, corpus: Path, folder: Path):
    """`fit` as notebook 02 calls it: notes drawn, mels read, negatives drawn, progress told.

    An epoch is made too long to end, here as in the usual loop; what its end costs, validation and
    a checkpoint, does not depend on the loop and is timed by `benchmarks.gpu`.
    """
    data = Corpus(corpus, device)
    held = data.hold_mels()
    midi, audio = encoders(given.width, given.depth, device, False)

    def step(rows, generator):
        gate()
        seeds = draw_seeds(len(rows), generator)
        return cost(midi(data.rolls(rows, seeds)), audio(data.mels(rows)), generator)

    fit(
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


def usual(gate: Gate, given, device, corpus: Path, folder: Path):
    """`usual_loop.py` on the same segments, written as arrays once, which is not timed."""
    data = Corpus(corpus)
    rows = torch.arange(len(data))
    np.save(folder / "rolls.npy", data.rolls(rows)[:, 0].numpy())
    np.save(folder / "mels.npy", np.load(corpus / "mels.npy").astype(np.float32))
    midi, audio = encoders(given.width, given.depth, device, False)
    batches = usual_loop.loader(folder, given.batch_size, given.workers, device.type == "cuda")
    usual_loop.train(midi, audio, cost, batches, device, gate)
