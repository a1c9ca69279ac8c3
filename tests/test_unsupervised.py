"""Pre-trainings without labels: their settings, and their scores against results by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from synthetic_runs import PRETRAINED, classify, leave

from camil.evaluation.comparisons import experiments
from camil.evaluation.finished_runs import runs_in
from camil.evaluation.unsupervised import (
    REFERENCE,
    SIC,
    label_free,
    scores_without_labels,
    settings_answer,
)

QUARTER = {"train_fraction": 0.25}


@pytest.fixture
def table(tmp_path):
    """Runs without labels that vary one setting each, over two seeds, and some with labels."""
    runs = tmp_path / "runs"
    base = PRETRAINED | {"negatives": "random", "batch_size": 64, "normalize": True, "epochs": 6}
    for seed in (0, 1):
        classify(runs, "aic", seed=seed, modality="audio", freeze=False)
        leave(runs, "teacher", seed, clusters=128, train_fraction=1.0)  # a run of 02c_sound
    classify(runs, "sic", freeze=False, batch_size=64, epochs=6, condition=SIC, right=0.7)
    classify(runs, "sic-25", freeze=False, condition=SIC, right=0.65, **QUARTER)
    changes = {
        "plain": {},
        "large": {"batch_size": 512},
        "leaking": {"pretrained_audio": "aic"},
        "labelled": {"negatives": "class"},
        "apart": {"leave_out_programs": [6, 46]},
        "plain-25": {"epochs": 8},
        "longer-25": {"epochs": 24, "normalize": False},
        "clusters-25": {"objective": "distill-clusters", "pretrained_audio": "teacher",
                        "epochs": 8},
    }  # fmt: skip
    for number, (name, change) in enumerate(changes.items()):
        share = QUARTER if name.endswith("25") else {}
        condition = "Unsupervised CAMIL" if name.startswith("plain") else name
        for seed in (0, 1):
            leave(runs, name, seed, **base | change | share)
            right = 0.4 + 0.03 * number
            classify(runs, f"{name}-f", name, seed, right, condition=condition, **share)
    classify(runs, "few", "plain", **QUARTER)  # few labels: not comparable with those above
    classify(runs, "tuned", "plain", freeze=False)
    return experiments(runs_in(str(runs)))


def test_settings_are_named_by_what_differs_at_the_same_share(table):
    rows = label_free(table)
    seeds = rows.groupby(["train_fraction", "setting"])["seed"].apply(list).to_dict()
    assert seeds == {
        (1.0, REFERENCE): [0, 1],
        (1.0, "batch size 512"): [0, 1],
        (0.25, REFERENCE): [0, 1],
        (0.25, "normalize False, epochs 24"): [0, 1],
        (0.25, "objective distill-clusters, audio self-supervised, frozen"): [0, 1],
    }
    assert label_free(table[:0]).empty


def macro_f1(rows):
    """Mean over runs."""
    tables = [run.predictions() for run in rows["run"]]
    return np.mean([f1_score(t["instrument"], t["predicted"], average="macro") for t in tables])


def test_scores_are_compared_with_the_unsupervised_condition_and_sic(table):
    found = scores_without_labels(table, lambda run: run.predictions())
    assert found.groupby("train_fraction", sort=False).size().to_dict() == {1.0: 3, 0.25: 4}
    rows, sic = label_free(table), table[table["condition"] == SIC]
    for share, part in found.groupby("train_fraction"):
        assert part["macro_f1"].is_monotonic_decreasing
        at = rows[rows["train_fraction"] == share]
        expected = {setting: macro_f1(group) for setting, group in at.groupby("setting")}
        expected[SIC] = macro_f1(sic[sic["train_fraction"] == share])
        part = part.set_index("setting")
        assert part["macro_f1"].to_dict() == pytest.approx(expected)
        for setting in set(expected) - {REFERENCE, SIC}:
            row = part.loc[setting]
            assert row["difference"] == pytest.approx(expected[setting] - expected[REFERENCE])
            assert row["to_sic"] == pytest.approx(expected[setting] - expected[SIC])
            assert row["to_sic_low"] <= row["to_sic"] <= row["to_sic_high"]
    without_others = table[table["train_fraction"] == 1]
    without_others = without_others[without_others["condition"] != "large"]
    assert scores_without_labels(without_others, lambda run: run.predictions()).empty


def test_answer_quotes_the_best_setting_of_each_share():
    columns = ["train_fraction", "setting", "macro_f1", "difference", "difference_low",
               "difference_high", "to_sic", "to_sic_low", "to_sic_high"]  # fmt: skip
    nothing = (np.nan,) * 3
    scored = pd.DataFrame([
        (0.25, SIC, 0.33, 0.08, 0.05, 0.11, *nothing),
        (0.25, "epochs 24", 0.31, 0.06, 0.02, 0.09, -0.02, -0.05, 0.01),
        (0.25, "batch size 512", 0.28, 0.03, 0.01, 0.05, -0.05, -0.08, -0.02),
        (0.25, REFERENCE, 0.25, *nothing, -0.08, -0.1, -0.06),
    ], columns=columns)  # fmt: skip
    sentence = settings_answer(scored, "validation")
    assert sentence == (
        "Macro-F1 on validation songs: with 25 % of the training songs, Unsupervised CAMIL has "
        "0.250, and the best of 2 other settings without labels, epochs 24, has 0.310, "
        "+0.060 (+0.020 to +0.090); SIC has 0.330, and the difference to it is "
        "-0.020 (-0.050 to +0.010)."
    )
    assert "SIC" not in settings_answer(scored[1:], "validation")
    one = settings_answer(scored.drop(index=2), "validation")
    assert "and the only other setting without labels, epochs 24, has 0.310" in one
    assert settings_answer(pd.DataFrame(), "validation").startswith("No answer yet")
