"""Files of a Slakh data set: the folders of its tracks and their metadata."""

import re
from pathlib import Path
from typing import Any

import yaml

from camil.sources.protocol import SPLITS


def track_folders(folder: Path) -> list[Path]:
    """The folders ``TrackNNNNN`` in a folder and in the folders below it, sorted by name.

    Raises:
        ValueError: if the folder is missing, contains no such folder, or two of the same name.
    """
    if not folder.is_dir():
        raise ValueError(f"the Slakh folder {folder} does not exist; check the path")
    found: dict[str, Path] = {}
    for path in sorted([*folder.glob("Track[0-9]*"), *folder.glob("*/Track[0-9]*")]):
        if not re.fullmatch(r"Track\d+", path.name):
            continue
        if path.name in found:
            raise ValueError(
                f"the Slakh folder {folder} contains {path.name} twice, {found[path.name]} and "
                f"{path}; remove one of them or name the folder of one data set"
            )
        found[path.name] = path
    if not found:
        raise ValueError(
            f"the folder {folder} contains no TrackNNNNN folder, neither directly nor one folder "
            f"below, as in {', '.join(SPLITS)}"
        )
    return [found[name] for name in sorted(found)]


def lakh_file(path: Path) -> str | None:
    """The MD5 of a track's Lakh file; None if it is not stated."""
    # Read without parsing the YAML, as it is needed for every song.
    try:
        found = re.search(r"^UUID:\s*(\w+)", (path / "metadata.yaml").read_text(), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return None
    return found and found[1]


def stems_of(path: Path) -> dict[str, Any]:
    """The stems of a track by name, as its ``metadata.yaml`` describes them, not checked.

    Raises:
        ValueError: if the file cannot be read or lists no stems.
    """
    try:
        with open(path / "metadata.yaml", encoding="utf-8") as file:
            stems = yaml.safe_load(file)["stems"]
        return {str(name): about for name, about in stems.items()}  # YAML reads 0 as a number
    except OSError as error:
        raise ValueError(f"{path.name} has no readable metadata.yaml") from error
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the metadata.yaml of {path.name} lists no stems") from error
