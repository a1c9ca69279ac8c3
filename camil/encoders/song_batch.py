"""Whole songs as tensors: the input of CAMIL+."""

from dataclasses import dataclass

import torch
from torch import Tensor

# As in camil.midi.segments, which a room with torch alone cannot import.
PITCHES = 84  # C1 to B7
SEGMENT_STEPS = 192  # two measures of 4/4, 24 steps per quarter note
NOTE_FEATURES = 21
# Hand-crafted features per segment, track, track in its song, track as played, and among others.
FEATURES = {"of_segment": 51, "of_track": 105, "of_song": 19, "own": 28, "among": 22}


@dataclass
class SongBatch:
    """A batch of songs, on one device.

    Attributes:
        notes: ``(notes, NOTE_FEATURES)`` float32, see `camil.corpus.songs.note_features`.
        loudness: ``(notes, 2)`` float32: velocity, (v - 80) / 32, and its difference from the
            segment's mean, (v - mean) / 16.
        pitch: ``(notes,)`` int64, 0 for C1.
        step: ``(notes,)`` int64, onset within the measure, 0 to 95.
        length: ``(notes,)`` int64, in steps.
        segment: ``(notes,)`` int64, index of each note's segment in the batch.
        track: ``(segments,)`` int64, index of each segment's track in the batch.
        song: ``(tracks,)`` int64, index of each track's song in the batch.
        tempo: ``(segments,)`` float32, natural logarithm of beats per minute over 120.
        of_segment, of_track, of_song: hand-crafted features, ``(segments, 51)``, ``(tracks, 105)``
            and ``(tracks, 19)`` float32; NaN where undefined.
        own, among: performance features of each track, alone and among the others,
            ``(tracks, 28)`` and ``(tracks, 22)``, see `camil.midi.performance`; NaN if the corpus
            has none.
        segments, tracks: their indices among all of `camil.corpus.songs.Songs`.
    """

    notes: Tensor
    loudness: Tensor
    pitch: Tensor
    step: Tensor
    length: Tensor
    segment: Tensor
    track: Tensor
    song: Tensor
    tempo: Tensor
    of_segment: Tensor
    of_track: Tensor
    of_song: Tensor
    own: Tensor
    among: Tensor
    segments: Tensor
    tracks: Tensor

    def to(self, device: torch.device) -> "SongBatch":
        """Copy to another device."""
        return SongBatch(**{name: value.to(device) for name, value in vars(self).items()})


def index_in_song(batch: SongBatch) -> tuple[Tensor, Tensor]:
    """The index of each track in its song, and the number of the song's tracks.

    Returns:
        Two ``(tracks,)`` int64.
    """
    count = torch.bincount(batch.song)
    index = torch.arange(len(batch.song), device=batch.song.device)
    return index - (count.cumsum(0) - count)[batch.song], count[batch.song]
