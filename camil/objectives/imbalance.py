"""Classifying where some classes are many times as frequent as others."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.objectives.embeddings import at_least_single


class LogitAdjustedCrossEntropy(nn.Module):
    """Cross-entropy for a classifier that is to be judged by all classes alike.

    ``L = CE(logits + strength * log prior, label)``: frequent classes get their head start here, so
    the logits need not hold it, and predictions made from them alone treat all classes as equally
    likely (Menon et al., 2021; with a strength of 1, balanced softmax, Ren et al., 2020).

    Args:
        counts: ``(classes,)``, training segments of each class; a class without any counts as one.
        strength: of the adjustment (τ of Menon et al.); 0 is plain cross-entropy.

    Shape:
        logits: ``(batch, classes)``; labels: ``(batch,)`` of int64; returns a scalar, in single
        precision at least.
    """

    def __init__(self, counts: Tensor, strength: float = 1.0):
        super().__init__()
        counts = counts.clamp(min=1).float()
        self.register_buffer("log_prior", strength * torch.log(counts / counts.sum()))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(at_least_single(logits) + self.log_prior, labels)
