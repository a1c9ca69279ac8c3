"""Retrieval with the two encoders of a run, against loops over all pairs."""

from itertools import permutations

import numpy as np
import pytest
import torch
from synthetic_runs import untrained_pair

from camil.corpus.corpus import Corpus
from camil.encoders.hub import load_encoder
from camil.evaluation.retrieval import (
    CHANCE,
    is_joint,
    retrieval_by_chance,
    retrieval_on,
    retrieval_table,
)


@pytest.fixture(scope="module")
def runs(tiny_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    corpus = str(tiny_corpus)
    return [
        untrained_pair(folder, corpus, "margin", 0),
        untrained_pair(folder, corpus, "margin", 1),
        untrained_pair(
            folder, corpus, "clip", objective="infonce", pretrained_audio="runs/aic-seed0"
        ),
        untrained_pair(folder, corpus, "student", objective="distill"),
        untrained_pair(folder, corpus, "half", train_fraction=0.5),
    ]


def test_both_directions_equal_a_loop_over_all_pairs(runs, tiny_corpus):
    found = retrieval_on(runs[0], str(tiny_corpus), points=1000).set_index("direction")
    data = Corpus(tiny_corpus)
    rows = data.rows("test")
    with torch.no_grad():
        notes = load_encoder(runs[0].folder / "encoder.safetensors")(data.rolls(rows)).numpy()
        sound = load_encoder(runs[0].folder / "audio_encoder.safetensors")(data.mels(rows)).numpy()
    sides = {"notes to sound": (notes, sound), "sound to notes": (sound, notes)}
    for direction, (queries, targets) in sides.items():
        ranks = []
        for number, query in enumerate(queries.astype(float)):
            distances = [((query - target) ** 2).sum() for target in targets.astype(float)]
            ranks.append(sum(distance <= distances[number] for distance in distances))
        row = found.loc[direction]
        assert row["MRR"] == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
        for k in (1, 5, 10):
            assert row[f"R@{k}"] == pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))
        assert row["segments"] == len(rows)


def test_every_run_searches_the_same_segments(runs, tiny_corpus):
    one, other = (retrieval_on(runs[0], str(tiny_corpus), points=6, seed=3) for _ in range(2))
    assert one.equals(other)
    assert set(one["segments"]) == {6}


@pytest.mark.parametrize("segments", [1, 4, 6])
def test_chance_is_the_mean_over_all_orders(segments):
    ranks = [order.index(0) + 1 for order in permutations(range(segments))]
    found = retrieval_by_chance(segments)
    assert found["MRR"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    for k in (1, 5, 10):
        assert found[f"R@{k}"] == pytest.approx(np.mean([rank <= k for rank in ranks]))


def test_table_has_the_mean_over_seeds_of_each_joint_run_on_all_songs(runs, tiny_corpus):
    assert [is_joint(run) for run in runs] == [True, True, True, False, True]
    table = retrieval_table(runs, "", points=8, seed=1)
    assert set(table["run"]) == {"margin", "clip", CHANCE}
    margin = table[(table["run"] == "margin") & (table["direction"] == "notes to sound")].iloc[0]
    each = [retrieval_on(run, str(tiny_corpus), 8, seed=1).iloc[0] for run in runs[:2]]
    assert margin["MRR"] == pytest.approx(np.mean([one["MRR"] for one in each]))
    assert margin["seeds"] == 2
    labels = table.drop_duplicates("run").set_index("run")
    assert labels["objective"].to_dict() == {
        "margin": "contrastive, margin", "clip": "InfoNCE", CHANCE: "",
    }  # fmt: skip
    assert labels["audio"].to_dict() == {
        "margin": "scratch, trained", "clip": "AIC, frozen", CHANCE: "",
    }  # fmt: skip
    chance = table[table["run"] == CHANCE]
    assert chance["direction"].tolist() == ["notes to sound", "sound to notes"]
    assert chance["MRR"].tolist() == pytest.approx([retrieval_by_chance(8)["MRR"]] * 2)
    both = retrieval_table(runs[:1], str(tiny_corpus), points=8)
    assert len(both) == 4  # the corpus of the run is not tested twice
    assert retrieval_table(runs[3:], "", points=8).empty
