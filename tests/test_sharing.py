"""An encoder given to others comes back the same and says what it was made from."""

import json

import pytest
import torch

import camil
from camil.encoders.hub import save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.workbook.cards import share

RECORD = {
    "parameters": {"objective": "contrastive", "negatives": "class", "seed": 3},
    "corpus": {"folder": "nowhere", "source": "demo", "sha256": "0123abcd"},
    "commit": "abcdef",
    "device": "cpu",
    "versions": {"torch": "2.15.0"},
}
SCORES = {"macro_f1": 0.6236, "accuracy": 0.7, "per_class_f1": {"Guitar": 0.5}}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return MIDIEncoder(4, 10, 8, channels=2, normalize=True, strides=(1, 2, 2, 2)).eval()


def test_a_shared_encoder_is_the_same_and_has_its_card(tmp_path, encoder):
    (tmp_path / "corpus").mkdir()
    info = {"source": {"licence": ["CC BY 4.0"], "note": "not the paper's data"}}
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(info))
    record = RECORD | {"corpus": RECORD["corpus"] | {"folder": str(tmp_path / "corpus")}}
    songs = {"train": 70, "test": 15}
    share(encoder, tmp_path / "model", record, songs=songs, scores=SCORES)
    loaded = camil.MIDIEncoder.from_pretrained(tmp_path / "model")
    x = torch.rand(2, 2, 84, 192)
    assert torch.equal(loaded(x), encoder(x))
    assert not loaded.training
    card = (tmp_path / "model" / "README.md").read_text()
    for told in ("demo", "0123abcd", "CC BY 4.0", "70 train, 15 test", "0.6236", "F1 of Guitar"):
        assert told in card
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == encoder.config


def test_a_second_card_replaces_the_first(tmp_path, encoder):
    share(encoder, tmp_path, RECORD)
    assert "Not classified yet." in (tmp_path / "README.md").read_text()
    share(encoder, tmp_path, RECORD, scores=SCORES)
    assert "0.6236" in (tmp_path / "README.md").read_text()


def test_the_folder_of_a_run_is_as_good(tmp_path, encoder):
    audio = AudioEncoder(4, 10, 8).eval()
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    save_encoder(tmp_path / "audio_encoder.safetensors", audio)
    x, y = torch.rand(1, 2, 84, 192), torch.rand(1, 1, 128, 282)
    assert torch.equal(MIDIEncoder.from_pretrained(tmp_path)(x), encoder(x))
    assert torch.equal(AudioEncoder.from_pretrained(tmp_path)(y), audio(y))


def test_a_shared_encoder_of_another_kind_or_damaged_is_refused(tmp_path, encoder):
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a MIDIEncoder, not a AudioEncoder"):
        AudioEncoder.from_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        MIDIEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["runs/no/such-run/model", "/no/such/folder", "somebody/nothing"])
def test_a_folder_that_is_missing_is_named_with_what_to_do(name):
    """Two that cannot be ids of the Hub, and one that could but is in no cache of it."""
    with pytest.raises(FileNotFoundError, match=f"no folder {name}, and .*check the path or the"):
        MIDIEncoder.from_pretrained(name, local_files_only=True)
