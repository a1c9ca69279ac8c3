"""Shared encoders load unchanged and have a model card."""

import json

import pytest
import torch
from huggingface_hub import ModelCard

import camil
from camil.encoders.hub import save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.workbook.cards import model_card, share, song_card

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


def test_shared_encoder_is_unchanged_and_has_a_card(tmp_path, encoder):
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
    for expected in (
        "demo",
        "0123abcd",
        "CC BY 4.0",
        "70 train, 15 test",
        "0.6236",
        "F1 of Guitar",
    ):
        assert expected in card
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == encoder.config


def test_sharing_again_replaces_the_card(tmp_path, encoder):
    share(encoder, tmp_path, RECORD)
    assert "Not classified yet." in (tmp_path / "README.md").read_text()
    share(encoder, tmp_path, RECORD, scores=SCORES)
    assert "0.6236" in (tmp_path / "README.md").read_text()


def test_from_pretrained_reads_the_folder_of_a_run(tmp_path, encoder):
    audio = AudioEncoder(4, 10, 8).eval()
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    save_encoder(tmp_path / "audio_encoder.safetensors", audio)
    x, y = torch.rand(1, 2, 84, 192), torch.rand(1, 1, 128, 282)
    assert torch.equal(MIDIEncoder.from_pretrained(tmp_path)(x), encoder(x))
    assert torch.equal(AudioEncoder.from_pretrained(tmp_path)(y), audio(y))


def test_encoder_of_another_kind_or_damaged_raises(tmp_path, encoder):
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="contains a MIDIEncoder, not a AudioEncoder"):
        AudioEncoder.from_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        MIDIEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["runs/no/such-run/model", "/no/such/folder", "somebody/nothing"])
def test_missing_folder_raises_with_its_path(name):
    """Two paths that are not ids of the Hub, and one that could be but is in no cache."""
    with pytest.raises(FileNotFoundError, match=f"no folder {name}, and .*check the path or the"):
        MIDIEncoder.from_pretrained(name, local_files_only=True)


def test_card_has_the_metadata_header_and_the_instruments_of_the_run():
    table = InstrumentTable("two", FAMILIES[:2])
    text = model_card(RECORD | {"instruments": table.to_json()}, {})
    header, body = ModelCard(text).data, ModelCard(text).text
    assert header.library_name == "camil"
    assert "midi" in header.tags
    assert "- instruments: Guitar, Piano\n" in body
    assert "`nowhere`" not in text
    assert "- instruments: " + ", ".join(FAMILIES.names) in model_card(RECORD, {})


def test_song_card_has_the_scores_of_each_level():
    levels = {level: {"macro_f1": 0.5, "track_macro_f1": 0.75} for level in ("segment", "song")}
    source = {"licence": ["CC0", "CC BY 4.0"], "origins": ["a", "b"]}
    text = song_card(RECORD, source, {"train": 7, "test": 3}, levels)
    assert "| the song | 0.500 | 0.750 |" in text
    assert "among 8 classes: Guitar, Piano" in text
    assert "10 songs: 7 train, 3 test" in text
    assert "CC0, CC BY 4.0" in text
