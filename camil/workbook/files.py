"""Read and write files; writes of regular files are atomic."""

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path | str, text: str) -> None:
    """Write a text as UTF-8, with line ends as they are; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write a file completely or not at all; its folder is created.

    Symbolic links are followed. What exists and is no regular file, such as a pipe, is written in
    place.

    Raises:
        IsADirectoryError: if the path is a folder.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file to write.")
    if _is_special(path):
        path.write_bytes(data)
        return
    path = path.resolve()  # else the link would be replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(path: Path | str) -> None:
    """Check that `write_text` can write a file, before its content is computed.

    Raises:
        PermissionError: if the file, or its folder, is not writable.
        NotADirectoryError: if the folder of the file cannot be a folder.
    """
    path = Path(path)
    if _is_special(path):
        written = path
    else:
        written = next(one for one in path.resolve().parents if os.path.exists(one))
        if not written.is_dir():
            raise NotADirectoryError(f"{path} cannot be written: {written} is not a folder.")
    if not os.access(written, os.W_OK):
        raise PermissionError(f"{path} cannot be written: no permission to write to {written}.")


def _is_special(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def write_json(path: Path | str, content: Any) -> None:
    """Write a JSON file completely or not at all; its folder is created."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not JSON, with its path.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}); make it again.") from None
