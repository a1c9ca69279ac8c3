"""The source of a profile: remembered paths, and a checksum of the source's files."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from camil.sources.manifest import listed_files
from camil.sources.midi_folder import MidiFolder
from camil.workbook.files import write_text

NAMES = ("SOURCE", "SOUNDFONTS", "UNSEEN")


def remembered(profile: str, given: Mapping[str, str], runs: Path | str = "runs") -> dict[str, str]:
    """Paths of the source and of soundfonts, as given now or in an earlier call.

    `remember` keeps them. A variable that is given replaces the remembered one.

    Args:
        profile: its name.
        given: the environment, with the variables of `NAMES` that the user has set.
        runs: folder of the runs of all profiles.

    Returns:
        The variables that have a value.
    """
    file = Path(runs) / profile / "source.yaml"
    before = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return (before or {}) | {name: given[name] for name in NAMES if given.get(name)}


def remember(profile: str, paths: Mapping[str, str], runs: Path | str = "runs") -> None:
    """Keep paths for later calls in ``<runs>/<profile>/source.yaml``, part of no repository.

    Args:
        profile: its name.
        paths: from `remembered`, after a check, so that a mistyped path replaces no other.
        runs: folder of the runs of all profiles.
    """
    if paths != remembered(profile, {}, runs):
        text = yaml.safe_dump(dict(paths), allow_unicode=True)
        comment = "# Given to make figures; delete this file to forget it."
        write_text(Path(runs) / profile / "source.yaml", f"{comment}\n{text}")


def source_state(source: Path | str) -> str:
    """A checksum of the names, sizes and times of all files of a source.

    These are the files below a folder, or a list and the files that it names, and the manifest that
    states their groups and splits.

    Args:
        source: a folder or a file; empty for a source without files.

    Returns:
        It changes if a file is added, removed or changed. Empty if there is no such source.
    """
    root = Path(source)
    if not source or not root.exists():
        return ""
    path = root.resolve()  # as the paths of manifests and of listed files are
    if path.is_file():
        files, top = [path], path.parent
    else:
        folders = os.walk(path)
        files, top = [Path(folder, name) for folder, _, names in folders for name in names], path
    # A set, because a manifest in the folder is found twice.
    entries = {_entry(file, top) for file in [*files, *_referenced(root)]}
    return hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()


def _referenced(root: Path) -> list[Path]:
    """The files that a list names, and the manifest of a folder or of a list."""
    try:
        source = MidiFolder(root, audio=False)
        listed = listed_files(source.file_list) if source.file_list else []
    except (OSError, ValueError):  # an unusable list or manifest, which is reported when it is read
        return []
    return [*listed, source.manifest] if source.manifest else listed


def _entry(file: Path, top: Path) -> str:
    name = file.relative_to(top) if file.is_relative_to(top) else file
    try:
        status = file.stat()
    except (OSError, ValueError):  # a broken link or an invalid name, reported when it is read
        return f"{name}"
    return f"{name} {status.st_size} {status.st_mtime_ns}"
