"""The MIDI files that ``camil label`` reads, and the paths of their labelled copies."""

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camil.midi.folder import SUFFIXES, midi_files


@dataclass
class MidiInput:
    """A file to label, and its path within the folder of copies."""

    path: Path
    relative: Path


def find_inputs(options: Namespace) -> tuple[list[MidiInput], list[str]]:
    """The MIDI files of all paths, each once, and why other paths and subfolders have none.

    Copies that an earlier call wrote into a subfolder of a searched folder are left out.
    """
    copies = _real(options.output or options.copies) if options.apply else None
    found: dict[Path, MidiInput] = {}
    missing = []
    for name in options.paths:
        path = Path(name)
        if why := path_fault(name):
            missing.append(why)
        elif not path.is_dir():
            found.setdefault(_real(path), MidiInput(path, Path(path.name)))
        else:
            try:
                files, unreadable = midi_files(path)
            except ValueError as error:
                missing.append(f"{error}.")
                continue
            missing += [f"{why}." for why in unreadable.values()]
            inside = copies is not None and _real(path) in copies.parents
            for file in files:
                if not (inside and copies in _real(file).parents):
                    found.setdefault(_real(file), MidiInput(file, file.relative_to(path)))
    return list(found.values()), missing


def path_fault(name: str) -> str:
    """Why a path is no file or folder that can be read, as a sentence; empty if it is one."""
    if not name:  # such as an unset variable of a shell; pathlib takes it for the current folder
        return "an empty name is no file or folder."
    try:
        os.stat(name)
    except FileNotFoundError:
        return f"{name}: there is no such file or folder."
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}."
    return ""


def _real(path: Path | str) -> Path:
    """The path without symbolic links; unlike `Path.resolve`, a loop of links is no error."""
    return Path(os.path.realpath(path))


def copy_paths(inputs: Sequence[MidiInput], options: Namespace) -> list[Path]:
    """The path of the labelled copy of each file.

    Raises:
        ValueError: if two copies would have the same path; if a copy would overwrite the original
            of another file; or if it would overwrite any file without ``output`` naming it or its
            folder.
    """
    output = Path(options.output or options.copies)
    if output.suffix.lower() in SUFFIXES and not output.is_dir():
        if len(inputs) > 1:
            raise ValueError(
                f"{len(inputs)} files cannot all be copied to {output}; name a folder."
            )
        return [output for _ in inputs]
    copies = [output / one.relative for one in inputs]
    first: dict[Path, Path] = {}
    for one, copy in zip(inputs, copies, strict=True):
        other = first.setdefault(copy, one.path)
        if other != one.path:
            raise ValueError(
                f"{other} and {one.path} would both be copied to {copy}; label their folder, or "
                "one of them at a time."
            )
    _check_originals(inputs, copies, own_copy_allowed=bool(options.output))
    if not options.output:
        _check_no_copy_exists(copies, output)
    return copies


def _check_originals(
    inputs: Sequence[MidiInput], copies: Sequence[Path], own_copy_allowed: bool
) -> None:
    originals = {_real(one.path): one.path for one in inputs}
    for one, copy in zip(inputs, copies, strict=True):
        original = originals.get(_real(copy))
        if original is not None and not (own_copy_allowed and original == one.path):
            raise ValueError(
                f"the copy of {one.path} would overwrite the original {original}; name another "
                "folder with -o."
            )


def _check_no_copy_exists(copies: Sequence[Path], folder: Path) -> None:
    existing = [copy for copy in copies if copy.exists()]
    if existing:
        count = len(existing)
        found = f"{count:,} copies exist already, the first is" if count > 1 else "there is already"
        raise ValueError(
            f"{found} {existing[0]}; add -o {folder} to overwrite {'them' if count > 1 else 'it'}, "
            "or name another folder with -o."
        )
