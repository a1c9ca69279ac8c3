"""Triplet loss: relative instead of absolute distances."""

import torch
from torch import Tensor

from camil.losses.embeddings import at_least_single, check_batch, positive
from camil.losses.objective import Objective
from camil.samplers.batch import Batch


class TripletLoss(Objective):
    """The own audio must be nearer than every negative, by a margin.

    ``L = E[max(0, d(m_i, a_i) - d(m_i, a_n) + margin)]`` over every anchor ``i`` and each of its
    negatives ``n``, with ``d`` the Euclidean distance (Schroff, Kalenichenko & Philbin, 2015, with
    plain distances as in Hermans, Beyer & Leibe, 2017).

    Args:
        margin: required difference of the two distances, in embedding units.

    Shape:
        midi, audio: ``(batch, embedding)``. negatives: ``(batch, per_anchor)`` int64 indices into
        ``candidates``. candidates: ``(candidates, embedding)``, by default the batch's audio.
        Returns a scalar, in float32 or better.

    Raises:
        ValueError: if the margin is not positive, or the shapes do not match.
    """

    def __init__(self, margin: float = 0.2):
        super().__init__()
        self.margin = positive(margin, "margin")

    def forward(
        self, midi: Tensor, audio: Tensor, negatives: Tensor, candidates: Tensor | None = None
    ) -> Tensor:
        check_batch(midi, audio)
        if negatives.ndim != 2 or len(negatives) != len(midi) or negatives.numel() == 0:
            raise ValueError(
                f"negatives must be ({len(midi)}, per_anchor), got {tuple(negatives.shape)}"
            )
        candidates = audio if candidates is None else candidates
        chosen = negatives.to(candidates.device).flatten()
        # index_select sums its gradient in a fixed order; indexing with [] does not.
        wrong = at_least_single(candidates).index_select(0, chosen)
        wrong = wrong.view(*negatives.shape, -1)  # (batch, per_anchor, embedding)
        midi, audio = at_least_single(midi), at_least_single(audio)
        to_own = torch.linalg.vector_norm(midi - audio, dim=1)[:, None]
        to_wrong = torch.linalg.vector_norm(midi[:, None] - wrong, dim=2)
        return (to_own - to_wrong + self.margin).clamp(min=0).mean()

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio, *batch.negatives(midi, audio))
