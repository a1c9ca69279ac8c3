"""Tensor files are read exactly as written, or raise."""

import re

import pytest
import torch

from camil.encoders.hub import read_tensors, write_tensors

TENSORS = {
    "weight": torch.linspace(-1, 1, 300).reshape(20, 15),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "count": torch.tensor(7),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "kept.safetensors"
    write_tensors(path, TENSORS, "thing", {"epoch": 3, "loss": [0.1, float("1e-300")]})
    return path


def test_tensors_and_description_read_back_unchanged(path):
    tensors, description = read_tensors(path, "thing")
    assert description == {"epoch": 3, "loss": [0.1, 1e-300]}
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert torch.equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype


def test_the_same_content_gives_the_same_bytes(path):
    """The checksum of a run's weights therefore tells whether they are the same."""
    description = {"name": "Flöte", "loss": [0.1, float("1e-300")]}
    for _ in range(8):
        again = path.with_name("again.safetensors")
        write_tensors(path, TENSORS, "thing", description)
        write_tensors(again, TENSORS, "thing", description)
        assert path.read_bytes() == again.read_bytes()
        assert read_tensors(again, "thing")[1] == description


def test_every_flipped_bit_raises(path):
    content = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(8, (len(content),), generator=generator).tolist()
    for offset, bit in enumerate(bits):  # one bit of every byte: header, checksum, tensors
        flipped = bytearray(content)
        flipped[offset] ^= 1 << bit
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_tensors(path, "thing")


def test_appended_bytes_raise(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="is damaged"):
        read_tensors(path, "thing")


def test_file_of_another_kind_raises(path):
    with pytest.raises(ValueError, match="is a CAMIL thing, not a CAMIL checkpoint"):
        read_tensors(path, "checkpoint")
