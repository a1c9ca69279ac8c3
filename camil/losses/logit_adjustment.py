"""Logit adjustment: cross-entropy for imbalanced classes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.losses.embeddings import at_least_single


class LogitAdjustedCrossEntropy(nn.Module):
    """Cross-entropy with the log prior of the classes added to the logits.

    ``L = CE(logits + strength * log prior, label)`` (Menon et al., 2021; with a strength of 1,
    balanced softmax, Ren et al., 2020). The prior favours frequent classes in the loss, so the
    logits themselves need not, and predictions from them treat all classes as equally likely.

    Args:
        counts: ``(classes,)``, training segments per class; a class without any counts as one.
        strength: scale of the adjustment (τ of Menon et al.); 0 is plain cross-entropy.

    Shape:
        logits: ``(batch, classes)``. labels: ``(batch,)`` int64. Returns a scalar, in float32 or
        better.
    """

    def __init__(self, counts: Tensor, strength: float = 1.0):
        super().__init__()
        counts = counts.clamp(min=1).float()
        self.register_buffer("log_prior", strength * torch.log(counts / counts.sum()))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(at_least_single(logits) + self.log_prior, labels)
