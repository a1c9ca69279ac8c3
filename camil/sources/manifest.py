"""Manifests and file lists: which MIDI files to read, and which of them belong together.

A manifest is a CSV file with the columns ``path`` (relative to the manifest, or absolute) and
``group``, and optionally ``split`` (train, validation or test) and ``licence``; other columns are
ignored. A file list is a text file with one path per line.
"""

import csv
import os
from pathlib import Path

from camil.sources.protocol import SPLITS

MANIFEST = "manifest.csv"
COLUMNS = {"path", "group"}
LEVELS_UP = 2  # above the folder, where a manifest is looked for


def read_manifest(path: Path) -> dict[Path, dict[str, str]]:
    """The rows of a manifest by absolute path.

    Raises:
        ValueError: if the file is missing, lacks a column or has an unknown split.
    """
    if not path.is_file():
        raise ValueError(f"the manifest {path} does not exist; check the path")
    # Spreadsheets write a byte order mark, and some a space after each comma.
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    if rows and not rows[0].keys() >= COLUMNS:
        raise ValueError(f"the manifest {path} needs the columns path and group")
    for line, row in enumerate(rows, start=2):
        if (row.get("split") or SPLITS[0]) not in SPLITS:
            raise ValueError(
                f"{path}, line {line}: split must be one of {', '.join(SPLITS)} or empty, got "
                f"{row['split']!r}"
            )
    return {_absolute(path, row["path"]): row for row in rows}


def manifest_near(folder: Path) -> Path | None:
    """The nearest ``manifest.csv`` in the folder or up to two levels above it; None without one.

    Raises:
        ValueError: if the folder itself has a ``manifest.csv`` that lacks a column.
    """
    folder = folder.resolve()
    for parent in [folder, *folder.parents][: LEVELS_UP + 1]:
        path = parent / MANIFEST
        if path.is_file():
            with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
                columns = {name.strip() for name in next(csv.reader(file), [])}
            if columns >= COLUMNS:
                return path
            if parent == folder:
                raise ValueError(
                    f"{path} needs the columns path and group, separated by commas; it has "
                    f"{', '.join(sorted(columns)) or 'none'}. Add them or rename the file."
                )
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
    return list(dict.fromkeys(_absolute(path, line.strip()) for line in lines if line.strip()))


def _absolute(listing: Path, path: str) -> Path:
    """The absolute form of a path in a manifest or list, without ``..``; links are kept."""
    return Path(os.path.abspath(listing.resolve().parent / path))
