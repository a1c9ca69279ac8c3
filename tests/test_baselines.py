"""Baselines: class frequencies and gradient-boosted trees."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from camil.evaluation.baselines import BoostedTrees, majority


def songs(rows, seed):
    """Two features, one with missing values, that separate classes 0, 2 and 3; most rows are 0."""
    random = np.random.default_rng(seed)
    labels = random.choice([0, 2, 3], size=rows, p=[0.8, 0.1, 0.1])
    features = random.normal(size=(rows, 2)) + labels[:, None]
    features[random.random(rows) < 0.1, 1] = np.nan
    return features, labels


def test_majority_predicts_the_class_frequencies_of_the_training_rows():
    guess = majority(np.array([2, 2, 0, 2]), rows=3, classes=4)
    assert guess.tolist() == [[0.25, 0, 0.75, 0]] * 3


def test_rounds_and_weights_are_those_with_the_highest_held_out_score():
    known, held = songs(600, 0), songs(200, 1)
    trees = BoostedTrees(classes=5).fit(*known, *held)
    guess = trees.probabilities(held[0])
    assert guess.sum(1) == pytest.approx(1)
    assert (guess[:, [1, 4]] == 0).all()  # classes that do not occur in training
    assert trees.score == pytest.approx(f1_score(held[1], guess.argmax(1), average="macro"))
    # More or fewer rounds with the same weights score no higher.
    for predicted in list(trees.trees.staged_predict(held[0]))[9::10]:
        assert f1_score(held[1], predicted, average="macro") <= trees.score
    assert trees.score > f1_score(held[1], np.zeros(200), average="macro") + 0.2


def test_same_seed_gives_the_same_trees():
    known, held = songs(300, 2), songs(100, 3)
    guesses = [BoostedTrees(5, seed=4).fit(*known, *held).probabilities(held[0]) for _ in range(2)]
    assert (guesses[0] == guesses[1]).all()
