"""The MIDI files in a folder."""

import os
from pathlib import Path

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")


def midi_files(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """All MIDI files in a folder and its subfolders, sorted, and why subfolders cannot be read.

    Links to folders are not followed.

    Raises:
        ValueError: if there is no file that can be read.
    """
    unreadable: dict[Path, str] = {}

    def report(error: OSError) -> None:
        path = error.filename
        unreadable[Path(path)] = f"the folder {path} cannot be read: {error.strerror}"

    walk = os.walk(folder, onerror=report)
    found = [Path(parent, name) for parent, _, names in walk for name in names]
    files = sorted(file for file in found if file.name.lower().endswith(SUFFIXES))
    if not files:
        none = (
            f"the folder {folder} contains no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file; "
            "links to folders are not followed"
        )
        raise ValueError("; ".join(unreadable.values()) or none)
    return files, unreadable
