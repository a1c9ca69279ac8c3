"""Sigmoid loss: every pair of the batch is a binary classification."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from camil.losses.embeddings import check_allowed, check_batch, cosines, positive
from camil.losses.infonce import sharpness
from camil.losses.objective import Objective
from camil.samplers.batch import Batch


class SigmoidPairs(Objective):
    """Logistic regression on the cosine of every pair of the batch.

    ``L = -1/B Σ_i Σ_j log sigmoid(z_ij (s_ij/τ + b))`` with ``z_ij`` 1 for ``i = j``, else -1
    (SigLIP, Zhai et al., 2023). The terms are independent, so small batches suffice. The bias
    starts at -10 because nearly all pairs are negative.

    Args:
        temperature: initial ``τ``, learnt as in `InfoNCE`.
        bias: initial ``b``, learnt.

    Shape:
        midi, audio: ``(batch, embedding)``. allowed: ``(batch, batch)`` bool, ``[i, j]`` whether
        audio ``j`` is a negative of MIDI ``i`` (None: all others). Returns a scalar, in float32 or
        better.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not match.
    """

    def __init__(self, temperature: float = 0.1, bias: float = -10.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, midi: Tensor, audio: Tensor, allowed: Tensor | None = None) -> Tensor:
        check_batch(midi, audio)
        allowed = check_allowed(allowed, len(midi), midi.device)
        logits = cosines(midi, audio) * sharpness(self.scale) + self.bias
        positives = logsigmoid(logits.diagonal()).sum()
        negatives = torch.where(allowed, logsigmoid(-logits), 0).sum()
        return -(positives + negatives) / len(midi)

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio, batch.allowed)
