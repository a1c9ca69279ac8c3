"""What pre-training minimises: one class a loss, each a function of two batches of embeddings.

| loss | of | wrong pairs |
|---|---|---|
| `ContrastiveLoss` | pairs, each right or wrong (the CAMIL paper) | drawn by a sampler |
| `TripletLoss` | a part, its sound, and wrong sounds | drawn by a sampler |
| `InfoNCE` | a batch, each part choosing among all sounds | all of the batch |
| `SigmoidPairs` | a batch, each pair judged for itself | all of the batch |
| `SupervisedContrastive` | a batch with labels | all of other instruments |
| `SoftLabels`, `EmbeddingDistillation` | a student and its teacher | none |

The paper's loss stands here, the others in `camil.objectives`.
`LogitAdjustedCrossEntropy` is for classifying, where classes are of unequal size.
"""

import math

import torch
from torch import Tensor, nn

from camil.objectives.distillation import EmbeddingDistillation, SoftLabels
from camil.objectives.embeddings import at_least_single
from camil.objectives.imbalance import LogitAdjustedCrossEntropy
from camil.objectives.infonce import InfoNCE, SupervisedContrastive
from camil.objectives.sigmoid import SigmoidPairs
from camil.objectives.triplet import TripletLoss

__all__ = [
    "ContrastiveLoss",
    "EmbeddingDistillation",
    "InfoNCE",
    "LogitAdjustedCrossEntropy",
    "SigmoidPairs",
    "SoftLabels",
    "SupervisedContrastive",
    "TripletLoss",
]


class ContrastiveLoss(nn.Module):
    """Pull matching pairs together, push the others a margin apart.

    ``L = E[z d² + (1 - z) max(0, margin - d)²]``, with ``d`` the Euclidean distance of a pair
    (Hadsell, Chopra & LeCun, 2006; equation 4 of the CAMIL paper). The mean runs over all pairs,
    so with ``k`` negatives an anchor the negatives weigh ``k`` times as much as the positives.

    A negative pair at distance 0 has no direction to be pushed in: its gradient is 0 there.

    Args:
        margin: distance beyond which a negative pair costs nothing; same unit as the embeddings.

    Shape:
        midi, audio: ``(pairs, embedding)``; matching: ``(pairs,)`` of bool, the equation's ``z``;
        returns a scalar, in single precision if the embeddings are in half precision.

    Raises:
        ValueError: if the margin is not positive and finite, if the shapes do not fit together,
            if ``matching`` is not bool, or if there are no pairs to take the mean of.
    """

    def __init__(self, margin: float = 1.0):
        super().__init__()
        if not (margin > 0 and math.isfinite(margin)):
            raise ValueError(f"margin must be positive and finite, got {margin}")
        self.margin = margin

    def forward(self, midi: Tensor, audio: Tensor, matching: Tensor) -> Tensor:
        _check_pairs(midi, audio, matching)
        # vector_norm has the gradient 0 at distance 0, where a written-out sqrt has NaN.
        distance = torch.linalg.vector_norm(at_least_single(midi) - at_least_single(audio), dim=1)
        pull = distance.square()  # (pairs,)
        push = (self.margin - distance).clamp(min=0).square()
        return torch.where(matching, pull, push).mean()

    def extra_repr(self) -> str:
        return f"margin={self.margin}"


def _check_pairs(midi: Tensor, audio: Tensor, matching: Tensor) -> None:
    if midi.ndim != 2 or midi.shape != audio.shape:
        raise ValueError(
            "midi and audio must both be (pairs, embedding), "
            f"got {tuple(midi.shape)} and {tuple(audio.shape)}"
        )
    if matching.shape != midi.shape[:1] or matching.dtype != torch.bool:
        raise ValueError(
            f"matching must be ({len(midi)},) of torch.bool, one entry a pair, "
            f"got {tuple(matching.shape)} of {matching.dtype}"
        )
    if len(midi) == 0:
        raise ValueError("there are no pairs, so the loss has no mean")
