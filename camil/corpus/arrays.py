"""Memory-mapped arrays of a corpus: notes and hand-crafted features, song after song.

They lie in the folder ``arrays`` of a corpus and repeat ``segments.parquet`` in a form from which a
batch of songs is read without reading the others:

======================  ======================  ================================================
file                    shape                   content
======================  ======================  ================================================
notes.npy               (notes, 4) int16        pitch, step, length and velocity
bpm.npy                 (segments,) float64     quarter notes per minute
of_segment.npy          (segments, 51) float32  `camil.midi.features.segment_features`
of_track.npy            (tracks, 105) float32   `camil.midi.features.track_features`
of_song.npy             (tracks, 19) float32    columns that `song_features` adds
own.npy, among.npy      (tracks, 28), (tracks,  `camil.midi.performance`, NaN if the corpus has none
                        22) float32
notes_per_segment.npy   (segments,) int32       counts, from which the bounds of each group follow
segments_per_track.npy  (tracks,) int32
tracks_per_song.npy     (songs,) int32
======================  ======================  ================================================

`camil.corpus.build.write_corpus` computes them part by part while it reads the songs. For a corpus
without them, or if they belong to a ``segments.parquet`` of another checksum, `open_arrays`
computes them once.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from camil.midi.features import TRACK, segment_features, song_features, track_features
from camil.midi.performance import AMONG, OWN, performance_of
from camil.midi.segments import NOTE_COLUMNS
from camil.workbook.files import read_json, write_json

FOLDER = "arrays"
INDEX = "arrays.json"  # written last
READ_ROWS = 20_000  # segments of a corpus read at once
COLUMNS = [*TRACK, "bpm", *NOTE_COLUMNS]


def arrays_of(segments: pa.Table) -> dict[str, np.ndarray]:
    """Compute the arrays of whole songs; see the table above.

    Args:
        segments: rows of ``segments.parquet``; the rows of a track, and the tracks of a song, must
            be consecutive.

    Raises:
        ValueError: if there is no segment, a segment has no notes, or the rows of a song or track
            are not consecutive.
    """
    about = segments.select([*TRACK, "bpm"]).to_pandas()
    if not len(about):
        raise ValueError("there are no segments and therefore no songs")
    song_of_segment = _run_index(about["song"], "song")
    track_of = _run_index(about["song"] + "\0" + about["track"], "track")
    first = np.flatnonzero(np.diff(track_of, prepend=-1))
    features = segment_features(segments)
    by_track = track_features(features, about)
    order = by_track.index.get_indexer(pd.MultiIndex.from_frame(about[TRACK].iloc[first]))
    in_song = song_features(by_track).iloc[order]
    whole = performance_of(segments).to_numpy()
    notes = [segments[name].combine_chunks() for name in NOTE_COLUMNS]
    return {
        "notes": np.stack([np.asarray(column.flatten(), np.int16) for column in notes], axis=1),
        "bpm": about["bpm"].to_numpy(np.float64),
        "of_segment": features.to_numpy(np.float32),
        "of_track": in_song[by_track.columns].to_numpy(np.float32),
        "of_song": in_song.drop(columns=by_track.columns).to_numpy(np.float32),
        "own": np.ascontiguousarray(whole[:, : len(OWN)]),
        "among": np.ascontiguousarray(whole[:, len(OWN) : len(OWN) + len(AMONG)]),
        "notes_per_segment": np.asarray(notes[0].value_lengths(), np.int32),
        "segments_per_track": np.bincount(track_of).astype(np.int32),
        "tracks_per_song": np.bincount(song_of_segment[first]).astype(np.int32),
    }


class ArrayWriter:
    """Write the arrays of successive songs to a folder, one file per array.

    Args:
        folder: must not exist.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.folder = folder
        self._files: dict[str, _ArrayFile] = {}

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add the songs of `arrays_of`."""
        for name, array in arrays.items():
            if name not in self._files:
                self._files[name] = _ArrayFile(self.folder / f"{name}.npy", array)
            self._files[name].append(array)

    def close(self, checksum: str) -> None:
        """Complete the files.

        Args:
            checksum: SHA-256 of the ``segments.parquet`` whose songs these are.
        """
        for file in self._files.values():
            file.close()
        # The files are not synchronized with the disk, as they can be computed again: their sizes
        # show whether they are complete.
        sizes = {path.name: path.stat().st_size for path in self.folder.glob("*.npy")}
        write_json(self.folder / INDEX, {"segments.parquet": checksum, "sizes": sizes})


def open_arrays(corpus: Path | str) -> dict[str, Path]:
    """The paths of a corpus' arrays by name, to be read with `mapped`.

    They are computed if they are missing or belong to another ``segments.parquet``, a few songs at
    a time, and kept in the corpus; if its folder cannot be written, in a temporary folder.

    Raises:
        FileNotFoundError: if the folder contains no corpus.
        ValueError: see `arrays_of`.
    """
    corpus = Path(corpus)
    checksum = read_json(corpus / "corpus.json")["sha256"]["segments.parquet"]
    folder = corpus / FOLDER
    if not _belong(folder, checksum):
        folder = _compute(corpus, checksum)
    return {path.stem: path for path in folder.glob("*.npy")}


def mapped(path: Path) -> np.ndarray:
    """Map a ``.npy`` file into memory.

    Map it for each batch: pages of a map that stays open count as memory of this process, and in
    time that would be the whole file.
    """
    return np.load(path, mmap_mode="r")


def _belong(folder: Path, checksum: str) -> bool:
    if not (folder / INDEX).is_file():
        return False
    index = read_json(folder / INDEX)
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.npy")}
    return index.get("segments.parquet") == checksum and index.get("sizes") == sizes


def _compute(corpus: Path, checksum: str) -> Path:
    try:
        staging = Path(tempfile.mkdtemp(prefix=".arrays-", dir=corpus))
    except OSError:
        staging = Path(tempfile.mkdtemp(prefix="camil-arrays-"))
    writer = ArrayWriter(staging / FOLDER)
    for table in _songs_of(corpus / "segments.parquet"):
        writer.append(arrays_of(table))
    writer.close(checksum)
    if staging.parent != corpus:
        return staging / FOLDER
    shutil.rmtree(corpus / FOLDER, ignore_errors=True)
    os.replace(staging / FOLDER, corpus / FOLDER)
    staging.rmdir()
    return corpus / FOLDER


def _songs_of(path: Path) -> Iterator[pa.Table]:
    """Tables of whole songs, of about `READ_ROWS` segments each."""
    file = pq.ParquetFile(path)
    columns = [name for name in (*COLUMNS, "whole") if name in file.schema_arrow.names]
    rest = file.schema_arrow.empty_table().select(columns)
    for batch in file.iter_batches(READ_ROWS, columns=columns):
        rest = pa.concat_tables([rest, pa.Table.from_batches([batch])])
        names = rest["song"].to_pandas().to_numpy(object)
        others = np.flatnonzero(names != names[-1])  # the last song may continue
        if len(others):
            yield rest.slice(0, others[-1] + 1)
            rest = rest.slice(others[-1] + 1)
    yield rest


def _run_index(names: pd.Series, kind: str) -> np.ndarray:
    """The index of each row's run of equal names; a name must have one run only."""
    values = names.to_numpy(object)
    begins = np.append(True, values[1:] != values[:-1])
    if len(set(values[begins])) < begins.sum():
        raise ValueError(f"the segments of a {kind} must be consecutive rows")
    return np.cumsum(begins) - 1


class _ArrayFile:
    """A ``.npy`` file that grows along its first axis."""

    def __init__(self, path: Path, example: np.ndarray):
        self.dtype, self.shape, self.rows = example.dtype, example.shape[1:], 0
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._write_header()

    def append(self, array: np.ndarray) -> None:
        if array.dtype != self.dtype or array.shape[1:] != self.shape:
            raise ValueError(f"{array.dtype} {array.shape} does not continue {self._file.name}")
        self._file.write(np.ascontiguousarray(array).tobytes())
        self.rows += len(array)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()  # has the same size: NumPy reserves space for a longer first axis
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.rows, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
