"""Whole songs as notes: what `SongEncoder` reads, drawn in batches of songs.

Notes belong to segments, segments to tracks, tracks to songs; arrays of counts say how many. A note
is told by its pitch, place and length, and by the notes around it: the chord it stands in, the
steps of the melody to it and from it, the silence after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from camil.encoders.song_batch import SongBatch
from camil.midi.features import TRACK, segment_features, song_features, track_features
from camil.midi.performance import OWN, performance_of
from camil.midi.segments import LOWEST_PITCH, NOTE_COLUMNS, SEGMENT_STEPS, Segment


class Songs:
    """The songs of a corpus, in the order of its rows.

    Args:
        segments: rows of `segments.parquet`; those of a track, and the tracks of a song, must
            stand together.

    Attributes:
        track_of: `(segments,)`; song_of: `(tracks,)`.

    Raises:
        ValueError: if there is no segment, or a song's or track's rows do not stand together.
    """

    def __init__(self, segments: pa.Table):
        about = segments.select([*TRACK, "bpm"]).to_pandas()
        if not len(about):
            raise ValueError("there are no segments, and so no songs")
        self.song_names, song_of_segment = _runs(about["song"])
        names, self.track_of = _runs(about["song"] + "\0" + about["track"])
        if len(set(self.song_names)) < len(self.song_names) or len(set(names)) < len(names):
            raise ValueError("segments of a track, and tracks of a song, must stand together")
        first = np.flatnonzero(np.diff(self.track_of, prepend=-1))
        self.song_of = song_of_segment[first]
        self.bpm = about["bpm"].to_numpy(float)
        self._notes = _Lists.of(segments)
        self._segments = _Bounds.of(self.track_of)
        self._tracks = _Bounds.of(self.song_of)
        features = segment_features(segments)
        tracks = track_features(features, about)
        order = tracks.index.get_indexer(pd.MultiIndex.from_frame(about[TRACK].iloc[first]))
        songs = song_features(tracks).iloc[order]
        self.of_segment = features.to_numpy(np.float32)
        self.of_track = songs[tracks.columns].to_numpy(np.float32)
        self.of_song = songs.drop(columns=tracks.columns).to_numpy(np.float32)
        whole = performance_of(segments).to_numpy()
        self.own, self.among = np.split(whole, [len(OWN)], axis=1)

    @classmethod
    def of_one(
        cls, tracks: Sequence[Sequence[Segment]], wholes: Sequence[Sequence[float]] = ()
    ) -> "Songs":
        """One song, from the segments of its tracks; each track has one at least.

        Args:
            wholes: how each track is played, see `camil.midi.performance`; if left out, nothing is told.
        """
        found = [(number, one) for number, track in enumerate(tracks) for one in track]
        columns = {
            "song": [""] * len(found),
            "track": [str(number) for number, _ in found],
            "bpm": [one.bpm for _, one in found],
        }
        for name in NOTE_COLUMNS:
            columns[name] = [getattr(one, name) for _, one in found]
        if len(wholes):
            columns["whole"] = [wholes[number] for number, _ in found]
        return cls(pa.table(columns))

    def __len__(self) -> int:
        return len(self.song_names)

    def songs_of(self, segments: Tensor) -> Tensor:
        """The songs that some segments belong to: `(songs,)`, ascending."""
        return torch.from_numpy(np.unique(self.song_of[self.track_of[segments.cpu().numpy()]]))

    def first_segments(self) -> Tensor:
        """The first segment of each track: `(tracks,)`."""
        return torch.from_numpy(self._segments.first[:-1])

    def batch(self, songs: Tensor) -> SongBatch:
        """Some songs, whole.

        Args:
            songs: `(songs,)`, their numbers.
        """
        tracks, song = self._tracks.members(songs.cpu().numpy())
        segments, track = self._segments.members(tracks)
        bpm = self.bpm[segments]
        rows, segment = self._notes.bounds.members(segments)
        pitch, step, length, velocity = (column[rows] for column in self._notes.columns)
        arrays = {
            "notes": note_features(pitch, step, length, segment, bpm[segment]),
            "loudness": _loudness(velocity, segment),
            "pitch": pitch - LOWEST_PITCH,
            "step": step % (SEGMENT_STEPS // 2),
            "length": length,
            "segment": segment,
            "track": track,
            "song": song,
            "tempo": np.log(bpm / 120).astype(np.float32),
            "of_segment": self.of_segment[segments],
            "of_track": self.of_track[tracks],
            "of_song": self.of_song[tracks],
            "own": self.own[tracks],
            "among": self.among[tracks],
            "segments": segments,
            "tracks": tracks,
        }
        return SongBatch(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def note_features(
    pitch: np.ndarray, step: np.ndarray, length: np.ndarray, segment: np.ndarray, bpm: np.ndarray
) -> np.ndarray:
    """What a note is and what stands around it: `(notes, NOTE_FEATURES)` of float32, about -3 to 3.

    Notes are sorted by segment, step and pitch. An *onset* is all notes that begin together; the
    one before and the one after count within the segment only.

    Args:
        pitch, step, length: `(notes,)`, MIDI note numbers and 24ths of a quarter note.
        segment: `(notes,)`, ascending; bpm: `(notes,)`, quarter notes a minute.
    """
    time = segment * (2 * SEGMENT_STEPS) + step
    first = np.flatnonzero(np.diff(time, prepend=-1))  # of each onset
    size = np.diff(np.append(first, len(time)))
    onset = np.repeat(np.arange(len(first)), size)
    low, high = pitch[first], pitch[first + size - 1]
    rank = np.arange(len(time)) - first[onset]
    joined = segment[first[1:]] == segment[first[:-1]]
    follows, leads = np.append(False, joined), np.append(joined, False)

    def from_before(values):
        return np.where(follows, np.diff(values, prepend=0), 0)[onset]

    def to_next(values):
        return np.where(leads, np.diff(values, append=0), 0)[onset]

    ends = np.sort(time - step + np.minimum(step + length, 2 * SEGMENT_STEPS - 1))
    sounding = np.searchsorted(time, time, "right") - np.searchsorted(ends, time, "right")
    wait = to_next(step[first])
    silence = np.where(leads[onset], wait - length, 0)
    columns = [
        (pitch - 60) / 24,
        np.log1p(length) / 3,
        np.log(length * 2.5 / bpm + 0.01) / 2,  # seconds
        (size[onset] - 1) / 3,
        rank / 3,
        (sounding - 1) / 3,
        np.where(rank > 0, np.diff(pitch, prepend=0), 0) / 12,
        np.where(rank < size[onset] - 1, np.diff(pitch, append=0), 0) / 12,
        from_before(high) / 12,
        from_before(low) / 12,
        to_next(high) / 12,
        to_next(low) / 12,
        follows[onset],
        leads[onset],
        np.log1p(from_before(step[first])) / 3,
        np.log1p(wait) / 3,
        np.clip(silence, -96, 96) / 24,
        np.clip(silence, -6, 6) / 6,
        step == 0,
        step / SEGMENT_STEPS,
        (high - low)[onset] / 24,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _loudness(velocity: np.ndarray, segment: np.ndarray) -> np.ndarray:
    mean = np.bincount(segment, velocity) / np.bincount(segment)
    columns = [(velocity - 80) / 32, (velocity - mean[segment]) / 16]
    return np.stack(columns, axis=1).astype(np.float32)


@dataclass
class _Bounds:
    """Where the members of each group begin, all lying group after group; and the last end."""

    first: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray) -> "_Bounds":
        return cls(np.searchsorted(group, np.arange(group[-1] + 2)))

    def members(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The members of some groups, and which of these groups each belongs to."""
        count = self.first[groups + 1] - self.first[groups]
        place = np.repeat(np.arange(len(groups)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return self.first[groups][place] + within, place


@dataclass
class _Lists:
    """The notes of all segments, one after the other, column by column."""

    columns: list[np.ndarray]
    bounds: _Bounds

    @classmethod
    def of(cls, segments: pa.Table) -> "_Lists":
        lists = [segments[name].combine_chunks() for name in NOTE_COLUMNS]
        counts = np.asarray(lists[0].value_lengths())
        columns = [np.asarray(one.flatten()).astype(np.int64) for one in lists]
        return cls(columns, _Bounds(np.append(0, np.cumsum(counts))))


def _runs(names: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The name of each run of equal names, and the number of the run of each row."""
    values = names.to_numpy(object)
    begins = np.append(True, values[1:] != values[:-1])
    return values[begins], np.cumsum(begins) - 1
