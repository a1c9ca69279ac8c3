"""Files of networks: safetensors with a checksum, and the Hugging Face Hub.

A file holds named tensors and a JSON description that says how to rebuild the network. It appears
complete or not at all, a single flipped bit is detected, and reading one never runs code from it.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError
from torch import Tensor, nn

# The file is hashed with zeros as the value of this key, which the digest then replaces.
CHECKSUM = re.compile(rb'"camil\.sha256":"([0-9a-f]{64})"')
NO_CHECKSUM = "0" * 64
# File name of the encoder of each modality in a run; "" is a class without a modality.
FILE_OF_RUN = {
    "midi": "encoder.safetensors",
    "audio": "audio_encoder.safetensors",
    "": "encoder.safetensors",
}


def write_tensors(path: Path, tensors: dict[str, Tensor], kind: str, description: Any) -> None:
    """Write tensors and their description; the same content gives the same bytes.

    Args:
        kind: type of the content, one word; `read_tensors` requires the same.
        description: JSON-serializable description of the tensors.

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
    content = _with_sorted_metadata(safetensors.torch.save(tensors, metadata))
    span = CHECKSUM.search(content).span(1)
    digest = hashlib.sha256(content).hexdigest().encode()
    # A run killed while writing must not leave half a file under the final name.
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("wb") as file:
            for part in (content[: span[0]], digest, content[span[1] :]):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same file with its metadata in alphabetical order; safetensors writes them in any."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight bytes
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(content)[end:]])


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], Any]:
    """Read a file of `write_tensors`: the tensors, on the CPU, and their description.

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
            f"{path} is damaged (checksum mismatch): copy it again, or train the run again"
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
    """Whether the bytes match the checksum; None if the file has none."""
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
    """The tensors whose names begin with a prefix, without the prefix."""
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }


def is_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether no tensor contains NaN or infinity."""
    return all(bool(torch.isfinite(value).all()) for value in tensors.values())


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn errors while rebuilding a network from a file into one that names the file.

    Raises:
        ValueError: if header and tensors do not match.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} does not match the network that its header describes: it is damaged or from "
            "another version of CAMIL; train the run again"
        ) from error


class Encoder(nn.Module, PyTorchModelHubMixin, library_name="camil"):
    """A network from images to embeddings that can be saved, loaded and shared.

    A subclass sets ``config`` in its constructor: the arguments that build the same network again,
    as JSON. Files name the class, so an encoder defined outside camil is loaded as well once its
    module has been imported.

    Attributes:
        config: the constructor's arguments, among them ``embedding``, ``channels`` and
            ``normalize``.
        modality: "midi" for piano rolls, "audio" for mel-spectrograms.
        input_shape: height and width of the input.
    """

    config: dict[str, Any]
    modality: str = ""
    input_shape: tuple[int, int] = (0, 0)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_encoder(save_directory / SAFETENSORS_SINGLE_FILE, self)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options) -> "Encoder":
        """Load an encoder from a folder, or from the Hugging Face Hub by its id.

        Args:
            pretrained_model_name_or_path: a folder written by `save_pretrained` or by a run, or
                ``user/name``.
            options: options of `huggingface_hub.ModelHubMixin`, for example ``revision`` or
                ``local_files_only``.

        Returns:
            The encoder, on the CPU and in evaluation mode.

        Raises:
            FileNotFoundError: if neither the folder nor the Hub repository exists.
            ValueError: if the file is damaged or holds an encoder of another kind.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **options)
        except (EntryNotFoundError, HfHubHTTPError, HFValidationError) as error:
            reason = str(error).strip().splitlines()[0]
            raise FileNotFoundError(
                f"there is no folder {pretrained_model_name_or_path}, and the Hugging Face Hub "
                f"has no encoder of that name ({reason}): check the path or the id, or train a "
                "run that writes it"
            ) from None

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **source) -> "Encoder":
        folder = Path(model_id)
        if folder.is_dir():
            files = (folder / SAFETENSORS_SINGLE_FILE, folder / FILE_OF_RUN[cls.modality])
            path = next((file for file in files if file.is_file()), files[0])
        else:
            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            given = {name: source[name] for name in known if name in source}
            path = Path(hf_hub_download(model_id, SAFETENSORS_SINGLE_FILE, **given))
        return load_encoder(path, cls)

    def generate_model_card(self, text: str | None = None) -> ModelCard:
        """The card that `save_pretrained` writes; `camil.workbook.cards` writes a complete one."""
        return ModelCard(text or f"---\nlibrary_name: camil\n---\n# {type(self).__name__}\n")


def save_encoder(path: str | Path, encoder: Encoder) -> None:
    """Write an encoder for `load_encoder`; the file appears complete or not at all.

    Raises:
        FileNotFoundError: if the folder does not exist.
    """
    write_tensors(Path(path), encoder.state_dict(), "encoder", description_of(encoder))


def load_encoder(
    path: str | Path, kind: type[Encoder] = Encoder, modality: str = "", embedding: int = 0
) -> Encoder:
    """Read an encoder, on the CPU and in evaluation mode.

    Args:
        kind: the required class, for example `MIDIEncoder`.
        modality: the required modality, "midi" or "audio"; "" accepts both.
        embedding: the required size of its embedding; 0 accepts any.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is not an encoder of CAMIL, or has another class,
            modality or size.
    """
    tensors, description = read_tensors(Path(path), "encoder")
    encoder = rebuild(Path(path), tensors, lambda: encoder_from(description))
    if not isinstance(encoder, kind):
        raise ValueError(f"{path} contains a {type(encoder).__name__}, not a {kind.__name__}")
    if modality and encoder.modality != modality:
        raise ValueError(f"{path} contains an encoder of {encoder.modality}, not of {modality}")
    if embedding and encoder.config["embedding"] != embedding:
        size = encoder.config["embedding"]
        raise ValueError(f"{path} has embeddings of size {size}: set embedding to {size}")
    return encoder


def description_of(encoder: Encoder) -> dict[str, Any]:
    """Class name and arguments of an encoder, as JSON; the input of `encoder_from`."""
    return {"class": type(encoder).__name__, "config": encoder.config}


def encoder_from(description: dict[str, Any]) -> Encoder:
    """Build an encoder from its description, with new weights."""
    if description["class"] not in _subclasses(Encoder):
        for point in entry_points(group="camil.encoders"):  # importing one defines its classes
            point.load()
    return _subclasses(Encoder)[description["class"]](**description["config"])


def rebuild(path: Path, tensors: dict[str, Tensor], build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network and give it the tensors of a file, in evaluation mode.

    Raises:
        ValueError: if the tensors do not fit the network.
    """
    with fitting(path):
        # On the meta device no initial weights are drawn: loading leaves the random state unchanged
        # and a header cannot claim more memory than the file's tensors need.
        with torch.device("meta"):
            module = build()
        module.load_state_dict(tensors, assign=True)
    return module.eval()


def _subclasses(top: type[Encoder]) -> dict[str, type[Encoder]]:
    kinds = {top.__name__: top}
    for below in top.__subclasses__():
        kinds |= _subclasses(below)
    return kinds
