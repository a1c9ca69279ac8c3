"""Archives of run folders in parts, in which equal tensors are stored once.

A classifier contains the weights of its encoder, and a pre-training those of its teacher, so the
safetensors files of a few runs have a fraction of their size when each tensor is stored once.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

PART = 15_000_000  # bytes; the size of a part
INDEX = "index.json"  # for each file, the checksums of its chunks


def pack(files: Iterable[Path], folder: Path, name: str) -> None:
    """Write files as ``<name>.zip.00``, ``.01`` ..., instead of an earlier archive of the name.

    Args:
        files: paths relative to the current folder.
        folder: folder of the archive.
        name: name of the archive; without files there is none.
    """
    for part in folder.glob(f"{name}.zip.??"):
        part.unlink()
    index: dict[str, list[str]] = {}
    stored: set[str] = set()
    with tempfile.TemporaryFile() as whole:
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in files:
                chunks = list(_chunks(file))
                for checksum, content in chunks:
                    if checksum not in stored:
                        archive.writestr(checksum, content)
                        stored.add(checksum)
                index[file.as_posix()] = [checksum for checksum, _ in chunks]
            archive.writestr(INDEX, json.dumps(index))
        whole.seek(0)
        parts = iter(lambda: whole.read(PART), b"")
        for number, content in enumerate(parts if index else ()):
            (folder / f"{name}.zip.{number:02}").write_bytes(content)


def unpack(folder: Path) -> None:
    """Unpack all archives of a folder into the current folder, in the order of their names."""
    for name in sorted({part.stem for part in folder.glob("*.zip.??")}):
        with tempfile.TemporaryFile() as whole:
            for part in sorted(folder.glob(f"{name}.??")):
                whole.write(part.read_bytes())
            with zipfile.ZipFile(whole) as archive:
                for path, checksums in json.loads(archive.read(INDEX)).items():
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                    Path(path).write_bytes(b"".join(map(archive.read, checksums)))


def chunk_sizes(files: Iterable[Path]) -> dict[str, int]:
    """Bytes of each chunk that an archive of these files has to store, by its checksum."""
    return {checksum: len(content) for file in files for checksum, content in _chunks(file)}


def _chunks(file: Path) -> Iterator[tuple[str, bytes]]:
    """The parts of a file with their checksums: of safetensors, the header and each tensor."""
    content, ends = file.read_bytes(), []
    if file.suffix == ".safetensors":
        begin = 8 + int.from_bytes(content[:8], "little")
        tensors = json.loads(content[8:begin])
        offsets = [about["data_offsets"][1] for key, about in tensors.items() if key[:2] != "__"]
        ends = [begin, *sorted(begin + end for end in offsets)]
    edges = sorted({0, *ends, len(content)})
    for start, end in pairwise(edges):
        yield hashlib.sha256(content[start:end]).hexdigest(), content[start:end]
