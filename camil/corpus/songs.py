"""Whole songs of a corpus as notes and features: the input of CAMIL+, in batches of songs."""

import ctypes
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import torch
from torch import Tensor

from camil.corpus.arrays import arrays_of, mapped, open_arrays
from camil.encoders.song_batch import FEATURES, SongBatch
from camil.midi.segments import LOWEST_PITCH, NOTE_COLUMNS, SEGMENT_STEPS, Segment

PER_SEGMENT = ("of_segment",)  # members of `FEATURES` per segment; the others are per track
ONSET = 19  # column of `note_features` that holds the onset in the segment, from 0 to 1
TRIM_EVERY = 2  # batches


class Songs:
    """The songs of a corpus, in the order of its rows.

    `Songs(table)` holds everything in memory; `Songs.of_corpus(folder)` reads each batch from disk.

    Args:
        segments: rows of ``segments.parquet``; the rows of a track, and the tracks of a song, must
            be consecutive.

    Attributes:
        track_of: ``(segments,)`` int64, the track of each segment.
        song_of: ``(tracks,)`` int64, the song of each track.
        song_names: names of the songs.

    Raises:
        ValueError: if there is no segment, or the rows of a song or track are not consecutive.
    """

    def __init__(self, segments: pa.Table):
        self._load(arrays_of(segments), segments["song"])

    @classmethod
    def of_corpus(cls, folder: Path | str) -> "Songs":
        """The songs of a corpus on disk; see `camil.corpus.arrays`.

        Raises:
            FileNotFoundError: if the folder contains no corpus.
        """
        songs = cls.__new__(cls)
        names = pq.read_table(Path(folder) / "segments.parquet", columns=["song"],
                              read_dictionary=["song"])["song"]  # fmt: skip
        songs._load(open_arrays(folder), names.unify_dictionaries())
        return songs

    @classmethod
    def of_one(
        cls, tracks: Sequence[Sequence[Segment]], performances: Sequence[Sequence[float]] = ()
    ) -> "Songs":
        """One song, given the segments of its tracks; each track has at least one.

        Args:
            performances: performance features of each track, see `camil.midi.performance`; if
                empty, the features are NaN.
        """
        found = [(number, one) for number, track in enumerate(tracks) for one in track]
        columns = {
            "song": [""] * len(found),
            "track": [str(number) for number, _ in found],
            "bpm": [one.bpm for _, one in found],
        }
        for name in NOTE_COLUMNS:
            columns[name] = [getattr(one, name) for _, one in found]
        if len(performances):
            columns["whole"] = [performances[number] for number, _ in found]
        return cls(pa.table(columns))

    def _load(self, arrays: Mapping[str, np.ndarray | Path], names: pa.ChunkedArray) -> None:
        self._arrays = arrays
        self.song_names = pa.compute.unique(names).to_pylist()
        self._notes = _Bounds.of(self._array("notes_per_segment"))
        self._segments = _Bounds.of(self._array("segments_per_track"))
        self._tracks = _Bounds.of(self._array("tracks_per_song"))
        self.track_of, self.song_of = self._segments.groups(), self._tracks.groups()
        self._batches = 0
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._next: tuple[Tensor, Future] | None = None

    def _array(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        return mapped(array) if isinstance(array, Path) else array

    def __len__(self) -> int:
        return len(self._tracks.first) - 1

    def songs_of(self, segments: Tensor) -> Tensor:
        """The songs of some segments: ``(songs,)`` int64, ascending."""
        return torch.from_numpy(np.unique(self.song_of[self.track_of[segments.cpu().numpy()]]))

    def first_segments(self) -> Tensor:
        """The first segment of each track: ``(tracks,)`` int64."""
        return torch.from_numpy(self._segments.first[:-1])

    def features(self, songs: Tensor) -> dict[str, Tensor]:
        """Hand-crafted features of some songs, without their notes.

        Args:
            songs: ``(songs,)`` int64, indices of the songs.

        Returns:
            The arrays of `camil.encoders.song_batch.FEATURES`, float32, as in `batch`.
        """
        tracks, _ = self._tracks.members(songs.cpu().numpy())
        segments, _ = self._segments.members(tracks)
        rows = {name: segments if name in PER_SEGMENT else tracks for name in FEATURES}
        return {name: torch.from_numpy(self._array(name)[rows[name]]) for name in FEATURES}

    def prefetch(self, songs: Tensor) -> None:
        """Begin to read a batch in a background thread; `batch` returns it if asked for it next."""
        songs = songs.cpu()
        self._next = songs, self._reader.submit(self._read, songs)

    def batch(self, songs: Tensor) -> SongBatch:
        """Some whole songs.

        Args:
            songs: ``(songs,)`` int64, indices of the songs.
        """
        songs, coming = songs.cpu(), self._next
        if coming is not None and torch.equal(coming[0], songs):
            self._next = None
            return coming[1].result()
        return self._read(songs)

    def _read(self, songs: Tensor) -> SongBatch:
        self._batches += 1
        if self._batches % TRIM_EVERY == 0:
            release_memory()
        tracks, song = self._tracks.members(songs.numpy())
        segments, track = self._segments.members(tracks)
        bpm = self._array("bpm")[segments]
        rows, segment = self._notes.members(segments)
        pitch, step, length, velocity = self._array("notes")[rows].T.astype(np.int64)
        arrays = {
            "notes": note_features(pitch, step, length, segment, bpm[segment]),
            "loudness": note_loudness(velocity, segment),
            "pitch": pitch - LOWEST_PITCH,
            "step": step % (SEGMENT_STEPS // 2),
            "length": length,
            "segment": segment,
            "track": track,
            "song": song,
            "tempo": np.log(bpm / 120).astype(np.float32),
            "segments": segments,
            "tracks": tracks,
        }
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return SongBatch(**tensors, **self.features(songs))


def release_memory() -> None:
    """Return unused heap memory to the system, where glibc provides `malloc_trim`.

    Batches of songs differ in size, so a training of many steps fragments the heap: without this,
    its memory grows with the number of steps.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library
        return


def note_features(
    pitch: np.ndarray, step: np.ndarray, length: np.ndarray, segment: np.ndarray, bpm: np.ndarray
) -> np.ndarray:
    """Pitch, length and position of each note, and the context of the note in its segment.

    The context is its chord, the intervals to the onsets before and after, and the rest that
    follows. An *onset* is all notes that begin together.

    Args:
        pitch, step, length: ``(notes,)`` integers, MIDI note numbers and 24ths of a quarter note,
            sorted by segment, step and pitch.
        segment: ``(notes,)`` integers, ascending.
        bpm: ``(notes,)``, quarter notes per minute.

    Returns:
        ``(notes, NOTE_FEATURES)`` float32, roughly within -3 to 3.
    """
    time = segment * (2 * SEGMENT_STEPS) + step
    first = np.flatnonzero(np.diff(time, prepend=-1))  # first note of each onset
    size = np.diff(np.append(first, len(time)))
    onset = np.repeat(np.arange(len(first)), size)
    low, high = pitch[first], pitch[first + size - 1]
    rank = np.arange(len(time)) - first[onset]
    joined = segment[first[1:]] == segment[first[:-1]]
    follows, leads = np.append(False, joined), np.append(joined, False)

    def from_previous(values):
        return np.where(follows, np.diff(values, prepend=0), 0)[onset]

    def to_next(values):
        return np.where(leads, np.diff(values, append=0), 0)[onset]

    ends = np.sort(time - step + np.minimum(step + length, 2 * SEGMENT_STEPS - 1))
    sounding = np.searchsorted(time, time, "right") - np.searchsorted(ends, time, "right")
    interval = to_next(step[first])
    rest = np.where(leads[onset], interval - length, 0)
    columns = [
        (pitch - 60) / 24,
        np.log1p(length) / 3,
        np.log(length * 2.5 / bpm + 0.01) / 2,  # seconds
        (size[onset] - 1) / 3,
        rank / 3,
        (sounding - 1) / 3,
        np.where(rank > 0, np.diff(pitch, prepend=0), 0) / 12,
        np.where(rank < size[onset] - 1, np.diff(pitch, append=0), 0) / 12,
        from_previous(high) / 12,
        from_previous(low) / 12,
        to_next(high) / 12,
        to_next(low) / 12,
        follows[onset],
        leads[onset],
        np.log1p(from_previous(step[first])) / 3,
        np.log1p(interval) / 3,
        np.clip(rest, -96, 96) / 24,
        np.clip(rest, -6, 6) / 6,
        step == 0,
        step / SEGMENT_STEPS,
        (high - low)[onset] / 24,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def note_loudness(velocity: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """`SongBatch.loudness`, ``(notes, 2)`` float32, of velocities 1 to 127 and their segments."""
    mean = np.bincount(segment, velocity) / np.bincount(segment)
    columns = [(velocity - 80) / 32, (velocity - mean[segment]) / 16]
    return np.stack(columns, axis=1).astype(np.float32)


@dataclass
class _Bounds:
    """Groups of consecutive members: ``first[i]`` to ``first[i + 1]``."""

    first: np.ndarray  # (groups + 1,) int64

    @classmethod
    def of(cls, counts: np.ndarray) -> "_Bounds":
        """The bounds of groups with these numbers of members."""
        return cls(np.append(0, np.cumsum(counts, dtype=np.int64)))

    def groups(self) -> np.ndarray:
        """The group of each member."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def members(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The members of some groups, and the index in ``groups`` of each member's group."""
        count = self.first[groups + 1] - self.first[groups]
        index = np.repeat(np.arange(len(groups)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return self.first[groups][index] + within, index
