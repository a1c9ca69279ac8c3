"""Tests of the instrument tables of labellers."""

import pytest
import torch

from camil import load_labeller
from camil.encoders import Classifier, MIDIEncoder, save_classifier
from camil.encoders.song import SongEncoder
from camil.encoders.song_ensemble import SongEnsemble, save_songs
from camil.midi.instruments import FAMILIES, InstrumentClass, InstrumentTable

TABLE = InstrumentTable(
    "two families",
    [
        InstrumentClass("Winds", tuple(range(64, 80)), 73, "#112233"),
        InstrumentClass("Keys", tuple(range(0, 24)), 0, "#445566"),
    ],
)


def save(folder, kind, classes, recorded):
    torch.manual_seed(0)
    if kind == "classifier":
        classifier = Classifier(MIDIEncoder(2, 10, 4), classes, instruments=recorded)
        save_classifier(folder / "classifier.safetensors", classifier)
    else:
        ensemble = SongEnsemble([SongEncoder(classes, 8, 8)], 4, recorded)
        save_songs(folder / "songs.safetensors", ensemble)


@pytest.mark.parametrize("kind", ["classifier", "songs"])
def test_labeller_has_the_recorded_instrument_table(tmp_path, kind):
    save(tmp_path, kind, TABLE.names, TABLE.to_json())
    labeller = load_labeller(tmp_path)
    assert labeller.classes == TABLE.names
    assert labeller.instruments == TABLE
    assert labeller.instruments.colours == {"Winds": "#112233", "Keys": "#445566"}


@pytest.mark.parametrize("kind", ["classifier", "songs"])
def test_labeller_without_a_table_has_the_default_families(tmp_path, kind):
    save(tmp_path, kind, FAMILIES.names, None)
    assert load_labeller(tmp_path).instruments == FAMILIES


@pytest.mark.parametrize("recorded", [None, FAMILIES.to_json()])
def test_classes_without_their_table_raise_value_error(tmp_path, recorded):
    save(tmp_path, "classifier", TABLE.names, recorded)
    with pytest.raises(ValueError, match="classes Winds, Keys"):
        load_labeller(tmp_path)


def test_included_labellers_load_by_default_and_by_name():
    default, permissive = load_labeller(), load_labeller("permissive")
    assert default.classes == permissive.classes == FAMILIES.names
    assert len(default.ensemble.members) == 1
    assert len(permissive.ensemble.members) == 3
