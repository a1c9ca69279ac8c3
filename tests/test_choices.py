"""Notebooks 02 and 03 with every value of their choices, run at a tiny size."""

import json

import pytest
from notebook_runs import run_notebook

from camil.encoders.song_ensemble import load_songs
from camil.labelling.networks import load_labeller
from camil.midi.instruments import INSTRUMENTS
from camil.workbook.files import read_json


@pytest.fixture(scope="module")
def aic(tiny_corpus, tmp_path_factory):
    """An audio classifier, as pre-trained encoder or teacher."""
    run = str(tmp_path_factory.mktemp("aic"))
    run_notebook("03_classify", corpus=str(tiny_corpus), run=run, modality="audio")
    return run


@pytest.mark.parametrize(
    "choice",
    [
        {"objective": "triplet", "negatives": "class", "margin": 0.3},
        {"objective": "triplet", "mining": "hardest", "memory_bank": 40},
        {"mining": "semi-hard", "negatives": "class", "memory_bank": 40},
        {"objective": "infonce", "projection": 8},
        {"objective": "infonce", "negatives": "class", "temperature": 0.2},
        {"objective": "sigmoid", "schedule": "warmup", "normalize": False},
        {"objective": "supcon", "negatives": "class", "onsets": True, "velocity": True},
        {"transpose": 3, "note_dropout": 0.2, "tempo_jitter": 0.1, "velocity_jitter": 0.2},
    ],
    ids=str,
)
def test_pre_training_from_scratch(tiny_corpus, tmp_path, choice):
    run_notebook("02_pretrain", corpus=str(tiny_corpus), run=str(tmp_path), **choice)
    assert_finished(tmp_path, choice)


@pytest.mark.parametrize(
    "choice",
    [
        {"negatives": "class"},
        {"negatives": "class", "train_audio": True, "projection": 8},
        {"objective": "distill", "softness": 2.0},
        {"objective": "distill-embedding"},
        {"objective": "distill-clusters"},
        {"negatives": "class", "leave_out_programs": [0, 33]},
    ],
    ids=str,
)
def test_pre_training_from_an_audio_classifier(tiny_corpus, tmp_path, aic, choice):
    before = read_json(f"{aic}/run.json")
    ran = run_notebook(
        "02_pretrain", corpus=str(tiny_corpus), run=str(tmp_path), pretrained_audio=aic, **choice
    )
    assert_finished(tmp_path, choice)
    moved = any(p.grad is not None for p in ran["audio_encoder"].parameters())
    assert moved == choice.get("train_audio", False)
    assert read_json(f"{aic}/run.json") == before


@pytest.mark.parametrize("imbalance", ["weights", "balanced", "logit-adjustment"])
def test_classification_with_each_imbalance(tiny_corpus, tmp_path, imbalance):
    run_notebook("03_classify", corpus=str(tiny_corpus), run=str(tmp_path), imbalance=imbalance)
    assert_finished(tmp_path, {"imbalance": imbalance})
    assert 0 <= read_json(tmp_path / "metrics.json")["macro_f1"] <= 1


def assert_finished(run, choice):
    record = read_json(run / "run.json")
    assert choice.items() <= record["parameters"].items()
    (line,) = (run / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["train_loss"] > 0


def test_songs_with_parts_of_no_instrument_and_trees(tiny_corpus, tmp_path):
    """Reeds take the part of the class that is read, but not predicted."""
    run = tmp_path / "songs"
    tiny = {"width": 4, "size": 8, "epochs": 1, "batch_size": 4, "device": "cpu"}
    choice = {"other": "Reed", "trees": True}
    ran = run_notebook("11_songs", tiny, corpus=str(tiny_corpus), run=str(run), **choice)
    ensemble = load_songs(run / "songs.safetensors")
    assert set(ensemble.classes) == set(INSTRUMENTS) - {"Reed"}
    assert ensemble.other
    assert set(ensemble.trees) == {"segment", "track", "song"}
    predicted = ran["predictions"]["song"]
    assert "Reed" not in set(predicted["instrument"])
    assert "p_Reed" not in predicted
    assert load_labeller(run).instruments.of_program(64) is None
    # Every test part of Reed is scored as a part of no instrument.
    table = ran["data"].table
    reeds = table[(table["split"] == "test") & (table["instrument"] == "Reed")]
    count = len(reeds.drop_duplicates(["song", "track"]))
    assert ran["metrics"]["song"]["other"]["tracks"] == count
