"""From finished parts to a corpus: in order, so that it is the same however they were made.

All is prepared in a folder beside the corpus that stands, and then moved into its place. The mels
move from their parts into one file, a part at a time, so that they are never on the disk twice; a
merge that was interrupted goes on where it stopped.
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
from camil.corpus.parts import MEL_BYTES, SCHEMA, Contents, Part, Parts, sync
from camil.midi.versions import groups_of
from camil.workbook.files import write_json

FILES = ("mels.npy", "segments.parquet", "skipped.csv", "corpus.json")  # the last says: complete
ROW_GROUP = 20_000  # segments; what is in memory at a time
SKIPPED = ("song", "track", "file", "why")

Splits = Callable[[Sequence[str]], dict[str, str]]


def merge(
    folder: Path, parts: Parts, plan: list[Part], splits: Splits, information: dict[str, Any]
) -> None:
    """Make the corpus of finished parts.

    Args:
        splits: deals groups of songs to splits; see `camil.corpus.splits.splits_of`.
        information: what goes into `corpus.json` beside counts and checksums.

    Raises:
        ValueError: if there is no segment in any part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [parts.contents(part) for part in plan]
    skipped = [entry for contents in found for entry in contents.skipped]
    segments = sum(contents.segments for contents in found)
    if not segments:
        reasons = "; ".join(f"{entry['song']}: {entry['why']}" for entry in skipped[:3])
        raise ValueError(
            f"None of the {sum(len(part.songs) for part in plan)} songs gave a segment "
            f"({reasons}). Look at the source folder."
        )
    _append_mels(folder / "mels.npy", parts, plan, found)
    _write_segments(folder / "segments.parquet", parts, plan, found, splits)
    _write_skipped(folder / "skipped.csv", skipped)
    counts = {
        "songs": sum(len(contents.songs) for contents in found),
        "segments": segments,
        "skipped": sum(not entry["track"] for entry in skipped),
        "skipped_tracks": sum(bool(entry["track"]) for entry in skipped),
        "sha256": {name: sha256(folder / name) for name in ("segments.parquet", "mels.npy")},
    }
    write_json(folder / "corpus.json", information | counts)


def install(prepared: Path, corpus: Path) -> None:
    """Move a prepared corpus into its place, or go on moving it; until the end there is no
    `corpus.json`, by which readers know a corpus."""
    if not (prepared / "corpus.json").is_file():
        return
    (corpus / "corpus.json").unlink(missing_ok=True)
    for name in FILES:
        if (prepared / name).exists():
            os.replace(prepared / name, corpus / name)
    shutil.rmtree(prepared)


def mel_header(count: int) -> bytes:
    """The first bytes of a `.npy` file of `count` mels."""
    file = io.BytesIO()
    shape = (count, MEL_BINS, MEL_FRAMES)
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def is_begun(path: Path, parts: Parts, plan: list[Part]) -> bool:
    """Whether a merge has moved the mels of the first parts, and nothing else is missing."""
    found = [parts.contents(part) for part in plan]
    if not path.is_file() or None in found:
        return False
    there = [parts.has_mels(part, contents) for part, contents in zip(plan, found, strict=True)]
    moved = there.index(True) if True in there else len(there)
    header = mel_header(sum(contents.mels for contents in found))
    size = len(header) + MEL_BYTES * sum(contents.mels for contents in found[:moved])
    if path.stat().st_size < size or not all(there[moved:]):
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
            if not source.is_file():  # moved by a merge that was interrupted
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
    unknown = [song.name for song in songs if song.group is None]
    by_notes = groups_of({name: sketches.get(name, []) for name in unknown})
    group = {song.name: song.group or by_notes[song.name] for song in songs}
    dealt = splits([group[song.name] for song in songs if song.split is None])
    split = {song.name: song.split or dealt[group[song.name]] for song in songs}

    with open(path, "wb") as file, pq.ParquetWriter(file, SCHEMA) as writer:
        for table in _in_row_groups(_tables(parts, plan, found, split)):
            writer.write_table(table, row_group_size=ROW_GROUP)
        writer.close()
        sync(file)


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
    """The same rows in tables of `ROW_GROUP` each, so that the file does not tell of the parts."""
    held = SCHEMA.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) >= ROW_GROUP:
            yield held.slice(0, ROW_GROUP).combine_chunks()
            held = held.slice(ROW_GROUP)
    if len(held):
        yield held.combine_chunks()


def _write_skipped(path: Path, skipped: list[dict[str, str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, SKIPPED, lineterminator="\n")
        writer.writeheader()
        writer.writerows(skipped)
        sync(file)


def sha256(path: Path) -> str:
    """The checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
