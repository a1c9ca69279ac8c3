"""Hide some notes of a batch of songs, to be predicted from the notes that remain."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from camil.corpus.songs import ONSET, note_features, note_loudness
from camil.encoders.song_batch import FEATURES, SongBatch
from camil.midi.segments import LOWEST_PITCH, SEGMENT_STEPS


class HiddenNotes(NamedTuple):
    """The notes that are missing in a batch, each ``(hidden,)`` int64.

    ``pitch`` is 0 for C1, ``onset`` and ``length`` are in steps from the beginning of the segment,
    ``segment`` is the index of the note's segment in the batch.
    """

    pitch: Tensor
    onset: Tensor
    length: Tensor
    segment: Tensor


def hide_notes(
    batch: SongBatch, generator: Generator | None = None, *, share: float
) -> tuple[SongBatch, HiddenNotes]:
    """Hide each note with the same probability; every segment keeps at least one.

    Context features of the remaining notes are recomputed. Hand-crafted features, which were
    computed from all notes, become undefined (NaN).

    Args:
        batch: on the CPU.
        share: probability that a note is hidden.

    Returns:
        The batch without the hidden notes, and the hidden notes.
    """
    chance = torch.rand(len(batch.segment), generator=generator)
    largest = torch.zeros(len(batch.track)).scatter_reduce(0, batch.segment, chance, "amax")
    hidden = (chance < share) & (chance < largest[batch.segment])
    onset = (batch.notes[:, ONSET] * SEGMENT_STEPS).round().long()
    missing = HiddenNotes(
        batch.pitch[hidden], onset[hidden], batch.length[hidden], batch.segment[hidden]
    )
    return _with_notes(batch, ~hidden, onset), missing


def _with_notes(batch: SongBatch, kept: Tensor, onset: Tensor) -> SongBatch:
    segment, pitch, length = batch.segment[kept], batch.pitch[kept], batch.length[kept]
    velocity = (batch.loudness[kept, 0] * 32 + 80).round()
    bpm = (batch.tempo.double().exp() * 120)[segment]
    columns = (pitch + LOWEST_PITCH, onset[kept], length, segment, bpm)
    undefined = {name: torch.full_like(getattr(batch, name), torch.nan) for name in FEATURES}
    return replace(
        batch,
        notes=torch.from_numpy(note_features(*(column.numpy() for column in columns))),
        loudness=torch.from_numpy(note_loudness(velocity.numpy(), segment.numpy())),
        pitch=pitch,
        step=batch.step[kept],
        length=length,
        segment=segment,
        **undefined,
    )
