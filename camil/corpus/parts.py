"""Parts of a corpus that is being built: a few songs each, written atomically.

A part is three files: its mels as plain float16, its arrays (`camil.corpus.arrays`), and a table of
its segments, which is written last and has everything else about its songs in its metadata. A
part's content depends only on its songs, so parts may be written by any number of processes, on
several machines, in any order, and again after a fault.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camil.audio import MEL_BINS, MEL_FRAMES
from camil.corpus.arrays import arrays_of
from camil.midi.score import MidiWarning
from camil.midi.segments import Segment
from camil.sources.protocol import Song, Source, TrackSegments

MAX_SONGS = 16  # per part: at most so many are read again after an interruption
MEL_BYTES = MEL_BINS * MEL_FRAMES * 2
SCHEMA = pa.schema(
    [
        ("song", pa.string()),
        ("track", pa.string()),
        ("instrument", pa.string()),
        ("program", pa.int16()),
        ("split", pa.string()),
        ("start_beat", pa.float64()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("bpm", pa.float64()),
        ("pitch", pa.list_(pa.int16())),
        ("step", pa.list_(pa.int16())),
        ("length", pa.list_(pa.int16())),
        ("velocity", pa.list_(pa.int16())),
        ("timbre", pa.string()),
        ("mel", pa.int64()),
        ("whole", pa.list_(pa.float32())),  # in a track's first segment, empty in the others
    ]
)
_OF_A_PART = pa.schema([field for field in SCHEMA if field.name not in ("split", "mel")])
Spectrogram = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Part:
    """Songs that are read and written together.

    Attributes:
        number: index of the part.
        songs: songs in the order of the source.
        mark: checksum of the songs' files and of how they are read.
    """

    number: int
    songs: list[Song]
    mark: str


@dataclass
class Contents:
    """The description of a part, stored in the metadata of its table.

    Attributes:
        mark: see `Part`.
        segments, mels: their numbers.
        songs: names of the songs with segments.
        skipped: ``song``, ``track`` (empty for a whole song), ``file`` and ``why`` of each.
        warnings: ``song``, ``file`` and the fields of a `camil.midi.score.MidiWarning`.
        sketches: sketch by song, for `camil.midi.versions.groups_of`.
    """

    mark: str
    segments: int = 0
    mels: int = 0
    songs: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    sketches: dict[str, Sequence[int]] = field(default_factory=dict)


class Parts:
    """The files of the parts in a folder."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def table(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"

    def mels(self, number: int) -> Path:
        return self.folder / f"{number:06d}.mels"

    def arrays(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def forget_unfinished(self) -> None:
        """Remove partial files of interrupted runs, to free space. No other process may be writing
        parts."""
        for path in self.folder.glob("*.partial"):
            path.unlink(missing_ok=True)

    def contents(self, part: Part) -> Contents | None:
        """The description of a finished part; None if it is unfinished or of other files."""
        try:
            metadata = pq.read_schema(self.table(part.number)).metadata
            contents = Contents(**json.loads(metadata[b"camil"]))
            # A tenth of the memory of lists of integers.
            sketches = contents.sketches.items()
            contents.sketches = {name: np.array(hashes, np.uint64) for name, hashes in sketches}
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        return contents if contents.mark == part.mark else None

    def has_mels(self, part: Part, contents: Contents) -> bool:
        """Whether the part's mels are complete; a merge moves them away, part by part."""
        path = self.mels(part.number)
        return path.is_file() and path.stat().st_size == contents.mels * MEL_BYTES

    def is_done(self, part: Part) -> bool:
        contents = self.contents(part)
        return (
            contents is not None
            and self.has_mels(part, contents)
            and (not contents.segments or self.arrays(part.number).is_file())
        )


class PartWriter:
    """Read the songs of a part and write it; pickled to worker processes.

    Args:
        folder: folder of the parts.
        source: source of the songs.
        spectrogram: converts a segment's audio to ``(128, 282)``; None writes no mels.
        sketches: whether a song of the corpus has no group, so that versions of songs are found by
            the sketches of all.
    """

    def __init__(
        self, folder: Path, source: Source, spectrogram: Spectrogram | None, sketches: bool
    ):
        self.parts = Parts(folder)
        self.source = source
        self.spectrogram = spectrogram
        self.sketches = sketches

    def __call__(self, part: Part, faults: dict[str, str], report: Callable[[str], None]) -> int:
        """Write one part unless it exists.

        Args:
            faults: by song name, the reason why a song is not to be read.
            report: called with the name of each song before it is read.

        Returns:
            The part's number.

        Raises:
            OSError: if it cannot be written, for example because the disk is full.
        """
        if self.parts.is_done(part):
            return part.number
        contents = Contents(part.mark)
        rows: list[dict[str, Any]] = []
        suffix = f".{os.getpid()}.partial"  # another process may be writing the same part
        table, mels = self.parts.table(part.number), self.parts.mels(part.number)
        with open(f"{mels}{suffix}", "wb") as file:
            for song in part.songs:
                report(song.name)
                fault = faults.get(song.name, "")
                read = extract_song(song, self.source, self.spectrogram, self.sketches, fault)
                rows += read.rows
                contents.skipped += read.skipped
                contents.warnings += read.warnings
                contents.mels += len(read.mels)
                if read.rows:
                    contents.songs.append(song.name)
                    contents.sketches[song.name] = read.sketch
                for mel in read.mels:
                    file.write(np.ascontiguousarray(mel, "<f2").tobytes())
            sync(file)
        contents.segments = len(rows)
        schema = _OF_A_PART.with_metadata({"camil": json.dumps(vars(contents))})
        columns = {name: [row[name] for row in rows] for name in schema.names}
        segments = pa.table(columns, schema)
        with open(f"{table}{suffix}", "wb") as file:
            pq.write_table(segments, file)
            sync(file)
        if rows:
            arrays = self.parts.arrays(part.number)
            with open(f"{arrays}{suffix}", "wb") as file:
                np.savez(file, **arrays_of(segments))
                sync(file)
            os.replace(f"{arrays}{suffix}", arrays)
        os.replace(f"{mels}{suffix}", mels)
        os.replace(f"{table}{suffix}", table)
        return part.number


@dataclass
class SongSegments:
    """The segments of one song as table rows, with their mels ``(128, 282)``; see `Contents`."""

    rows: list[dict[str, Any]]
    mels: list[np.ndarray]
    skipped: list[dict[str, str]]
    warnings: list[dict[str, Any]] = field(default_factory=list)
    sketch: list[int] = field(default_factory=list)


def extract_song(
    song: Song,
    source: Source,
    spectrogram: Spectrogram | None,
    sketches: bool = False,
    fault: str = "",
) -> SongSegments:
    """Read one song; faults of its files are returned in ``skipped``, not raised.

    Args:
        spectrogram, sketches: see `PartWriter`.
        fault: the reason if the song is not to be read, else empty.
    """

    def skip(why: str, track: str = "") -> dict[str, str]:
        return {"song": song.name, "track": track, "file": str(song.path), "why": why}

    if fault:
        return SongSegments([], [], [skip(fault)])
    rows, mels, skipped, warnings = [], [], [], []
    try:
        for track in source.read(song):
            why = track.skipped
            warnings += [_warning(song, warning) for warning in track.warnings]
            try:
                if spectrogram is not None:
                    mels += [spectrogram(track.audio(segment)) for segment in track.segments]
                performances = chain([track.whole], repeat(()))
                pairs = zip(track.segments, performances, strict=False)
                rows += [_row(song, track, segment, whole) for segment, whole in pairs]
            except (ValueError, OSError) as error:
                why = str(error)
            if why:
                skipped.append(skip(why, track.track))
                del mels[len(rows) :]
        sketch = source.sketch(song) if sketches and rows else []
    except (ValueError, OSError) as error:
        return SongSegments([], [], [skip(str(error))])
    except MemoryError:
        return SongSegments([], [], [skip("it needs more memory than is available")])
    except Exception as error:  # an unforeseen kind of damage must not end the run
        why = f"reading it raised an unexpected error ({error!r})"
        return SongSegments([], [], [skip(why)])
    if not rows:
        skipped.append(skip("no track of any class has two measures with enough notes"))
    return SongSegments(rows, mels, skipped, warnings, sketch)


def _warning(song: Song, warning: MidiWarning) -> dict[str, Any]:
    return {"song": song.name, "file": str(song.path), **asdict(warning)}


def _row(
    song: Song, track: TrackSegments, segment: Segment, whole: Sequence[float]
) -> dict[str, Any]:
    return {
        "song": song.name,
        "track": track.track,
        "instrument": track.instrument,
        "program": track.program,
        "start_beat": segment.start_beat,
        "start_seconds": segment.start_seconds,
        "end_seconds": segment.end_seconds,
        "bpm": segment.bpm,
        "pitch": segment.pitch,
        "step": segment.step,
        "length": segment.length,
        "velocity": segment.velocity,
        "timbre": track.timbre,
        "whole": whole,
    }


def sync(file) -> None:
    """Write a file's content to the disk before other files depend on it."""
    file.flush()
    os.fsync(file.fileno())
