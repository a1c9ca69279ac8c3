"""From a source to a corpus on disk: notes and mels of each song, song by song, in parallel."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from camil.audio import MEL_BINS, MEL_FRAMES
from camil.runs import commit, versions, write_json
from camil.sources import Song, Source, TrackSegments

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
    ]
)
_worker: dict[str, Any] = {}
Spectrogram = Callable[[np.ndarray], np.ndarray]


@dataclass
class SongSegments:
    """What one song gives: table rows, their mels `(rows, 128, 282)`, or why it was skipped."""

    rows: list[dict[str, Any]]
    mels: np.ndarray
    skipped: str = ""


def write_corpus(
    folder: Path | str,
    source: Source,
    spectrogram: Spectrogram,
    splits: dict[str, str],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Write every song of a source; a song that cannot be read is reported and skipped.

    `corpus.json` goes first and comes back last, so that a folder that has one holds a whole
    corpus.

    Args:
        spectrogram: turns a segment's audio into `(128, 282)`.
        splits: the split of each group of songs, for songs whose source gives none.
        parameters: recorded in `corpus.json`.

    Returns:
        The content of `corpus.json`.

    Raises:
        ValueError: if no song gives a segment.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.json").unlink(missing_ok=True)
    songs = source.songs()
    rows: list[dict[str, Any]] = []
    skipped = []
    with MelFile(folder / "mels.npy") as mels:
        for song, segments in zip(songs, _extracted(songs, source, spectrogram), strict=True):
            if segments.skipped:
                skipped.append({"song": song.name, "file": str(song.path), "why": segments.skipped})
            split = song.split or splits[song.group]
            rows += [row | {"split": split, "mel": mels.count + i}
                     for i, row in enumerate(segments.rows)]  # fmt: skip
            mels.append(segments.mels)
        if not rows:
            raise ValueError(_nothing(source, songs, skipped))
    _write_table(folder / "segments.parquet", rows)
    _write_skipped(folder / "skipped.csv", skipped)
    information = {
        "source": {"name": source.name} | source.description(),
        "parameters": parameters,
        "songs": len({row["song"] for row in rows}),
        "segments": len(rows),
        "skipped": len(skipped),
        "sha256": {name: _sha256(folder / name) for name in ("segments.parquet", "mels.npy")},
        "commit": commit(),
        "versions": versions(),
    }
    write_json(folder / "corpus.json", information)
    return information


class MelFile:
    """A `.npy` file of mels that grows; it takes its name once all are in it."""

    def __init__(self, path: Path):
        self.path = path
        self.count = 0

    def __enter__(self) -> "MelFile":
        self._file = open(self.path.with_suffix(".partial"), "wb")
        self._write_header()
        return self

    def append(self, mels: np.ndarray) -> None:
        """Add mels of shape `(any, 128, 282)`."""
        self._file.write(np.ascontiguousarray(mels, dtype="<f2").tobytes())
        self.count += len(mels)

    def __exit__(self, error, *_) -> None:
        self._write_header()
        self._file.close()
        if error is None:
            os.replace(self.path.with_suffix(".partial"), self.path)
        else:
            self.path.with_suffix(".partial").unlink()

    def _write_header(self) -> None:
        # NumPy pads a header so that the first axis may grow without moving the data.
        self._file.seek(0)
        shape = (self.count, MEL_BINS, MEL_FRAMES)
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def _extracted(
    songs: list[Song], source: Source, spectrogram: Spectrogram
) -> Iterator[SongSegments]:
    """Each song's segments in the order of the songs, with a progress line every few seconds."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    started = reported = time.monotonic()
    with ProcessPoolExecutor(
        workers, get_context("spawn"), _begin_worker, (source, spectrogram)
    ) as pool:
        for done, segments in enumerate(pool.map(_extract_in_worker, songs), start=1):
            yield segments
            now = time.monotonic()
            if now - reported > 5 or done == len(songs):
                reported, rate = now, done / (now - started)
                left = (len(songs) - done) / rate
                print(f"{done}/{len(songs)} songs, {rate:.1f} a second, {left:.0f} s left")


def _begin_worker(source: Source, spectrogram: Spectrogram) -> None:
    """Keep the source in the process: its soundfonts are loaded once, not for every song."""
    _worker.update(source=source, spectrogram=spectrogram)
    threadpool_limits(1)  # the processes share the cores already


def _extract_in_worker(song: Song) -> SongSegments:
    return extract_song(song, **_worker)


def extract_song(song: Song, source: Source, spectrogram: Spectrogram) -> SongSegments:
    """Read one song; whatever is wrong with its file is told in `skipped`, never raised."""
    rows, mels = [], []
    try:
        for part in source.read(song):
            for segment in part.segments:
                mels.append(spectrogram(part.audio(segment)))
                rows.append(
                    {
                        "song": song.name,
                        "track": part.track,
                        "instrument": part.instrument,
                        "program": part.program,
                        "start_beat": segment.start_beat,
                        "start_seconds": segment.start_seconds,
                        "end_seconds": segment.end_seconds,
                        "bpm": segment.bpm,
                        "pitch": segment.pitch,
                        "step": segment.step,
                        "length": segment.length,
                        "velocity": segment.velocity,
                        "timbre": part.timbre,
                    }
                )
    except (ValueError, OSError) as error:
        return SongSegments([], np.empty((0, MEL_BINS, MEL_FRAMES), "<f2"), str(error))
    if not rows:
        why = "no track of the eight instruments has two measures with enough notes"
        return SongSegments([], np.empty((0, MEL_BINS, MEL_FRAMES), "<f2"), why)
    return SongSegments(rows, np.stack(mels))


def first_part(source: Source) -> tuple[Song, TrackSegments]:
    """The first song of a source that can be read, and its first part: something to look at.

    Raises:
        ValueError: if no song can be read.
    """
    skipped = []
    songs = source.songs()
    for song in songs:
        try:
            parts = source.read(song)
        except (ValueError, OSError) as error:
            skipped.append({"song": song.name, "why": str(error)})
            continue
        if parts:
            return song, parts[0]
    raise ValueError(_nothing(source, songs, skipped))


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = {field.name: [row[field.name] for row in rows] for field in SCHEMA}
    partial_path = path.with_suffix(".partial")
    pq.write_table(pa.table(columns, SCHEMA), partial_path)
    os.replace(partial_path, path)


def _write_skipped(path: Path, skipped: list[dict[str, str]]) -> None:
    partial_path = path.with_suffix(".partial")
    pd.DataFrame(skipped, columns=["song", "file", "why"]).to_csv(partial_path, index=False)
    os.replace(partial_path, path)


def _nothing(source: Source, songs: list[Song], skipped: list[dict[str, str]]) -> str:
    reasons = "; ".join(f"{entry['song']}: {entry['why']}" for entry in skipped[:3])
    return (
        f"None of the {len(songs)} songs of source {source.name!r} gave a segment ({reasons}). "
        "Look at the source folder."
    )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
