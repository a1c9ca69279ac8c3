"""The benchmarks run through at a tiny size, and count what they say they count."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import f1_score
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import training, tuning
from benchmarks.elsewhere import read_elsewhere
from benchmarks.floor import floor, multiplications
from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.classifier import Classifier
from camil.encoders.hub import save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.encoders.song import SongEncoder, SongEnsemble
from camil.midi.instruments import INSTRUMENTS

PROJECT = Path(__file__).parent.parent
# Of what CAMIL needs, a machine that is only meant for PyTorch has all but these.
NOT_EVERYWHERE = ("mido", "pretty_midi", "librosa", "soundfile", "tinysoundfont", "papermill")
NOT_EVERYWHERE += ("lightning_fabric", "seaborn", "umap")


@pytest.mark.parametrize("kind", [MIDIEncoder, AudioEncoder])
def test_the_operations_counted_are_those_torch_counts(kind):
    encoder = kind(8, 18).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 1, *encoder.input_shape))
    assert 2 * sum(multiplications(encoder).values()) == counter.get_total_flops()


def test_the_floor_grows_with_the_square_of_the_width():
    assert 3 < floor(32)["gflop_per_pair"] / floor(16)["gflop_per_pair"] < 4


@pytest.mark.parametrize("kind", [MIDIEncoder, AudioEncoder])
def test_a_step_takes_the_operations_that_torch_counts_forward_and_backward(kind):
    encoder = kind(8, 18)
    images = torch.zeros(2, 1, *encoder.input_shape)
    with FlopCounterMode(display=False) as counter:
        encoder(images).sum().backward()
    counts = multiplications(encoder)
    passes = 3 * sum(counts.values()) - counts["conv1"]  # the input needs no gradient
    assert 2 * 2 * passes == counter.get_total_flops()


def test_the_training_benchmark_compares_all_ways_and_says_where(tmp_path):
    tiny = "--width 2 --depth 10 --batch-size 8 --segments 64 --steps 1 --turns 1 --workers 0"
    output = tmp_path / "training.json"
    training.main([*tiny.split(), "--output", str(output)])
    results = json.loads(output.read_text())
    assert results["errors"] == {}
    rate = results["pairs_per_second"]
    asked = {"camil / bare step", "camil / usual loop", "bfloat16", "channels_last"}
    assert asked < results["ratios"].keys()
    assert results["ratios"]["camil / usual loop"] == rate["camil"] / rate["usual loop"]
    text = output.with_suffix(".md").read_text()
    for told in (results["commit"], results["versions"]["torch"], results["device"], "GFLOP"):
        assert told in text


def test_the_gpu_script_runs_through_on_a_cpu_with_pytorch_and_little_else(tmp_path):
    output = tmp_path / "gpu.json"
    without = f"import sys; sys.modules.update(dict.fromkeys({NOT_EVERYWHERE})); "
    command = ["--small", "--device", "cpu", "--output", str(output)]
    run = f"from benchmarks import gpu; gpu.main({command})"
    subprocess.run([sys.executable, "-c", without + run], cwd=PROJECT, check=True, timeout=300)
    results = json.loads(output.read_text())
    parts = [part for part in results.values() if isinstance(part, dict)]
    assert not [part["error"] for part in parts if "error" in part]
    assert results["against_the_usual_loop"]["errors"] == {}
    assert results["same_as_on_the_cpu"]["augmented_rolls_equal"]
    assert results["interrupted"]["same_bits"]
    assert all(finite for _, finite in results["losses_in_half_precision"].values())
    assert results["summary"]["camil / convolutions alone"] > 0
    assert "No part failed." in output.with_suffix(".md").read_text()


def test_elsewhere_counts_segments_and_tracks_once(tiny_corpus):
    """A network that knows nothing, on a corpus it was not trained on: what it says, counted."""
    torch.manual_seed(0)
    ensemble = SongEnsemble([SongEncoder(INSTRUMENTS, width=8, size=16)], 2).eval()
    found = read_elsewhere(ensemble, tiny_corpus)
    table = pd.read_parquet(tiny_corpus / "segments.parquet")
    tracks = table.drop_duplicates(["song", "track"])
    assert [found[level]["rows"] for level in found] == [len(table), len(tracks), len(tracks)]
    songs = Songs(pq.read_table(tiny_corpus / "segments.parquet"))
    reading = ensemble(songs.batch(torch.arange(len(songs))))
    said = [INSTRUMENTS[number] for number in reading.song.argmax(1)]
    right = np.array(said) == tracks["instrument"].to_numpy()
    assert found["song"]["accuracy"] == pytest.approx(right.mean())
    assert 0 <= found["song"]["sure"] <= 1


def test_tuning_gives_both_conditions_the_same_trials_and_no_test_song(
    tiny_corpus, tmp_path, monkeypatch
):
    asked, rows = set(), Corpus.rows

    def noting(self, split, *more):
        asked.add(split)
        return rows(self, split, *more)

    monkeypatch.setattr(Corpus, "rows", noting)
    monkeypatch.setattr(tuning, "LEARNING_RATES", (0.001, 0.01))
    save_encoder(tmp_path / "encoder.safetensors", AudioEncoder(2, 10))
    output = tmp_path / "tuning.json"
    tiny = ["--width", "2", "--epochs", "1", "--output", str(output)]
    tuning.main([str(tiny_corpus), str(tmp_path), *tiny])
    trials = json.loads(output.read_text())["trials"]
    assert len(trials) == 2 * len(tuning.CHANGES)
    assert asked == {"train", "validation"}
    assert "| CAMIL |" in " ".join(output.with_suffix(".md").read_text().split())


def test_a_trial_is_scored_by_macro_f1_on_the_validation_songs(tiny_corpus):
    torch.manual_seed(0)
    data, classifier = Corpus(tiny_corpus), Classifier(MIDIEncoder(2, 10), INSTRUMENTS).eval()
    rows = torch.from_numpy(np.flatnonzero(data.table["split"] == "validation"))
    with torch.no_grad():
        said = [INSTRUMENTS[number] for number in classifier(data.rolls(rows)).argmax(1)]
    true = data.table["instrument"].iloc[rows.numpy()]
    expected = f1_score(true, said, average="macro", labels=true.unique(), zero_division=0)
    assert tuning.validation_f1(data, classifier) == pytest.approx(expected)
