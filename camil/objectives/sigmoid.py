"""A loss in which every pair of the batch is judged for itself."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from camil.objectives.embeddings import check_allowed, check_batch, cosines, positive
from camil.objectives.infonce import sharpness


class SigmoidPairs(nn.Module):
    """Right pair or wrong pair? A logistic regression on the cosine of every pair of the batch.

    ``L = -1/B Σ_i Σ_j log sigmoid(z_ij (s_ij/τ + b))`` with ``z_ij`` 1 for ``i = j``, else -1
    (SigLIP, Zhai et al., 2023). No pair's term knows another pair, so a small batch does. The bias
    starts at -10 because at first nearly all pairs are wrong ones.

    Args:
        temperature: ``τ`` to begin with, learnt as in `InfoNCE`.
        bias: ``b`` to begin with, learnt.

    Shape:
        midi, audio: ``(batch, embedding)``; allowed: ``(batch, batch)`` of bool, ``[i, j]`` whether
        audio ``j`` is a negative of MIDI ``i`` (all others if left out); returns a scalar, in
        single precision at least.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not fit together.
    """

    def __init__(self, temperature: float = 0.1, bias: float = -10.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, midi: Tensor, audio: Tensor, allowed: Tensor | None = None) -> Tensor:
        check_batch(midi, audio)
        allowed = check_allowed(allowed, len(midi), midi.device)
        logits = cosines(midi, audio) * sharpness(self.scale) + self.bias
        right = logsigmoid(logits.diagonal()).sum()
        wrong = torch.where(allowed, logsigmoid(-logits), 0).sum()
        return -(right + wrong) / len(midi)
