"""The loss of the CAMIL paper: margin-based contrastive loss on pairs."""

import math

import torch
from torch import Tensor

from camil.losses.embeddings import at_least_single
from camil.losses.objective import Objective
from camil.samplers.batch import Batch
from camil.samplers.pairs import pairs


class ContrastiveLoss(Objective):
    """Margin-based contrastive loss on Euclidean distances.

    ``L = E[z d² + (1 - z) max(0, margin - d)²]`` (Hadsell, Chopra & LeCun, 2006; equation 4 of the
    CAMIL paper). The mean runs over all pairs: with ``k`` negatives per anchor, the negatives
    weigh ``k`` times as much as the positives. The gradient of a negative pair at distance 0 is 0.

    Args:
        margin: distance beyond which a negative pair contributes no loss, in embedding units.

    Shape:
        midi, audio: ``(pairs, embedding)``. matching: ``(pairs,)`` bool, the equation's ``z``.
        Returns a scalar, in float32 if the embeddings have half precision.

    Raises:
        ValueError: if the margin is not positive and finite, if the shapes do not match, if
            ``matching`` is not bool, or if there are no pairs.
    """

    def __init__(self, margin: float = 1.0):
        super().__init__()
        if not (margin > 0 and math.isfinite(margin)):
            raise ValueError(f"margin must be positive and finite, got {margin}")
        self.margin = margin

    def forward(self, midi: Tensor, audio: Tensor, matching: Tensor) -> Tensor:
        _check_pairs(midi, audio, matching)
        # vector_norm has gradient 0 at distance 0, where an explicit square root has NaN.
        distance = torch.linalg.vector_norm(at_least_single(midi) - at_least_single(audio), dim=1)
        pull = distance.square()  # (pairs,)
        push = (self.margin - distance).clamp(min=0).square()
        return torch.where(matching, pull, push).mean()

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        negatives, candidates = batch.negatives(midi, audio)
        return self(*pairs(midi, audio, negatives, candidates))

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
            f"matching must be ({len(midi)},) of torch.bool, one entry per pair, "
            f"got {tuple(matching.shape)} of {matching.dtype}"
        )
    if len(midi) == 0:
        raise ValueError("there are no pairs, so the loss has no mean")
