"""Merge finished parts into a corpus, in the order of the parts.

The result does not depend on how the parts were made. It is prepared in a folder beside the
existing corpus and then replaces it. The mels are moved from the parts into one file, part by part,
so that they are never on the disk twice; an interrupted merge is resumed.
"""

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camil.audio import MEL_BINS, MEL_FRAMES
from camil.corpus.arrays import FOLDER as ARRAYS
from camil.corpus.arrays import ArrayWriter
from camil.corpus.parts import MEL_BYTES, SCHEMA, Contents, Part, Parts, sync
from camil.midi.versions import groups_of
from camil.sources.protocol import UNKNOWN_INSTRUMENT, Song, one_split_per_group
from camil.workbook.files import write_json

# With the last file the corpus is complete.
FILES = ("mels.npy", "segments.parquet", ARRAYS, "skipped.csv", "warnings.csv", "corpus.json")
ROW_GROUP = 20_000  # segments that are in memory at once
SKIPPED = ("song", "track", "file", "why")
WARNINGS = ("song", "file", "track", "offset", "what", "done")

Splits = Callable[[Sequence[str]], dict[str, str]]


def merge(
    folder: Path, parts: Parts, plan: list[Part], splits: Splits, information: dict[str, Any]
) -> None:
    """Write the corpus of finished parts.

    Args:
        folder: folder of the merged corpus.
        parts, plan: the parts.
        splits: assigns groups of songs to splits; see `camil.corpus.splits.splits_of`.
        information: content of ``corpus.json`` apart from counts and checksums.

    Raises:
        ValueError: if no part has a segment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [parts.contents(part) for part in plan]
    skipped = [entry for contents in found for entry in contents.skipped]
    segments = sum(contents.segments for contents in found)
    if not segments:
        reasons = "; ".join(f"{entry['song']}: {entry['why']}" for entry in skipped[:3])
        raise ValueError(
            f"None of the {sum(len(part.songs) for part in plan)} songs has a segment "
            f"({reasons}). Check the source."
        )
    _append_mels(folder / "mels.npy", parts, plan, found)
    _write_segments(folder / "segments.parquet", parts, plan, found, splits)
    _write_csv(folder / "skipped.csv", SKIPPED, skipped)
    warnings = [entry for contents in found for entry in contents.warnings]
    _write_csv(folder / "warnings.csv", WARNINGS, warnings)
    counts = {
        "songs": sum(len(contents.songs) for contents in found),
        "segments": segments,
        "skipped": sum(not entry["track"] for entry in skipped),
        "skipped_tracks": sum(bool(entry["track"]) for entry in skipped),
        "unknown_instruments": sum(entry["why"] == UNKNOWN_INSTRUMENT for entry in skipped),
        "repaired": len({entry["song"] for entry in warnings}),
        "sha256": {name: sha256(folder / name) for name in ("segments.parquet", "mels.npy")},
    }
    _write_arrays(folder / ARRAYS, parts, plan, found, counts["sha256"]["segments.parquet"])
    write_json(folder / "corpus.json", information | counts)


def install(prepared: Path, corpus: Path) -> None:
    """Move a prepared corpus to its folder, or resume moving it. ``corpus.json``, without which a
    folder is not a corpus, is moved last."""
    if not (prepared / "corpus.json").is_file():
        return
    (corpus / "corpus.json").unlink(missing_ok=True)
    for name in FILES:
        if (prepared / name).exists():
            if (corpus / name).is_dir():
                shutil.rmtree(corpus / name)
            os.replace(prepared / name, corpus / name)
    shutil.rmtree(prepared)


def mel_header(count: int) -> bytes:
    """The first bytes of a ``.npy`` file of ``count`` mels."""
    file = io.BytesIO()
    shape = (count, MEL_BINS, MEL_FRAMES)
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def is_begun(path: Path, parts: Parts, plan: list[Part]) -> bool:
    """Whether a merge has moved the mels of the first parts and all other files are complete."""
    found = [parts.contents(part) for part in plan]
    if not path.is_file() or None in found:
        return False
    unmoved = [parts.has_mels(part, contents) for part, contents in zip(plan, found, strict=True)]
    moved = unmoved.index(True) if True in unmoved else len(unmoved)
    header = mel_header(sum(contents.mels for contents in found))
    size = len(header) + MEL_BYTES * sum(contents.mels for contents in found[:moved])
    if path.stat().st_size < size or not all(unmoved[moved:]):
        return False
    with open(path, "rb") as file:
        return file.read(len(header)) == header


def _append_mels(path: Path, parts: Parts, plan: list[Part], found: list[Contents]) -> None:
    ends = np.cumsum([0, *(contents.mels for contents in found)]).tolist()
    header = mel_header(ends[-1])
    if not is_begun(path, parts, plan):
        path.write_bytes(header)
    with open(path, "r+b") as file:
        for part, (begin, end) in zip(plan, pairwise(ends), strict=True):
            source = parts.mels(part.number)
            if not source.is_file():  # moved by an interrupted merge
                continue
            file.seek(len(header) + begin * MEL_BYTES)
            with open(source, "rb") as mels:
                shutil.copyfileobj(mels, file, 1 << 20)
            assert file.tell() == len(header) + end * MEL_BYTES
            sync(file)
            source.unlink()
        file.truncate(len(header) + ends[-1] * MEL_BYTES)


def _write_segments(
    path: Path, parts: Parts, plan: list[Part], found: list[Contents], splits: Splits
) -> None:
    songs = [song for part in plan for song in part.songs]
    sketches = {name: sketch for contents in found for name, sketch in contents.sketches.items()}
    if any(song.group is None for song in songs):
        songs = one_split_per_group(_with_groups(songs, sketches))
    assigned = splits([song.group for song in songs if song.split is None])
    split = {song.name: song.split or assigned[song.group] for song in songs}

    with open(path, "wb") as file, pq.ParquetWriter(file, SCHEMA) as writer:
        for table in _in_row_groups(_tables(parts, plan, found, split)):
            writer.write_table(table, row_group_size=ROW_GROUP)
        writer.close()
        sync(file)


def _with_groups(songs: list[Song], sketches: dict[str, Sequence[int]]) -> list[Song]:
    """Give each song without a group that of a version of it, else one named by its notes."""
    by_notes = groups_of({song.name: sketches.get(song.name, []) for song in songs})
    group: dict[str, str] = {}  # of the manifest, by the group of the notes
    for song in songs:
        if song.group is not None:
            group.setdefault(by_notes[song.name], song.group)
    found = {name: group.get(first, first) for name, first in by_notes.items()}
    return [song._replace(group=song.group or found[song.name]) for song in songs]


def _tables(
    parts: Parts, plan: list[Part], found: list[Contents], split: dict[str, str]
) -> Iterator[pa.Table]:
    begin = 0
    for part, contents in zip(plan, found, strict=True):
        table = pq.read_table(parts.table(part.number)).replace_schema_metadata(None)
        rows = np.arange(begin, begin + len(table)) if contents.mels else np.full(len(table), -1)
        begin += contents.mels
        columns = {name: table[name] for name in table.column_names}
        columns["split"] = pa.array([split[song] for song in table["song"].to_pylist()])
        columns["mel"] = pa.array(rows)
        yield pa.table({field.name: columns[field.name] for field in SCHEMA}).cast(SCHEMA)


def _in_row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP` rows, so the file does not depend on the parts."""
    held = SCHEMA.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) >= ROW_GROUP:
            yield held.slice(0, ROW_GROUP).combine_chunks()
            held = held.slice(ROW_GROUP)
    if len(held):
        yield held.combine_chunks()


def _write_arrays(
    folder: Path, parts: Parts, plan: list[Part], found: list[Contents], checksum: str
) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left by an interrupted merge
    writer = ArrayWriter(folder)
    for part, contents in zip(plan, found, strict=True):
        if contents.segments:
            with np.load(parts.arrays(part.number)) as arrays:
                writer.append(arrays)
    writer.close(checksum)


def _write_csv(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        sync(file)


def sha256(path: Path) -> str:
    """The checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
