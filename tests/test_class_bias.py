"""Correction of class bias: against Bayes' rule, brute force and a bias that is put in."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from camil.evaluation.class_bias import (
    STRENGTHS,
    adjusted,
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
    _, likelihood = segments()
    logits = adjusted(np.log(with_bias(likelihood, 1)), COUNTS[list(CLASSES)].to_numpy(), 1.0)
    equally_likely = likelihood / likelihood.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits, axis=1), equally_likely, rtol=1e-9)


def test_no_strength_changes_nothing_and_an_absent_class_counts_as_one_segment():
    _, likelihood = segments()
    np.testing.assert_array_equal(adjusted(likelihood, np.array([800, 140, 60]), 0.0), likelihood)
    found = adjusted(likelihood, np.array([800, 140, 0]), 1.0) - likelihood
    np.testing.assert_allclose(found[0], [-np.log(800), -np.log(140), 0])


def test_best_strength_is_that_of_a_search_by_hand():
    table, likelihood = segments()
    probabilities = with_bias(likelihood, 1)
    by_hand = []
    for strength in STRENGTHS:
        predicted = np.array(CLASSES)[(probabilities / SHARES**strength).argmax(axis=1)]
        by_hand.append(f1_score(table["instrument"], predicted, average="macro"))
    true = np.array([CLASSES.index(name) for name in table["instrument"]])
    counts = COUNTS[list(CLASSES)].to_numpy()
    assert best_strength(np.log(probabilities), true, counts) == STRENGTHS[np.argmax(by_hand)]
    assert STRENGTHS[np.argmax(by_hand)] > 0


def test_a_table_is_corrected_by_the_strength_of_its_validation_segments():
    table, likelihood = segments()
    other, other_likelihood = segments(seed=1)
    test = predictions_table(table, with_bias(likelihood, 1), CLASSES)
    validation = predictions_table(other, with_bias(other_likelihood, 1), CLASSES)
    found, strength = corrected(test, COUNTS, validation)
    true = np.array([CLASSES.index(name) for name in other["instrument"]])
    logits = np.log(with_bias(other_likelihood, 1))
    assert strength == best_strength(logits, true, COUNTS[list(CLASSES)].to_numpy())
    weights = likelihood * SHARES ** (1 - strength)
    expected = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(class_probabilities(found), expected, rtol=1e-9)
    assert list(found["predicted"]) == [CLASSES[i] for i in expected.argmax(axis=1)]


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
    after = [corrected(one, COUNTS, one)[0] for one in tables]
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
