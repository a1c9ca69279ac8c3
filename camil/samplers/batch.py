"""Training batches: rows, labels and negatives, the input of an objective with the embeddings."""

import torch
from torch import Generator, Tensor

from camil.samplers.hard import HardNegatives
from camil.samplers.memory_bank import MemoryBank
from camil.samplers.pairs import admissible


class Batch:
    """The segments of one batch and their negatives.

    Negatives are drawn when an objective requests them, so an objective without negatives uses no
    random numbers.

    Args:
        rows: ``(batch,)`` int64, the segments' rows in the corpus.
        labels: ``(segments,)`` int64, the class of every segment of the corpus.
        sampler: an instance of a class in ``SAMPLERS``. With ``sampler.uses_labels`` negatives
            differ in class (equation 3), otherwise in the segment (equation 2).
        generator: source of the random draws.
        mining: selection by distance instead of uniform draws; see `HardNegatives`.
        bank: embeddings of earlier batches, which become candidates as well.

    Attributes:
        labels: ``(batch,)`` int64, the class of each segment.
    """

    def __init__(
        self,
        rows: Tensor,
        labels: Tensor,
        sampler,
        generator: Generator | None = None,
        mining: HardNegatives | None = None,
        bank: MemoryBank | None = None,
    ):
        self.rows, self.labels = rows, labels[rows]
        self._all_labels, self._sampler, self._generator = labels, sampler, generator
        self._mining, self._bank = mining, bank

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def allowed(self) -> Tensor:
        """``(batch, batch)`` bool, ``[i, j]`` whether audio ``j`` is a negative of MIDI ``i``."""
        keys = self._keys(self.rows)
        return admissible(keys, keys)

    def negatives(self, midi: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Draw or select the negatives of each anchor.

        Shape:
            midi, audio: ``(batch, embedding)``. Returns ``(batch, per_anchor)`` int64 indices into
            the candidates, and the candidates ``(candidates, embedding)``: the batch's audio,
            then the memory bank's.
        """
        candidates, rows = audio, self.rows
        if self._bank is not None:
            candidates, rows = self._bank.candidates(audio, self.rows)
        if self._mining is None and len(candidates) == len(self):
            drawn_from = self.labels if self._sampler.uses_labels else len(self)
            return self._sampler(drawn_from, self._generator), candidates
        mining = self._mining or HardNegatives("uniform", self._sampler.per_anchor)
        admitted = admissible(self._keys(self.rows), self._keys(rows))
        return mining(midi, audio, candidates, admitted, self._generator), candidates

    def _keys(self, rows: Tensor) -> Tensor:
        """The keys that differ in a negative pair: the class, or only the segment."""
        if self._sampler.uses_labels:
            return self._all_labels[rows]
        return rows.to(self._all_labels.device, torch.int64)
