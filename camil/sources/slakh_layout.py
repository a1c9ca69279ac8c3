"""Files of a Slakh data set: the metadata of its tracks."""

import re
from pathlib import Path
from typing import Any

import yaml


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
