"""A corpus in the making: parts of a few songs, each written whole or not at all.

A part is two files: its mels as plain float16, and a table of its segments, which comes last and
carries what else is known of its songs. What a part holds depends on its songs alone, so the parts
may be made by any number of processes, on several machines, in any order, and again after a fault.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camil.audio import MEL_BINS, MEL_FRAMES
from camil.midi.segments import Segment
from camil.sources.protocol import Song, Source, TrackSegments

MAX_SONGS = 16  # of a part; what a kill costs at most
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
        ("whole", pa.list_(pa.float32())),  # of a track's first segment, empty for the others
    ]
)
_OF_A_PART = pa.schema([field for field in SCHEMA if field.name not in ("split", "mel")])
Spectrogram = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Part:
    """Some songs that are read and written together; `mark` tells their files from others."""

    number: int
    songs: list[Song]
    mark: str


@dataclass
class Contents:
    """What is known of a part beside its segments.

    Attributes:
        segments, mels: how many.
        songs: names of those that gave a segment.
        skipped: `song`, `track` (empty: the whole song), `file` and `why` of each.
        sketches: of each song, for finding versions of one another; see `camil.midi.versions`.
    """

    mark: str
    segments: int = 0
    mels: int = 0
    songs: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    sketches: dict[str, list[int]] = field(default_factory=dict)


class Parts:
    """The folder that holds the parts."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def table(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"

    def mels(self, number: int) -> Path:
        return self.folder / f"{number:06d}.mels"

    def forget_unfinished(self) -> None:
        """Remove what stopped runs left half written: on a full disk it is in the way. Only for
        who is alone on the corpus."""
        for path in self.folder.glob("*.partial"):
            path.unlink(missing_ok=True)

    def contents(self, part: Part) -> Contents | None:
        """What a finished part holds; None if it is not finished or was made of other files."""
        try:
            metadata = pq.read_schema(self.table(part.number)).metadata
            contents = Contents(**json.loads(metadata[b"camil"]))
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        return contents if contents.mark == part.mark else None

    def has_mels(self, part: Part, contents: Contents) -> bool:
        """Whether the part's mels are there in full: a merge takes them away one by one."""
        path = self.mels(part.number)
        return path.is_file() and path.stat().st_size == contents.mels * MEL_BYTES

    def is_done(self, part: Part) -> bool:
        contents = self.contents(part)
        return contents is not None and self.has_mels(part, contents)


class PartWriter:
    """Reads the songs of a part and writes it; goes to worker processes.

    Args:
        spectrogram: turns a segment's audio into `(128, 282)`; None writes no mels.
    """

    def __init__(self, folder: Path, source: Source, spectrogram: Spectrogram | None):
        self.parts = Parts(folder)
        self.source = source
        self.spectrogram = spectrogram

    def __call__(self, part: Part, faults: dict[str, str], report: Callable[[str], None]) -> int:
        """Write one part unless it is there already; `faults` names songs that are given up.

        Returns:
            The part's number.

        Raises:
            OSError: if it cannot be written, because the disk is full for example.
        """
        if self.parts.is_done(part):
            return part.number
        contents = Contents(part.mark)
        rows: list[dict[str, Any]] = []
        mine = f".{os.getpid()}.partial"  # another process may be writing the same part
        table, mels = self.parts.table(part.number), self.parts.mels(part.number)
        with open(f"{mels}{mine}", "wb") as file:
            for song in part.songs:
                report(song.name)
                read = extract_song(song, self.source, self.spectrogram, faults.get(song.name, ""))
                rows += read.rows
                contents.skipped += read.skipped
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
        with open(f"{table}{mine}", "wb") as file:
            pq.write_table(pa.table(columns, schema), file)
            sync(file)
        os.replace(f"{mels}{mine}", mels)
        os.replace(f"{table}{mine}", table)
        return part.number


@dataclass
class SongSegments:
    """What one song gives: table rows and their mels `(128, 282)`, what was skipped, a sketch."""

    rows: list[dict[str, Any]]
    mels: list[np.ndarray]
    skipped: list[dict[str, str]]
    sketch: list[int]


def extract_song(
    song: Song, source: Source, spectrogram: Spectrogram | None, fault: str = ""
) -> SongSegments:
    """Read one song; whatever is wrong with its files is told in `skipped`, never raised.

    Args:
        fault: why the song is not to be read at all; empty if it is.
    """

    def skip(why: str, track: str = "") -> dict[str, str]:
        return {"song": song.name, "track": track, "file": str(song.path), "why": why}

    if fault:
        return SongSegments([], [], [skip(fault)], [])
    rows, mels, skipped = [], [], []
    try:
        for track in source.read(song):
            why = track.skipped
            try:
                if spectrogram is not None:
                    mels += [spectrogram(track.audio(segment)) for segment in track.segments]
                wholes = chain([track.whole], repeat(()))
                pairs = zip(track.segments, wholes, strict=False)
                rows += [_row(song, track, segment, whole) for segment, whole in pairs]
            except (ValueError, OSError) as error:
                why = str(error)
            if why:
                skipped.append(skip(why, track.track))
                del mels[len(rows) :]
        sketch = source.sketch(song) if rows else []
    except (ValueError, OSError) as error:
        return SongSegments([], [], [skip(str(error))], [])
    except MemoryError:
        return SongSegments([], [], [skip("it needs more memory than there is")], [])
    except Exception as error:  # what only a damaged file can lead to must not end the others
        why = f"it is damaged in a way that this program does not know ({error!r})"
        return SongSegments([], [], [skip(why)], [])
    if not rows:
        why = "no track of the eight instruments has two measures with enough notes"
        skipped.append(skip(why))
    return SongSegments(rows, mels, skipped, sketch)


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
    """See that what was written is on the disk before anything is made to depend on it."""
    file.flush()
    os.fsync(file.fileno())
