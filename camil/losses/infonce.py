"""InfoNCE: each part selects its audio among all audio of the batch, and vice versa."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.losses.embeddings import check_allowed, check_batch, cosines, positive
from camil.losses.objective import Objective
from camil.samplers.batch import Batch

SHARPEST = math.log(100)  # CLIP's bound: a temperature below 0.01 makes training unstable


def sharpness(scale: nn.Parameter) -> Tensor:
    """``1/τ`` of a learnt ``log 1/τ``, clamped to its bound without blocking the gradient."""
    with torch.no_grad():
        scale.clamp_(max=SHARPEST)
    return scale.exp()


class InfoNCE(Objective):
    """Symmetric cross-entropy over the batch, with a learnt temperature.

    ``L = -1/2B Σ_i [log exp(s_ii/τ) / Σ_j exp(s_ij/τ) + log exp(s_ii/τ) / Σ_j exp(s_ji/τ)]`` with
    ``s_ij`` the cosine of MIDI ``i`` and audio ``j`` (van den Oord et al., 2018; over two
    modalities: CLIP, Radford et al., 2021). The sums run over ``j = i`` and the allowed negatives;
    a pair that is not allowed has no effect. Without any negative the loss and its gradient are 0.

    Args:
        temperature: initial ``τ``; it is learnt as ``log 1/τ`` and kept at 0.01 or more.

    Shape:
        midi, audio: ``(batch, embedding)``. allowed: ``(batch, batch)`` bool, ``[i, j]`` whether
        audio ``j`` is a negative of MIDI ``i`` (None: all others). Returns a scalar, in float32 or
        better.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not match.
    """

    def __init__(self, temperature: float = 0.07):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))

    def forward(self, midi: Tensor, audio: Tensor, allowed: Tensor | None = None) -> Tensor:
        check_batch(midi, audio)
        allowed = check_allowed(allowed, len(midi), midi.device)
        logits = cosines(midi, audio) * sharpness(self.scale)
        itself = torch.arange(len(midi), device=midi.device)
        ignored = ~allowed & (itself[:, None] != itself)
        # A pair that is not a negative in one direction is not one in the other.
        to_audio = cross_entropy(logits.masked_fill(ignored, -math.inf), itself)
        to_midi = cross_entropy(logits.T.masked_fill(ignored.T, -math.inf), itself)
        return (to_audio + to_midi) / 2

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio, batch.allowed)
