"""Comparisons of synthetic runs, against results computed by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score
from synthetic_runs import CLASSES, PRETRAINED, classify, leave

from camil.evaluation.comparisons import (
    CAMIL,
    alike,
    answer,
    common_confusions,
    confusions,
    effect,
    experiments,
    same_training,
    significance,
    usual_training,
)
from camil.evaluation.finished_runs import runs_in


@pytest.fixture
def folder(tmp_path):
    runs = tmp_path / "runs"
    classify(runs, "aic", modality="audio", freeze=False, right=0.95)
    classify(runs, "aic-random", modality="audio", freeze=True, right=0.2)
    for seed in (0, 1):
        leave(runs, "camil", seed, **PRETRAINED | {"pretrained_audio": "aic"})
        classify(runs, "camil-frozen", "camil", seed, right=0.6)
    for name, change in {
        "wide": {"margin": 1.5},
        "narrow": {"margin": 0.5},
        "scratch": {"pretrained_audio": ""},
        "trained": {"train_audio": True},
        "deaf": {"pretrained_audio": "aic-random"},
        "shuffled": {"shuffled": True},
    }.items():
        leave(runs, name, **PRETRAINED | {"pretrained_audio": "aic"} | change)
        classify(runs, f"{name}-frozen", name, right=0.9 if name == "wide" else 0.3)
    classify(runs, "tuned", "camil", freeze=False)
    classify(runs, "orphan", "gone")
    (runs / "unfinished").mkdir()
    return runs


def test_alike_selects_experiments_that_differ_in_the_margin_only(folder):
    table = experiments(runs_in(str(folder)))
    rows = alike(table, but="margin", **CAMIL)
    names = {run.folder.name for run in rows["run"]}
    assert names == {
        "camil-frozen-seed0", "camil-frozen-seed1", "wide-frozen-seed0", "narrow-frozen-seed0",
    }  # fmt: skip
    assert "orphan" not in set(table["condition"])


def test_origin_of_the_audio_encoder_is_read_from_the_runs_below(folder):
    table = experiments(runs_in(str(folder))).set_index("condition")["audio"]
    expected = {
        "scratch-frozen": "scratch, trained", "trained-frozen": "AIC, trained",
        "deaf-frozen": "random, frozen", "wide-frozen": "AIC, frozen", "aic": "",
    }  # fmt: skip
    assert table[list(expected)].to_dict() == expected


def test_effect_is_the_difference_of_the_means_over_seeds(folder):
    rows = alike(experiments(runs_in(str(folder))), but="margin", **CAMIL)
    found = effect(rows, "margin", 1.0).set_index("margin")

    def f1(run):
        table = run.predictions()
        return f1_score(table["instrument"], table["predicted"], average="macro")

    mean = rows.groupby("margin")["run"].agg(lambda runs: np.mean([f1(run) for run in runs]))
    assert found["seeds"].to_dict() == {0.5: 1, 1.0: 2, 1.5: 1}
    assert found["macro_f1"].to_numpy() == pytest.approx(mean.to_numpy())
    assert found.loc[1.5, "difference"] == pytest.approx(mean[1.5] - mean[1.0])
    assert np.isnan(found.loc[1.0, "difference"])
    by_layers = found.reset_index().assign(margin=[8, 16, 32])
    assert "margin 32 scores highest" in answer(by_layers, "margin", 16)
    sentence = answer(found.reset_index(), "margin", 1.0)
    assert "margin 1.5 scores highest" in sentence
    assert "which excludes 0" in sentence
    assert f"{mean[1.5]:.3f}" in sentence


def test_missing_runs_are_reported(folder):
    table = experiments(runs_in(str(folder)))
    alone = effect(alike(table, but="embedding", **CAMIL), "embedding", 128)
    assert "runs with another embedding are missing (there are: 128)" in answer(
        alone, "embedding", 128
    )
    others = effect(table[table["margin"] != 1.0], "margin", 1.0)
    assert "the reference runs, margin 1.0, are missing" in answer(others, "margin", 1.0)
    nothing = effect(table[:0], "margin", 1.0)
    assert "No answer yet" in answer(nothing, "margin", 1.0)
    assert experiments(runs_in(str(folder / "nowhere"))).empty


@pytest.fixture
def unsupervised(tmp_path):
    """Runs without labels that vary one setting each, over two seeds, and some with labels."""
    runs = tmp_path / "runs"
    base = PRETRAINED | {"negatives": "random", "batch_size": 64, "normalize": True, "epochs": 6}
    classify(runs, "aic", modality="audio", freeze=False)
    classify(runs, "sic", freeze=False, batch_size=64, epochs=6)
    for seed in (0, 1):
        leave(runs, "teacher", seed, clusters=128, train_fraction=1.0)  # a run of 02c_sound
    for name, change in {
        "plain": {},
        "large": {"batch_size": 512},
        "longer": {"epochs": 24, "normalize": False},
        "clusters": {"objective": "distill-clusters", "pretrained_audio": "teacher"},
        "leaking": {"pretrained_audio": "aic"},
        "labelled": {"negatives": "class"},
        "apart": {"leave_out_programs": [6, 46]},
        "half": {"train_fraction": 0.5},
    }.items():
        for seed in (0, 1):
            leave(runs, name, seed, **base | change)
            condition = "Unsupervised CAMIL" if name == "plain" else name
            classify(runs, f"{name}-frozen", name, seed, condition=condition)
    classify(runs, "few", "plain", train_fraction=0.1)
    leave(runs, "half", 2, **base | {"train_fraction": 0.5})
    classify(runs, "half-frozen", "half", seed=2, train_fraction=0.5)
    return experiments(runs_in(str(runs)))


def test_few_labels_and_programs_left_out_are_settings_of_their_own(unsupervised):
    by_name = unsupervised.set_index(unsupervised["run"].map(lambda run: run.folder.name))
    shares = by_name[["train_fraction", "pretrain_fraction"]]
    assert shares.loc["few-seed0"].tolist() == [0.1, 1.0]
    assert shares.loc["half-frozen-seed0"].tolist() == [1.0, 0.5]
    assert shares.loc["half-frozen-seed2"].tolist() == [0.5, 0.5]
    assert by_name.loc["apart-frozen-seed0", "left_out"] == "6, 46"
    assert by_name.loc["sic-seed0", ["batch_size", "epochs"]].tolist() == [64, 6]


def test_runs_of_another_training_are_used_only_where_there_are_no_others(unsupervised):
    usual = usual_training(unsupervised)
    assert (usual["batch_size"], usual["epochs"], usual["normalize"]) == (64, 6, True)
    without_labels = unsupervised[unsupervised["negatives"] == "random"]
    rows = same_training(without_labels, "audio", usual).set_index("audio")
    assert set(rows.loc["scratch, trained", "epochs"]) == {6}
    assert (rows["also"] == "").all()
    long = unsupervised[unsupervised["condition"].isin(["longer", "labelled", "sic"])]
    rows = same_training(long, "negatives", usual).set_index("negatives")
    assert set(rows.loc["random", "also"]) == {"normalize False, epochs 24"}
    assert set(rows.loc[["class", ""], "also"]) == {""}
    # Of two trainings that differ in one number, the closer one is taken.
    both = long.assign(normalize=True, epochs=np.where(long["seed"] == 0, 24, 8))
    rows = same_training(both, "negatives", usual).set_index("negatives")
    assert set(rows.loc[["random", "class"], "also"]) == {"epochs 8"}
    # The setting that is compared is no further difference.
    rows = same_training(long, "epochs", usual).set_index("epochs")
    assert set(rows.loc[24, "also"]) == {"normalize False"}
    found = effect(same_training(long, "negatives", usual), "negatives", "class")
    assert "Its runs also differ in: normalize False, epochs 24." in answer(
        found[found["negatives"] != ""], "negatives", "class"
    )
    assert same_training(unsupervised[:0], "audio", usual).empty


def test_effect_reads_the_predictions_that_are_asked_for(unsupervised):
    rows = unsupervised[unsupervised["negatives"] == "random"]
    correct = rows.iloc[0]["run"].predictions().assign(predicted=lambda t: t["instrument"])
    found = effect(rows, "batch_size", 64, lambda run: correct)
    assert found["macro_f1"].tolist() == [1] * 2


def test_significance_states_whether_the_interval_contains_zero():
    assert significance(-0.1, 0.0) == "which contains 0"
    assert significance(0.01, 0.2) == significance(-0.2, -0.01) == "which excludes 0"


def test_confusions_are_shares_of_the_true_class_and_correlated_over_pairs():
    random = np.random.default_rng(0)
    tables = [
        pd.DataFrame({
            "instrument": random.choice(CLASSES[:2], 200),
            "predicted": random.choice(CLASSES, 200),
        }) for _ in range(2)
    ]  # fmt: skip
    shares = confusions(tables, (*CLASSES, "Reed"))
    both = pd.concat(tables)
    expected = confusion_matrix(
        both["instrument"], both["predicted"], labels=CLASSES, normalize="true"
    )
    assert shares.loc[CLASSES[:2], list(CLASSES)].to_numpy() == pytest.approx(expected[:2])
    assert shares.loc["Piano", "Reed"] == 0
    assert shares.loc[["Pipe", "Reed"]].isna().all(axis=None)
    pairs, correlation = common_confusions(shares, shares)
    assert correlation == pytest.approx(1)
    assert (pairs["instrument"] != pairs["predicted as"]).all()
    assert len(pairs) == 6
    assert pairs["by notes"].is_monotonic_decreasing
    assert common_confusions(shares, 1 - shares)[1] == pytest.approx(-1)
