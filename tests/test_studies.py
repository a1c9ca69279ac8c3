"""The studies 13 to 15 and 17: their notebooks on a tiny corpus, and their functions."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from notebook_runs import execute
from sklearn.metrics import f1_score

from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.classifier import Classifier
from camil.encoders.hub import save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.encoders.song import SongEncoder
from camil.encoders.song_ensemble import SongEnsemble, load_songs, save_songs
from camil.evaluation.other_collections import (
    collections_of,
    predictions_per_level,
    scores_with_confidence,
)
from camil.evaluation.song_study import (
    SongData,
    train_song_encoder,
    without_features,
    without_notes,
)
from camil.evaluation.tuning import CONDITIONS, trial, validation_f1
from camil.midi.instruments import INSTRUMENTS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ensemble():
    """An untrained network."""
    torch.manual_seed(0)
    return SongEnsemble([SongEncoder(INSTRUMENTS, width=8, size=16)], 2).eval()


def results_of(notebook, folder, **parameters) -> dict:
    """Run a notebook through Papermill; returns the content of its JSON results."""
    parameters |= {"output": str(folder / "results"), "device": "cpu"}
    execute(notebook, folder, parameters, runner="papermill")
    assert (folder / "results.md").read_text().startswith("|")
    return json.loads((folder / "results.json").read_text())


def test_ablation_notebook_scores_every_ingredient_at_every_level(tiny_corpus, tmp_path):
    results = results_of("13_ablation", tmp_path, corpus=str(tiny_corpus), epochs=1)
    rows = {name: pd.DataFrame(scores).mean() for name, scores in results["macro_f1"].items()}
    table = pd.DataFrame(rows)
    assert table.shape == (3, 16)
    assert table.stack().between(0, 1).all()
    assert results["corpus"]["sha256"] == Corpus(tiny_corpus).identity["sha256"]


def test_ablation_notebook_trains_one_group_of_rows(tiny_corpus, tmp_path):
    wanted = {"corpus": str(tiny_corpus), "epochs": 1, "group": "songs"}
    results = results_of("13_ablation", tmp_path, **wanted)
    assert [name.split(" as ")[0] for name in results["macro_f1"]] == [
        "CAMIL+",
        "a third of the songs,",
        "a tenth of the songs,",
    ]


def test_ablation_notebook_names_the_groups_of_rows(tiny_corpus, tmp_path):
    with pytest.raises(AssertionError, match="group = 'song' must be one of 'all', 'ingr"):
        results_of("13_ablation", tmp_path, corpus=str(tiny_corpus), group="song")


def test_pretraining_notebook_scores_every_row_with_all_and_with_few_labels(tiny_corpus, tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", AudioEncoder(2, 10))
    wanted = {"corpus": str(tiny_corpus), "audio_encoders": {"sound": str(tmp_path)}}
    wanted |= {"epochs": 3, "label_epochs": 2, "label_share": 0.3}
    results = results_of("17_pretrain_songs", tmp_path, **wanted)
    table = pd.DataFrame(results["scores"])
    assert (
        table.groupby("labels", sort=False)["row"].apply(list).tolist()
        == [["CAMIL+", "CAMIL+, as many steps", "hidden notes", "sound"]] * 2
    )
    # 17 songs, of which 5 have labels: one step per epoch in both parts.
    assert table["steps"].tolist() == [3, 6, 6, 6, 2, 5, 5, 5]
    scores = pd.DataFrame([seeds[0] for seeds in table["macro_f1"]])
    assert scores.shape == (8, 3)
    assert scores.stack().between(0, 1).all()
    assert not scores.duplicated().any()  # a pre-training that is ignored repeats CAMIL+


def test_drawn_training_songs_are_a_subset_of_the_training_songs(tiny_corpus):
    data = SongData.read(tiny_corpus)
    drawn = data.with_training_songs(5, seed=1)
    assert len(drawn.splits["train"]) == 5
    assert set(drawn.splits["train"].tolist()) < set(data.splits["train"].tolist())
    assert torch.equal(drawn.splits["validation"], data.splits["validation"])


def test_contradicted_labels_are_left_out_in_training_only(tiny_corpus):
    data = SongData.read(tiny_corpus)
    flute = data.classes.index("Pipe")
    named = replace(data, names=("Flute",) * len(data.names))
    labels = named.without_contradicted_labels().labels
    in_train = np.isin(data.songs.song_of[data.songs.track_of], data.splits["train"])
    expected = np.where(in_train & (data.labels.numpy() != flute), -1, data.labels.numpy())
    assert labels.tolist() == expected.tolist()


def test_tuning_notebook_gives_both_conditions_the_same_trials(tiny_corpus, tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", AudioEncoder(2, 10))
    sizes = {"width": 2, "depth": 10, "learning_rates": [0.001, 0.01], "epoch_counts": [1, 2]}
    folders = {"corpus": str(tiny_corpus), "teacher": str(tmp_path)}
    results = results_of("14_tuning", tmp_path, **folders, **sizes)
    trials = pd.DataFrame(results["trials"])
    settings = trials[["augmentation", "learning rate", "epochs"]]
    assert len(settings.drop_duplicates()) == len(trials) == 8
    assert trials[["SIC", "CAMIL"]].notna().all(axis=None)


def test_other_collections_notebook_writes_a_calibrated_copy(tiny_corpus, tmp_path, ensemble):
    save_songs(tmp_path / "songs.safetensors", ensemble)
    folders = {"pretrained": str(tmp_path), "calibrated": str(tmp_path / "calibrated")}
    folders |= {"corpus": str(tiny_corpus), "other_corpus": str(tiny_corpus)}
    results = results_of("15_other_collections", tmp_path, **folders, random_groups=2, epochs=1)
    copy = load_songs(tmp_path / "calibrated/songs.safetensors")
    for level, measured in results["temperatures"].items():
        assert copy.temperatures[level] == pytest.approx(measured["temperature"])
        assert measured["temperature_on_validation_songs"] == 1
    assert load_songs(tmp_path / "songs.safetensors").temperatures["song"] == 1  # untouched
    assert results["levels"]["segment"]["rows"] == len(Corpus(tiny_corpus))


def test_predictions_count_segments_and_tracks_once(tiny_corpus, ensemble):
    found = predictions_per_level(ensemble, tiny_corpus)
    table = pd.read_parquet(tiny_corpus / "segments.parquet")
    tracks = table.drop_duplicates(["song", "track"])
    assert [len(found[level]) for level in found] == [len(table), len(tracks), len(tracks)]
    songs = Songs(pq.read_table(tiny_corpus / "segments.parquet"))
    reading = ensemble(songs.batch(torch.arange(len(songs))))
    predicted = [INSTRUMENTS[index] for index in reading.song.argmax(1)]
    right = np.array(predicted) == tracks["instrument"].to_numpy()
    scored = scores_with_confidence(found["song"], 0.5)
    assert scored["accuracy"] == pytest.approx(right.mean())
    confident = reading.song.exp().max(1).values >= 0.5
    assert scored["confident"] == pytest.approx(confident.double().mean().item())


def test_collection_is_the_folder_up_to_the_first_hyphen():
    names = ["games/freedoom-0.12/a.mid", "games/freedoom-0.9/b.mid", "mutopia/c.mid"]
    assert collections_of(names).tolist() == ["freedoom", "freedoom", "mutopia"]
    dealt = collections_of([f"song-{number}" for number in range(9)], 3)
    assert sorted(np.unique(dealt, return_counts=True)[1]) == [3, 3, 3]


@pytest.mark.parametrize("change", [without_features, without_notes])
def test_removed_ingredient_has_no_effect_after_training(tiny_corpus, change):
    data = SongData.read(tiny_corpus)
    network = train_song_encoder(data, CPU, epochs=1, change=change, width=8, size=16).eval()
    batch = data.songs.batch(torch.arange(4))
    before = network(batch).song
    if change is without_features:
        batch = replace(
            batch,
            of_segment=batch.of_segment + 1,
            of_track=batch.of_track + 1,
            of_song=batch.of_song + 1,
        )
    else:
        batch = replace(batch, pitch=(batch.pitch + 1) % 84)
    torch.testing.assert_close(network(batch).song, before)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_trial_reads_no_test_song(tiny_corpus, condition, monkeypatch):
    used, rows = set(), Corpus.rows

    def recorded(self, split, *more):
        used.add(split)
        return rows(self, split, *more)

    monkeypatch.setattr(Corpus, "rows", recorded)
    data = Corpus(tiny_corpus)
    audio = torch.nn.functional.normalize(torch.randn(len(data), 128))
    trial(condition, data, audio, learning_rate=0.01, width=2, depth=10, epochs=1)
    assert used == {"train", "validation"}


def test_trial_is_scored_by_macro_f1_on_validation_songs(tiny_corpus):
    torch.manual_seed(0)
    data, classifier = Corpus(tiny_corpus), Classifier(MIDIEncoder(2, 10), INSTRUMENTS).eval()
    rows = torch.from_numpy(np.flatnonzero(data.table["split"] == "validation"))
    with torch.no_grad():
        predicted = [INSTRUMENTS[index] for index in classifier(data.rolls(rows)).argmax(1)]
    true = data.table["instrument"].iloc[rows.numpy()]
    expected = f1_score(true, predicted, average="macro", labels=true.unique(), zero_division=0)
    assert validation_f1(data, classifier) == pytest.approx(expected)
