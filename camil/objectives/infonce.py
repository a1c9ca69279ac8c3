"""Losses in which a part chooses its sound among all sounds of the batch, and the reverse."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.objectives.embeddings import check_allowed, check_batch, cosines, positive

SHARPEST = math.log(100)  # CLIP's bound: a temperature below 0.01 makes training unstable


def sharpness(scale: nn.Parameter) -> Tensor:
    """``1/τ`` of a learnt ``log 1/τ``, which is kept within its bound without getting stuck."""
    with torch.no_grad():
        scale.clamp_(max=SHARPEST)
    return scale.exp()


class InfoNCE(nn.Module):
    """Find the own sound among all sounds of the batch, and the own part among all parts.

    ``L = -1/2B Σ_i [log exp(s_ii/τ) / Σ_j exp(s_ij/τ) + log exp(s_ii/τ) / Σ_j exp(s_ji/τ)]`` with
    ``s_ij`` the cosine of MIDI ``i`` and audio ``j`` (van den Oord et al., 2018; over two
    modalities with a learnt temperature: CLIP, Radford et al., 2021). The sums run over ``j = i``
    and the negatives, so what is not allowed as a negative neither attracts nor repels.

    With one segment, or with no negative allowed, the loss is 0 and so is its gradient.

    Args:
        temperature: ``τ`` to begin with; it is learnt as ``log 1/τ`` and kept at 0.01 or more.

    Shape:
        midi, audio: ``(batch, embedding)``; allowed: ``(batch, batch)`` of bool, ``[i, j]`` whether
        audio ``j`` is a negative of MIDI ``i`` (all others if left out); returns a scalar, in
        single precision at least.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not fit together.
    """

    def __init__(self, temperature: float = 0.07):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))

    def forward(self, midi: Tensor, audio: Tensor, allowed: Tensor | None = None) -> Tensor:
        check_batch(midi, audio)
        allowed = check_allowed(allowed, len(midi), midi.device)
        logits = cosines(midi, audio) * sharpness(self.scale)
        itself = torch.arange(len(midi), device=midi.device)
        left_out = ~allowed & (itself[:, None] != itself)
        # Of both directions: a pair that is no negative in one is none in the other.
        to_audio = cross_entropy(logits.masked_fill(left_out, -math.inf), itself)
        to_midi = cross_entropy(logits.T.masked_fill(left_out.T, -math.inf), itself)
        return (to_audio + to_midi) / 2


class SupervisedContrastive(nn.Module):
    """Every sound of the same instrument is a positive, all others are negatives.

    ``L = mean over i of -1/|P(i)| Σ_{p in P(i)} log exp(s_ip/τ) / Σ_j exp(s_ij/τ)``, with ``P(i)``
    the audio of MIDI ``i``'s class and ``j`` over the whole batch; the mean of this and of the same
    from audio to MIDI (Khosla et al., 2020, ``L_out``, across modalities). An anchor's own other
    half is always among its positives, so no anchor is without one.

    Args:
        temperature: ``τ`` to begin with, learnt as in `InfoNCE`.

    Shape:
        midi, audio: ``(batch, embedding)``; labels: ``(batch,)`` of integers; returns a scalar, in
        single precision at least.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not fit together.
    """

    def __init__(self, temperature: float = 0.07):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))

    def forward(self, midi: Tensor, audio: Tensor, labels: Tensor) -> Tensor:
        check_batch(midi, audio)
        if labels.shape != midi.shape[:1]:
            raise ValueError(f"labels must be ({len(midi)},), got {tuple(labels.shape)}")
        logits = cosines(midi, audio) * sharpness(self.scale)
        same = (labels[:, None] == labels).to(logits.dtype)
        share = same / same.sum(1, keepdim=True)  # symmetric classes: the same both ways
        to_audio = -(share * logits.log_softmax(1)).sum(1).mean()
        to_midi = -(share * logits.T.log_softmax(1)).sum(1).mean()
        return (to_audio + to_midi) / 2
