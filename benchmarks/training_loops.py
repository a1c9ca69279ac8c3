"""The compared training loops: each passes a `Gate` before every step."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from benchmarks import dataloader_loop
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
    """Both encoders, always from the same seed, in training mode."""
    torch.manual_seed(0)
    both = [kind(width, depth, normalize=True).to(device) for kind in (MIDIEncoder, AudioEncoder)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [encoder.to(memory_format=layout).train() for encoder in both]


def cost(midi, audio, generator=None):
    """The paper's loss with four random negatives per segment."""
    return ContrastiveLoss()(*pairs(midi, audio, RandomNegatives(4)(len(midi), generator)))


def bare(gate: Gate, given, device, *, channels_last=True, half=True, compiled=False, search=False):
    """The model's step alone, on inputs that are in memory: no data loading, no checkpoints.

    Args:
        search: let cuDNN benchmark its algorithms for each shape.
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
    """`fit` as ``02_pretrain`` calls it: draws notes and negatives, reads mels, reports progress.

    As in `with_dataloader`, the epoch is too long to end: validation and checkpoints at the end of
    an epoch do not depend on the loop and are timed by `benchmarks.gpu`.
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


def with_dataloader(gate: Gate, given, device, corpus: Path, folder: Path):
    """`benchmarks.dataloader_loop` on the same segments; writing its arrays is not timed."""
    data = Corpus(corpus)
    rows = torch.arange(len(data))
    np.save(folder / "rolls.npy", data.rolls(rows)[:, 0].numpy())
    np.save(folder / "mels.npy", np.load(corpus / "mels.npy").astype(np.float32))
    midi, audio = encoders(given.width, given.depth, device, False)
    batches = dataloader_loop.loader(folder, given.batch_size, given.workers, device.type == "cuda")
    dataloader_loop.train(midi, audio, cost, batches, device, gate)
