"""Negatives chosen by distance, and negatives from earlier batches.

The samplers of `samplers.py` choose blindly; here the embeddings have a say. Who may be a negative
at all stays equation (2) or (3), given as a table of bool by `admissible`.
"""

import torch
from torch import Generator, Tensor, nn

KINDS = ("uniform", "semi-hard", "hardest")


def admissible(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Equation (2) of segments' rows, equation (3) of their labels: what differs may be a negative.

    Shape:
        anchors: ``(batch,)``; candidates: ``(candidates,)``; returns ``(batch, candidates)`` of
        bool.
    """
    return anchors[:, None] != candidates


class HardNegatives:
    """The negatives that are nearest, among those admitted.

    ``hardest`` takes the nearest; early in training these are often segments that hardly differ,
    and the space may collapse. ``semi-hard`` takes the nearest of those that lie farther than the
    anchor's own sound, and where none does the farthest (Schroff, Kalenichenko & Philbin, 2015).
    ``uniform`` draws any, which is what the other two are to be compared with.

    Args:
        kind: one of the three.
        per_anchor: negatives of each anchor. Where fewer are admitted, they are repeated.

    Shape:
        midi, audio: ``(batch, embedding)``; candidates: ``(candidates, embedding)``; admitted:
        ``(batch, candidates)`` of bool; returns ``(batch, per_anchor)`` of int64, indices into
        ``candidates``. No gradient goes through a choice.

    Raises:
        ValueError: if an anchor has no admitted candidate, or an argument is not usable.
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
            chance = admitted.float().cpu()
            return torch.multinomial(chance, self.per_anchor, True, generator=generator)
        distance = torch.cdist(midi.float(), candidates.float())  # (batch, candidates)
        order = distance
        if self.kind == "semi-hard":
            own = torch.linalg.vector_norm(midi.float() - audio.float(), dim=1)[:, None]
            # Those farther than the own sound by distance, then the others from the far end.
            last = distance.max() + 1
            order = torch.where(distance > own, distance, 2 * last - distance)
        order = order.masked_fill(~admitted, torch.inf)
        count = min(self.per_anchor, len(candidates))
        value, chosen = order.topk(count, dim=1, largest=False)
        chosen = torch.where(value.isinf(), chosen[:, :1], chosen)
        return chosen[:, torch.arange(self.per_anchor) % count]


class MemoryBank(nn.Module):
    """The sounds of the latest batches, as negatives where a batch alone has too few.

    Their embeddings are as old as they are, without a gradient; encoders drift slowly enough for
    that (cross-batch memory: Wang, Zhang, Huang & Scott, 2020). What is kept of a segment beside
    its embedding is its row in the corpus, never a label. The bank is part of a training's state:
    give it to `fit` with the model, and a checkpoint has it too.

    Args:
        size: embeddings kept; 0 keeps none.
        embedding: size of an embedding.
    """

    def __init__(self, size: int, embedding: int):
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(size, embedding))
        self.register_buffer("rows", torch.full((size,), -1))  # -1: nothing here yet

    def candidates(self, audio: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's own sounds, then the bank's.

        Shape:
            audio: ``(batch, embedding)``; rows: ``(batch,)``; returns the embeddings
            ``(batch + kept, embedding)`` and their rows ``(batch + kept,)``, on the audio's device.
        """
        kept = self.rows >= 0
        embeddings = torch.cat([audio, self.embeddings[kept].to(audio.dtype)])
        return embeddings, torch.cat([rows.to(self.rows.device), self.rows[kept]])

    @torch.no_grad()
    def remember(self, audio: Tensor, rows: Tensor) -> None:
        """Keep a batch's sounds and let the oldest go."""
        size = len(self.rows)
        if not size:
            return
        new = audio.detach().to(self.embeddings.dtype)
        self.embeddings.copy_(torch.cat([new, self.embeddings])[:size])
        self.rows.copy_(torch.cat([rows.to(self.rows.device), self.rows])[:size])
