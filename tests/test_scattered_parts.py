"""Tests of the measurement of scattered parts, on the demo's songs."""

import json

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from register_labeller import ByRegister

from benchmarks import scattered_parts


@pytest.fixture
def folder(tmp_path):
    """Three songs of a bass, a flute and drums, two in the split "test"."""
    for number in range(3):
        midi, rng = pretty_midi.PrettyMIDI(initial_tempo=120), np.random.default_rng(number)
        bass, flute = (pretty_midi.Instrument(program) for program in (33, 73))
        drums = pretty_midi.Instrument(0, is_drum=True)
        roots = rng.choice([0, 5, 7, 9], size=16).tolist()
        for beat in range(64):
            root, at = roots[beat // 4], beat / 2
            bass.notes.append(pretty_midi.Note(90, 36 + root, at, at + 0.2 + 0.2 * (beat % 2)))
            flute.notes.append(pretty_midi.Note(80, 72 + root + beat % 3 * 4, at, at + 0.4))
            for pitch in (42, 36 if beat % 2 else 38):
                drums.notes.append(pretty_midi.Note(80, pitch, at, at + 0.05))
        midi.instruments = [bass, flute, drums]
        midi.write(str(tmp_path / f"{number}.mid"))
    manifest = {"path": ["0.mid", "1.mid", "2.mid"], "split": ["test", "train", "test"]}
    pd.DataFrame(manifest).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def test_report_has_merging_drums_and_labels_of_three_groupings(folder, monkeypatch):
    monkeypatch.setattr(scattered_parts, "load_labeller", lambda name: ByRegister())
    report = scattered_parts.measure(folder, "test", 2, "")
    scattered = report["scattered"]
    assert scattered["pitched_parts"] == 4
    assert scattered["pairs_joined_wrongly"] == 0
    assert scattered["drums"]["auc"] == 1
    assert list(scattered["labels_by_note"]) == [
        "before merging", "proposed merging", "true grouping",
    ]  # fmt: skip
    assert scattered["labels_by_note"]["true grouping"] == {"accuracy": 1, "macro_f1": 1}
    assert report["whole parts"]["pitched_tracks"] == report["whole parts"]["pitched_parts"] == 2
    assert report["whole parts"]["pairs_joined_wrongly"] == 0
    json.dumps(report)


def test_songs_are_scattered_alike_whatever_the_range(folder):
    together = list(scattered_parts.songs(folder, "test", 0, 2))
    second = list(scattered_parts.songs(folder, "test", 1, 2))
    assert together[1].data == second[0].data
