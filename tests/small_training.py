"""A small contrastive training that `test_training` runs, and kills, in another process."""

import os
import signal
import sys
from contextlib import nullcontext

import torch

from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.losses.contrastive import ContrastiveLoss
from camil.samplers.negatives import ClassNegatives
from camil.samplers.pairs import pairs
from camil.training import fit as training
from camil.training.devices import choose_device, spread
from camil.training.embed import embed
from camil.training.fit import fit

EPOCHS, STEPS_PER_EPOCH = 4, 5


def train(folder, dies_in=0, checkpoint_seconds=60.0, environment=None, half=True):
    """Train; kill this process in the middle of its step `dies_in`, counted from 1."""
    if not half:
        training.autocast = lambda device: nullcontext()
    os.environ.update(environment or {})
    torch.set_num_threads(1)
    sys.ps1 = "In : "  # as in the kernel of a notebook
    choose_device("cpu")
    torch.manual_seed(0)
    # Notes and audio of 60 segments of four instruments; the audio depends on the notes.
    labels = torch.arange(60) % 4
    notes = (torch.rand(60, 1, 42, 48) < 0.05 * (1 + labels[:, None, None, None])).float()
    sounds = torch.nn.functional.interpolate(notes, (32, 70)) + 0.1 * torch.rand(60, 1, 32, 70)
    midi = MIDIEncoder(4, 10, 8, normalize=True)
    audio = AudioEncoder(4, 10, 8, normalize=True)
    loss, sampler = ContrastiveLoss(), ClassNegatives(2)
    validation = torch.arange(44, 60)
    calls = 0

    def step(rows, generator):
        nonlocal calls
        calls += 1
        if calls == dies_in:
            os.kill(os.getpid(), signal.SIGKILL)
        chosen = sampler(labels[rows], generator)
        # Two sources of randomness: the generator of the training and torch's global one.
        noise = torch.rand(len(rows), 1, 1, 1, generator=generator) * torch.rand(1)
        embedded = spread(audio, lambda rows, noise: sounds[rows] + 0.1 * noise, rows, noise)
        return loss(*pairs(spread(midi, notes.__getitem__, rows), embedded, chosen))

    @torch.no_grad()
    def evaluate():
        found = embed(midi, notes.__getitem__, validation)
        embedded = embed(audio, sounds.__getitem__, validation)
        chosen = sampler(labels[validation], torch.Generator().manual_seed(0))
        return {"validation_loss": loss(*pairs(found, embedded, chosen)).item()}

    return fit(
        torch.nn.ModuleList([midi, audio]),
        step,
        torch.arange(44),
        evaluate,
        best="validation_loss",
        folder=folder,
        epochs=EPOCHS,
        batch_size=8,
        learning_rate=0.01,
        seed=5,
        settings={"width": 4},
        checkpoint_seconds=checkpoint_seconds,
    )
