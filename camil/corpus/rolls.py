"""Notes of a corpus' segments, and the piano rolls drawn from them on the training device."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from camil.midi.segments import LOWEST_PITCH, NOTE_COLUMNS, PITCHES, SEGMENT_STEPS

READ_ROWS = 20_000  # segments read at once


@dataclass
class SegmentNotes:
    """The notes of all segments, segment after segment.

    Attributes:
        values: ``(notes, 4)`` int16 on the device: pitch, step, length and velocity.
        counts: ``(segments,)`` int64 on the device, the number of notes of each segment.
        first: ``(segments,)`` int64 on the device, the index of each segment's first note.
        counts_on_cpu: ``(segments,)`` int64 on the CPU.
    """

    values: Tensor
    counts: Tensor
    first: Tensor
    counts_on_cpu: Tensor

    @classmethod
    def read(cls, path: Path, device: torch.device) -> "SegmentNotes":
        """Read ``segments.parquet``."""
        values, counts = [], []
        for batch in pq.ParquetFile(path).iter_batches(READ_ROWS, columns=NOTE_COLUMNS):
            lists = [batch[name] for name in NOTE_COLUMNS]
            flat = [np.asarray(column.flatten(), np.int16) for column in lists]
            values.append(torch.from_numpy(np.stack(flat, axis=1)))
            counts.append(torch.from_numpy(np.asarray(lists[0].value_lengths(), np.int64)))
        counts_on_cpu = torch.cat(counts)
        counts = counts_on_cpu.to(device)
        first = torch.cumsum(counts, 0) - counts
        return cls(torch.cat(values).to(device), counts, first, counts_on_cpu)

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Notes ``(notes, 4)`` of some segments, and the number of notes of each ``(rows,)``."""
        device = self.values.device
        # Counted on the CPU: reading the number from a GPU would synchronize with it.
        total = int(self.counts_on_cpu[rows.cpu()].sum())
        rows = rows.to(device)
        counts = self.counts[rows]
        shift = self.first[rows] - (torch.cumsum(counts, 0) - counts)
        index = torch.repeat_interleave(shift, counts, output_size=total)
        return self.values[index + torch.arange(total, device=device)], counts


def draw_rolls(
    notes: Tensor, counts: Tensor, *, onsets: bool = False, velocity: bool = False
) -> Tensor:
    """Draw piano rolls on the notes' device.

    Args:
        notes: ``(notes, 3)`` integers: pitch, step and length, segment after segment;
            ``(notes, 4)`` with the velocity. A note of length 0 is not drawn.
        counts: ``(segments,)`` int64, the number of notes of each segment.
        onsets: add a channel that is 1 where a note begins.
        velocity: draw the velocity, 1/127 to 1, instead of 1 where a note sounds.

    Returns:
        ``(segments, 1 or 2, 84, 192)`` float32, 1 where a note sounds.
    """
    device = notes.device
    row = torch.repeat_interleave(
        torch.arange(len(counts), device=device), counts, output_size=len(notes)
    )
    pitch, step, length = notes.long().unbind(1)[:3]
    # +1 where a note begins, -1 where it ends: the cumulative sum is the roll.
    edges = torch.zeros(len(counts), PITCHES, SEGMENT_STEPS + 1, device=device)
    line = (row * PITCHES + pitch - LOWEST_PITCH) * (SEGMENT_STEPS + 1)
    height = notes[:, 3].float() if velocity else torch.ones(len(row), device=device)
    edges.view(-1).index_add_(0, line + step, height)
    edges.view(-1).index_add_(0, line + step + length, -height)
    sounding = edges.cumsum(2)[:, None, :, :SEGMENT_STEPS]
    rolls = sounding.clamp(max=127) / 127 if velocity else (sounding > 0).float()
    if not onsets:
        return rolls
    begins = torch.zeros_like(edges)
    begins.view(-1).index_fill_(0, (line + step)[length > 0], 1.0)
    return torch.cat([rolls, begins[:, None, :, :SEGMENT_STEPS]], dim=1)
