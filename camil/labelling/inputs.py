"""The MIDI files that ``camil label`` reads, and the paths of their labelled copies."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camil.labelling.label import SUFFIXES, midi_files

COPY_SUFFIXES = (*SUFFIXES, ".rmi")  # a single .rmi file can be labelled too


@dataclass
class MidiInput:
    """A file to label, and its path within the folder of copies."""

    path: Path
    relative: Path


def find_inputs(options: Namespace) -> tuple[list[MidiInput], list[str]]:
    """The MIDI files of all paths, each once, and why other paths have none.

    Copies that an earlier call wrote into a subfolder of a searched folder are left out.
    """
    copies = Path(options.output or options.copies).resolve() if options.apply else None
    found: dict[Path, MidiInput] = {}
    missing = []
    for path in map(Path, options.paths):
        if path.is_dir():
            try:
                files = midi_files(path)
            except ValueError as error:
                missing.append(f"{error}.")
                continue
            inside = copies is not None and path.resolve() in copies.parents
            for file in files:
                if not (inside and copies in file.resolve().parents):
                    found.setdefault(file.resolve(), MidiInput(file, file.relative_to(path)))
        elif path.exists():
            found.setdefault(path.resolve(), MidiInput(path, Path(path.name)))
        else:
            missing.append(f"{path}: there is no such file or folder.")
    return list(found.values()), missing


def copy_paths(inputs: Sequence[MidiInput], options: Namespace) -> list[Path]:
    """The path of the labelled copy of each file.

    Raises:
        ValueError: if two copies would have the same path; if a copy would overwrite the original
            of another file; or if it would overwrite any file without ``output`` naming it or its
            folder.
    """
    output = Path(options.output or options.copies)
    if output.suffix.lower() in COPY_SUFFIXES and not output.is_dir():
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
    originals = {one.path.resolve(): one.path for one in inputs}
    for one, copy in zip(inputs, copies, strict=True):
        original = originals.get(copy.resolve())
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
