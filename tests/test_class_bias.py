"""Correction of class bias: against Bayes' rule, brute force and a bias that is put in."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from camil.evaluation.class_bias import (
    STRENGTHS,
    best_strength,
    class_bias_answer,
    corrected,
    without_class_bias,
)
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import (
    class_probabilities,
    predictions_table,
    scores,
    track_predictions,
)

CLASSES = ("Piano", "Bass", "Pipe")
COUNTS = pd.Series({"Pipe": 60, "Piano": 800, "Bass": 140})
SHARES = COUNTS[list(CLASSES)].to_numpy() / COUNTS.sum()


def segments(rows=1500, seed=0):
    """Segments whose classes have the frequencies of the training, and likelihoods of each class:
    one of six symbols is read, with other frequencies per class."""
    random = np.random.default_rng(seed)
    true = random.choice(3, size=rows, p=SHARES)
    emission = np.array([[4, 3, 2, 1, 1, 1], [1, 2, 4, 3, 1, 1], [1, 1, 1, 2, 4, 3]]) / 12
    symbol = np.array([random.choice(6, p=emission[label]) for label in true])
    table = pd.DataFrame({
        "song": [f"song-{i % 30}" for i in range(rows)],
        "track": [f"{label}" for label in true],
        "start_beat": np.arange(rows) * 8.0,
        "instrument": np.array(CLASSES)[true],
    })  # fmt: skip
    return table, emission[:, symbol].T


def with_bias(likelihood, strength):
    """The probabilities of a classifier whose logits favour frequent classes."""
    weights = likelihood * SHARES**strength
    return weights / weights.sum(axis=1, keepdims=True)


def test_full_strength_turns_posteriors_into_those_of_equally_likely_classes():
    table, likelihood = segments()
    found = corrected(predictions_table(table, with_bias(likelihood, 1), CLASSES), COUNTS, 1.0)
    equally_likely = likelihood / likelihood.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(class_probabilities(found), equally_likely, rtol=1e-9)
    assert list(found["predicted"]) == [CLASSES[i] for i in equally_likely.argmax(axis=1)]


def test_no_strength_and_an_absent_class_change_no_prediction():
    table, likelihood = segments()
    before = predictions_table(table, with_bias(likelihood, 1), CLASSES)
    assert corrected(before, COUNTS, 0.0)["predicted"].equals(before["predicted"])
    rare = corrected(before, COUNTS.drop("Pipe"), 1.0)  # as if there were one Pipe
    assert (rare["predicted"] == "Pipe").sum() > (before["predicted"] == "Pipe").sum()


def test_best_strength_is_that_of_a_search_by_hand():
    table, likelihood = segments()
    probabilities = with_bias(likelihood, 1)
    by_hand = []
    for strength in STRENGTHS:
        adjusted = np.log(probabilities) - strength * np.log(SHARES)
        predicted = np.array(CLASSES)[adjusted.argmax(axis=1)]
        by_hand.append(f1_score(table["instrument"], predicted, average="macro"))
    found = best_strength(predictions_table(table, probabilities, CLASSES), COUNTS)
    assert found == STRENGTHS[np.argmax(by_hand)]
    assert found > 0


@pytest.fixture
def runs(tmp_path):
    """SIC; the same classifier with less bias; and one that reads other symbols."""

    def run(name, condition, strength, seed=0):
        table, likelihood = segments()
        if condition == "worse":
            likelihood = likelihood**0.1 * segments(seed=5)[1]
        folder = tmp_path / name
        folder.mkdir()
        predictions = predictions_table(table, with_bias(likelihood, strength), CLASSES)
        predictions.to_parquet(folder / "predictions.parquet")
        return {"condition": condition, "seed": seed, "run": FinishedRun(folder, {}, {})}

    return pd.DataFrame([
        run("sic", "SIC", 1.0),
        run("sic-1", "SIC", 0.9, seed=1),
        run("less", "less bias", 0.5),
        run("worse", "worse", 1.0),
    ])  # fmt: skip


def test_a_gain_that_is_bias_alone_vanishes(runs):
    found = without_class_bias(runs, COUNTS, FinishedRun.predictions)
    rows = found[found["level"] == "segment"].set_index("condition")
    assert rows.loc["less bias", "difference_low"] > 0.01
    after = rows.loc["less bias", "corrected_difference_low":"corrected_difference_high"]
    assert after.iloc[0] <= 0 <= after.iloc[1]
    assert rows.loc["less bias", "corrected_difference"] == pytest.approx(0, abs=0.002)
    assert rows.loc["worse", "corrected_difference_high"] < -0.05


def test_scores_are_means_over_seeds_at_both_levels(runs):
    found = without_class_bias(runs, COUNTS, FinishedRun.predictions)
    sic = found[found["condition"] == "SIC"].set_index("level")
    tables = [run.predictions() for run in runs["run"][:2]]
    after = [corrected(one, COUNTS, best_strength(one, COUNTS)) for one in tables]
    levels = {"segment": lambda one: one, "track": track_predictions}
    for (level, vote), column in product(levels.items(), ("macro_f1", "corrected")):
        voted = [vote(one) for one in (tables if column == "macro_f1" else after)]
        expected = np.mean([scores(t["instrument"], t["predicted"])["macro_f1"] for t in voted])
        assert sic.loc[level, column] == pytest.approx(expected)
    accuracies = [(one["instrument"] == one["predicted"]).mean() for one in tables]
    assert sic.loc["segment", "accuracy"] == pytest.approx(np.mean(accuracies))
    assert sic["seeds"].tolist() == [2, 2]


def test_answer_has_each_difference_before_and_after(runs):
    found = without_class_bias(runs, COUNTS, FinishedRun.predictions).assign(train_fraction=1.0)
    row = found[(found["level"] == "segment") & (found["condition"] == "less bias")].iloc[0]
    sentence = class_bias_answer(found)
    assert f"less bias {row['difference']:+.3f} before" in sentence
    assert f"{row['corrected_difference']:+.3f} (" in sentence
    assert sentence.count("before and") == 3  # once in the beginning
    assert class_bias_answer(found.head(0)).startswith("No answer yet")
    alone = found[found["condition"] == "SIC"]
    assert class_bias_answer(alone).startswith("No answer yet")
