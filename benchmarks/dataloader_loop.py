"""A conventional PyTorch training loop with a Dataset and a DataLoader, for comparison.

Rolls and spectrograms are arrays on disk, a Dataset returns one pair, a DataLoader collates them,
and the step runs in single precision (on a GPU with TF32 in convolutions, torch's default). Within
that form it is as fast as possible: persistent workers, pinned memory and asynchronous transfer on
a GPU, and the same encoders and loss.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

AHEAD = 2  # batches that each DataLoader worker prefetches, torch's default


class Pairs(Dataset):
    """Pairs of a roll and a spectrogram, read from arrays on disk."""

    def __init__(self, rolls: Path, mels: Path):
        self.rolls, self.mels = np.load(rolls, mmap_mode="r"), np.load(mels, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rolls)

    def __getitem__(self, index: int):
        roll = torch.from_numpy(np.array(self.rolls[index], dtype=np.float32))
        mel = torch.from_numpy(np.array(self.mels[index], dtype=np.float32))
        return roll[None], mel[None] / 80 + 1


def loader(folder: Path, batch_size: int, workers: int, cuda: bool) -> DataLoader:
    """A shuffled DataLoader over ``rolls.npy`` and ``mels.npy`` in ``folder``.

    One epoch reads the data a thousand times, so that no second epoch begins while timing.
    """
    dataset = Pairs(folder / "rolls.npy", folder / "mels.npy")
    return DataLoader(
        dataset,
        batch_size,
        sampler=RandomSampler(dataset, num_samples=1000 * len(dataset)),
        drop_last=True,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=cuda,
        persistent_workers=workers > 0,
    )


def train(
    midi: nn.Module,
    audio: nn.Module,
    loss: Callable,
    batches: DataLoader,
    device: torch.device,
    gate: Callable[[], None],
) -> None:
    """Train; ``gate`` is called before each step."""
    optimizer = torch.optim.Adam([*midi.parameters(), *audio.parameters()], 0.001)
    for rolls, mels in batches:
        gate()
        rolls, mels = rolls.to(device, non_blocking=True), mels.to(device, non_blocking=True)
        optimizer.zero_grad()
        loss(midi(rolls), audio(mels)).backward()
        optimizer.step()
