"""Notice results that were changed after they were made: checksums of files, and parameters."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from camil.workbook.files import read_json

RESULTS = ("*.safetensors", "*.parquet", "*.json", "*.jsonl")  # files that a run consists of


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(folder: Path | str, leave_out: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of each result in a run's folder, by file name."""
    files = {file for pattern in RESULTS for file in Path(folder).glob(pattern)}
    return {file.name: sha256(file) for file in sorted(files) if file.name not in leave_out}


def changed_files(
    folder: Path | str, recorded: Mapping[str, str] | None, only: Iterable[str] | None = None
) -> list[str]:
    """Files that are missing, or differ from their recorded checksums.

    Args:
        folder: folder of a run or corpus.
        recorded: SHA-256 by file name; None, or anything without checksums, is not compared.
        only: names to compare; None for all.

    Returns:
        Names of files, in the order of the record.
    """
    if not isinstance(recorded, Mapping):
        return []
    names = [name for name in recorded if only is None or name in only]
    paths = {name: Path(folder) / name for name in names}
    return [
        name for name, path in paths.items() if not path.is_file() or sha256(path) != recorded[name]
    ]


def reason_to_repeat(folder: Path | str, parameters: Mapping[str, Any]) -> str:
    """The reason for which a finished run or corpus does not hold what a profile asks for.

    Args:
        folder: folder of a run, or of a corpus, of whose files the mels are not compared: they
            may have many gigabytes.
        parameters: the parameters that the profile sets; those without a record are ignored.

    Returns:
        A clause for a message; empty if the folder is as it was made, with these parameters, or
        holds nothing that is finished.
    """
    folder = Path(folder)
    if (folder / "run.json").is_file():
        record = read_json(folder / "run.json")
        changed = changed_files(folder, record.get("files"))
    elif (folder / "corpus.json").is_file():
        record = read_json(folder / "corpus.json")
        changed = changed_files(folder, record["sha256"], ["segments.parquet"])
        changed += [name for name in record["sha256"] if not (folder / name).is_file()]
    else:
        return ""
    if changed:
        return f"files were changed or removed after it was made: {', '.join(changed)}"
    made = record["parameters"]
    other = [f"{key}={made[key]!r}" for key in parameters if made.get(key) != parameters[key]
             and key in made]  # fmt: skip
    return f"it was made with {', '.join(other)}" if other else ""
