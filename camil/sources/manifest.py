"""Manifests and file lists: which MIDI files to read, and which of them belong together.

A manifest is a CSV file with the columns ``path`` (relative to the manifest, or absolute) and
``group``, and optionally ``split`` (train, validation or test) and ``licence``; other columns are
ignored. A file list is a text file with one path per line.
"""

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from camil.sources.protocol import SPLITS

MANIFEST = "manifest.csv"
COLUMNS = {"path", "group"}
LEVELS_UP = 2  # above the folder, where a manifest is looked for


def read_manifest(path: Path) -> dict[Path, dict[str, str]]:
    """The rows of a manifest by absolute path.

    Raises:
        ValueError: if the file is missing, is not UTF-8, lacks a column, has an unknown split or no
            path in a row, or has one path in two groups or splits.
    """
    if not path.is_file():
        raise ValueError(f"the manifest {path} does not exist; check the path")
    found: dict[Path, tuple[int, dict[str, str]]] = {}
    for line, row in _rows(path):
        if (row.get("split") or SPLITS[0]) not in SPLITS:
            raise ValueError(
                f"{path}, line {line}: split must be one of {', '.join(SPLITS)} or empty, got "
                f"{row['split']!r}"
            )
        file = _absolute(path, line, row["path"])
        before, other = found.get(file, (line, row))
        if any(row.get(column) != other.get(column) for column in ("group", "split")):
            raise ValueError(
                f"{path}, lines {before} and {line}: {row['path']} has two different groups or "
                "splits; keep one of the rows"
            )
        found[file] = line, row
    return {file: row for file, (_, row) in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a manifest with their line numbers, without spaces around names and values."""
    try:
        # Spreadsheets write a byte order mark.
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            if not COLUMNS.issubset(reader.fieldnames):
                raise ValueError(
                    f"{path} needs the columns path and group, separated by commas; it has "
                    f"{', '.join(sorted(reader.fieldnames)) or 'none'}. Add them, or rename the "
                    "file if it is not a manifest."
                )
            for row in reader:
                # A short row has None as value, and a long one None as name.
                values = {name: (row[name] or "").strip() for name in row if name}
                if any(values.values()):  # spreadsheets leave empty rows at the end
                    yield reader.line_num, values
    except UnicodeDecodeError:
        raise ValueError(
            f"the manifest {path} is not encoded as UTF-8; save it as CSV UTF-8"
        ) from None
    except csv.Error as error:
        raise ValueError(f"the manifest {path} is not a valid CSV file: {error}") from None


def manifest_near(folder: Path) -> Path | None:
    """The nearest ``manifest.csv`` in the folder or up to two levels above it; None without one.

    Above the folder, files of this name that lack the columns of a manifest are passed over.
    """
    folder = folder.resolve()
    for parent in [folder, *folder.parents][: LEVELS_UP + 1]:
        path = parent / MANIFEST
        if path.is_file():
            with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
                columns = [name.strip() for name in next(csv.reader(file), [])]
            if COLUMNS.issubset(columns) or parent == folder:
                return path
    return None


def listed_files(path: Path) -> list[Path]:
    """The paths in a manifest (``.csv``) or in a list of one path per line, in their order.

    Raises:
        ValueError: if the file is neither text nor a usable manifest.
    """
    if path.suffix.lower() == ".csv":
        return list(read_manifest(path))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is neither a folder, a manifest nor a text file with one path per line"
        ) from None
    paths = [_absolute(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return list(dict.fromkeys(paths))


def row_of(path: Path, rows: Mapping[Path, dict[str, str]]) -> tuple[Path, dict[str, str]]:
    """The row of a file in a manifest, and the path that the manifest lists it by, if it does.

    The file, and its folder, may be symbolic links: the path as it is, the path with a real folder
    and the real path are tried in this order.

    Args:
        path: the file.
        rows: from `read_manifest`.

    Returns:
        The listed path and its row; without one, the real path and no columns. Without rows,
        nothing on the disk is looked up.
    """
    absolute = Path(os.path.abspath(path))
    if not rows:
        return absolute, {}
    folder, name = os.path.split(absolute)
    candidates = absolute, Path(os.path.realpath(folder), name), Path(os.path.realpath(absolute))
    listed = next((one for one in candidates if one in rows), candidates[-1])
    return listed, rows.get(listed, {})


def _absolute(listing: Path, line: int, path: str) -> Path:
    """The absolute form of a path in a manifest or list, without ``..``; links are kept."""
    top = listing.resolve().parent
    absolute = Path(os.path.abspath(top / path.strip()))
    if "\0" in path or absolute in (top, Path(absolute.anchor)):
        raise ValueError(f"{listing}, line {line}: {path!r} is not the path of a file")
    return absolute
