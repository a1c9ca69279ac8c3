"""The source of a profile: remembered paths, and a checksum of the source's files."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from camil.workbook.files import write_text

NAMES = ("SOURCE", "SOUNDFONTS", "UNSEEN")


def remembered(profile: str, given: Mapping[str, str], runs: Path | str = "runs") -> dict[str, str]:
    """Paths of the source and of soundfonts, as given now or in an earlier call.

    They are kept in ``<runs>/<profile>/source.yaml``, which is part of no repository. A variable
    that is given replaces the remembered one.

    Args:
        profile: its name.
        given: the environment, with the variables of `NAMES` that the user has set.
        runs: folder of the runs of all profiles.

    Returns:
        The variables that have a value.
    """
    file = Path(runs) / profile / "source.yaml"
    before = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    now = (before or {}) | {name: given[name] for name in NAMES if given.get(name)}
    if now != (before or {}):
        text = yaml.safe_dump(now, allow_unicode=True)
        write_text(file, f"# Given to make figures; delete this file to forget it.\n{text}")
    return now


def source_state(source: Path | str) -> str:
    """A checksum of the names, sizes and times of all files of a source.

    Args:
        source: a folder or a file; empty for a source without files.

    Returns:
        It changes if a file is added, removed or changed. Empty if there is no such source.
    """
    root = Path(source)
    if not source or not root.exists():
        return ""
    if root.is_file():
        entries = [_entry(root, root.parent)]
    else:
        folders = os.walk(root)
        entries = [
            _entry(Path(folder) / name, root) for folder, _, names in folders for name in names
        ]
    return hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()


def _entry(file: Path, root: Path) -> str:
    try:
        status = file.stat()
    except OSError:  # a broken link, which is reported when it is read
        return f"{file.relative_to(root)}"
    return f"{file.relative_to(root)} {status.st_size} {status.st_mtime_ns}"
