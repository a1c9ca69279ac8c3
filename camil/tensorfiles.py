"""Named tensors and a JSON description in one safetensors file, with a checksum of every byte.

The file appears whole or not at all, a single flipped bit is noticed, and reading one never runs
code from it.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

# Written with zeros for its value, hashed so, and the zeros then replaced: all bytes count.
CHECKSUM = re.compile(rb'"camil\.sha256":"([0-9a-f]{64})"')
NO_CHECKSUM = "0" * 64


def write_tensors(path: Path, tensors: dict[str, Tensor], kind: str, description: Any) -> None:
    """Write tensors and what they are.

    Args:
        kind: what the file holds, one word; `read_tensors` asks for the same.
        description: anything that JSON knows.

    Raises:
        FileNotFoundError: if the folder does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: create the folder {path.parent} first")
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    metadata = {
        "format": "pt",
        f"camil.{kind}": json.dumps(description),
        "camil.sha256": NO_CHECKSUM,
    }
    content = safetensors.torch.save(tensors, metadata)
    place = CHECKSUM.search(content).span(1)
    digest = hashlib.sha256(content).hexdigest().encode()
    # A run killed while writing must not leave half a file under the final name.
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("wb") as file:
            for part in (content[: place[0]], digest, content[place[1] :]):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], Any]:
    """Read what `write_tensors` has written: the tensors, on the CPU, and their description.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, of another kind, or not of CAMIL.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {kind} file {path}: check the path, or train a run that writes it"
        )
    content = path.read_bytes()
    intact = _intact(content)
    try:
        metadata = _metadata(content)
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged or not a safetensors file ({error}): "
            "copy it again, or train the run again"
        ) from error
    if intact is False:
        raise ValueError(
            f"{path} is damaged (its bytes do not fit its checksum): "
            "copy it again, or train the run again"
        )
    if f"camil.{kind}" not in metadata:
        names = sorted(metadata.keys() - {"camil.sha256"})
        kinds = [name.removeprefix("camil.") for name in names if name.startswith("camil.")]
        found = f"a CAMIL {kinds[0]}" if kinds else "a safetensors file of another program"
        raise ValueError(f"{path} is {found}, not a CAMIL {kind}: name a file of the right kind")
    if intact is None:
        raise ValueError(
            f"{path} has no checksum: it is damaged or from another version of CAMIL; "
            "train the run again"
        )
    return tensors, json.loads(metadata[f"camil.{kind}"])


def _intact(content: bytes) -> bool | None:
    """Whether a file's bytes fit its checksum; None where it has none."""
    header = 8 + int.from_bytes(content[:8], "little")
    found = CHECKSUM.search(content, 0, min(header, len(content)))
    if not found:
        return None
    digest = hashlib.sha256(content[: found.start(1)])
    digest.update(NO_CHECKSUM.encode())
    digest.update(memoryview(content)[found.end(1) :])
    return digest.hexdigest().encode() == found[1]


def _metadata(content: bytes) -> dict[str, str]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header.get("__metadata__", {})


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, which is taken off."""
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }


def is_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether no tensor holds NaN or infinity."""
    return all(bool(torch.isfinite(value).all()) for value in tensors.values())


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """While a network is built from what a file's header says and given the file's tensors.

    Raises:
        ValueError: if they do not belong together.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} does not fit the network its header describes: it is damaged or from another "
            "version of CAMIL; train the run again"
        ) from error
