"""The loop that public contrastive-audio repositories write, to compare with.

Rolls and spectrograms are arrays on disk, a Dataset returns one pair, a DataLoader collects them,
the step is in single precision (on a GPU with TF32 in convolutions, torch's default). Nothing in it
is slower than it has to be within that form: workers as many as there are cores, kept alive, pinned
memory and a transfer that does not wait on a GPU, and the same encoders and loss.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

AHEAD = 2  # batches that each worker of the DataLoader has ready, torch's default


class Pairs(Dataset):
    """A roll and a spectrogram, read from arrays that were written once."""

    def __init__(self, rolls: Path, mels: Path):
        self.rolls, self.mels = np.load(rolls, mmap_mode="r"), np.load(mels, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rolls)

    def __getitem__(self, index: int):
        roll = torch.from_numpy(np.array(self.rolls[index], dtype=np.float32))
        mel = torch.from_numpy(np.array(self.mels[index], dtype=np.float32))
        return roll[None], mel[None] / 80 + 1


def loader(folder: Path, batch_size: int, workers: int, cuda: bool) -> DataLoader:
    """The usual DataLoader over `folder`/rolls.npy and `folder`/mels.npy, shuffled.

    One epoch is a thousand times through, so that no time goes into beginning another.
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
    """Train; `gate` is called before each step."""
    optimizer = torch.optim.Adam([*midi.parameters(), *audio.parameters()], 0.001)
    for rolls, mels in batches:
        gate()
        rolls, mels = rolls.to(device, non_blocking=True), mels.to(device, non_blocking=True)
        optimizer.zero_grad()
        loss(midi(rolls), audio(mels)).backward()
        optimizer.step()
