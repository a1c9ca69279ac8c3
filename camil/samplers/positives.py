"""Positive pairs of sounds without labels: two segments of one track."""

import torch
from torch import Generator, Tensor


class SameTrack:
    """Draw for each segment another segment of its track.

    Two segments of one track are played by the same instrument with other notes. An encoder that
    finds the pairs again must hear the instrument; no label says which it is (COLA, Saeed et al.,
    2021; on augmented images SimCLR, Chen et al., 2020).

    Args:
        tracks: ``(segments,)`` integers, the track of every segment of the corpus.

    Shape:
        rows: ``(batch,)`` int64. Returns ``(batch,)`` int64 rows on the CPU: each different from
        its anchor, except that the only segment of a track is its own partner.
    """

    def __init__(self, tracks: Tensor):
        self.tracks = tracks.cpu()
        self._order = torch.argsort(self.tracks, stable=True)  # segments, track after track
        _, inverse, counts = self.tracks.unique(return_inverse=True, return_counts=True)
        begins = counts.cumsum(0) - counts
        self._begin, self._count = begins[inverse], counts[inverse]
        self._position = torch.empty_like(self._order)
        self._position[self._order] = torch.arange(len(self._order))

    def __call__(self, rows: Tensor, generator: Generator | None = None) -> Tensor:
        rows = rows.cpu()
        begin, count = self._begin[rows], self._count[rows]
        # An offset of 1 to count - 1, modulo count, reaches every other segment of the track.
        draws = torch.randint(2**62, rows.shape, generator=generator)
        offset = 1 + draws % (count - 1).clamp(min=1)
        return self._order[begin + (self._position[rows] - begin + offset) % count]

    def different(self, rows: Tensor) -> Tensor:
        """``(batch, batch)`` bool, whether two segments are of different tracks."""
        tracks = self.tracks[rows.cpu()]
        return tracks[:, None] != tracks
