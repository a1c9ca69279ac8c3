"""The loop that public contrastive-audio repositories write, to compare with.

Rolls and spectrograms are arrays on disk, a Dataset returns one pair, a DataLoader collects them,
the step is in single precision. Nothing in it is slower than it has to be within that form:
workers as many as there are cores, kept alive, pinned memory on a GPU, a frame that transfers
while the GPU computes, batch norm and convolutions by the same encoders.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    """A roll and a spectrogram, read from arrays that were written once."""

    def __init__(self, rolls: Path, mels: Path):
        self.rolls, self.mels = np.load(rolls, mmap_mode="r"), np.load(mels, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rolls)

    def __getitem__(self, index: int):
        roll = torch.from_numpy(np.array(self.rolls[index], dtype=np.float32))
        mel = torch.from_numpy(np.array(self.mels[index], dtype=np.float32))
        return roll[None], mel[None] / 80 + 1, index


def loader(folder: Path, batch_size: int, workers: int, cuda: bool) -> DataLoader:
    """The usual DataLoader over `folder`/rolls.npy and `folder`/mels.npy."""
    return DataLoader(
        Pairs(folder / "rolls.npy", folder / "mels.npy"),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=cuda,
        persistent_workers=workers > 0,
    )


def train(midi: nn.Module, audio: nn.Module, loss, batches: DataLoader, device, steps: int):
    """Yield after each of `steps` training steps."""
    optimizer = torch.optim.Adam([*midi.parameters(), *audio.parameters()], 0.001)
    done = 0
    while True:
        for rolls, mels, rows in batches:
            rolls, mels = rolls.to(device, non_blocking=True), mels.to(device, non_blocking=True)
            optimizer.zero_grad()
            loss(midi(rolls), audio(mels), rows).backward()
            optimizer.step()
            done += 1
            yield done
            if done == steps:
                return
