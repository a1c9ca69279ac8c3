"""Negatives selected by distance in the embedding space."""

import torch
from torch import Generator, Tensor

KINDS = ("uniform", "semi-hard", "hardest")


class HardNegatives:
    """The nearest admissible negatives.

    ``hardest`` takes the nearest; early in training these are often near-duplicates, and the space
    may collapse. ``semi-hard`` takes the nearest of those that are farther away than
    the anchor's own audio, and where there is none, the farthest (Schroff, Kalenichenko & Philbin,
    2015). ``uniform`` draws at random and is the baseline for the other two.

    Args:
        kind: one of the three.
        per_anchor: negatives per anchor. If fewer are admissible, they are repeated.

    Shape:
        midi, audio: ``(batch, embedding)``. candidates: ``(candidates, embedding)``. admitted:
        ``(batch, candidates)`` bool, see `camil.samplers.admissible`. Returns
        ``(batch, per_anchor)`` int64 indices into ``candidates``. The selection has no gradient.

    Raises:
        ValueError: if an anchor has no admissible candidate, or an argument is invalid.
    """

    def __init__(self, kind: str = "semi-hard", per_anchor: int = 1):
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if per_anchor < 1:
            raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
        self.kind, self.per_anchor = kind, per_anchor

    @torch.no_grad()
    def __call__(
        self,
        midi: Tensor,
        audio: Tensor,
        candidates: Tensor,
        admitted: Tensor,
        generator: Generator | None = None,
    ) -> Tensor:
        if admitted.shape != (len(midi), len(candidates)) or admitted.dtype != torch.bool:
            raise ValueError(
                f"admitted must be ({len(midi)}, {len(candidates)}) of torch.bool, "
                f"got {tuple(admitted.shape)} of {admitted.dtype}"
            )
        if not admitted.any(1).all():
            anchor = int((~admitted.any(1)).nonzero()[0])
            raise ValueError(
                f"anchor {anchor} of the batch has no negative (equations 2 and 3); draw batches "
                "from several classes, or use random negatives"
            )
        if self.kind == "uniform":
            weights = admitted.float().cpu()
            return torch.multinomial(weights, self.per_anchor, True, generator=generator)
        distance = torch.cdist(midi.float(), candidates.float())  # (batch, candidates)
        order = distance
        if self.kind == "semi-hard":
            own = torch.linalg.vector_norm(midi.float() - audio.float(), dim=1)[:, None]
            # First those farther than the anchor's own audio, nearest first; then the others,
            # farthest first.
            last = distance.max() + 1
            order = torch.where(distance > own, distance, 2 * last - distance)
        order = order.masked_fill(~admitted, torch.inf)
        count = min(self.per_anchor, len(candidates))
        value, chosen = order.topk(count, dim=1, largest=False)
        chosen = torch.where(value.isinf(), chosen[:, :1], chosen)
        return chosen[:, torch.arange(self.per_anchor) % count]
