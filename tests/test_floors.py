import numpy as np
import pytest
from sklearn.metrics import f1_score

from camil.evaluation.baselines import BoostedTrees, majority


def songs(rows, seed):
    """Two features, one with holes, that tell classes 0, 2 and 3 apart; most rows are of 0."""
    random = np.random.default_rng(seed)
    labels = random.choice([0, 2, 3], size=rows, p=[0.8, 0.1, 0.1])
    features = random.normal(size=(rows, 2)) + labels[:, None]
    features[random.random(rows) < 0.1, 1] = np.nan
    return features, labels


def test_the_majority_has_the_share_of_each_class_and_names_the_commonest():
    guess = majority(np.array([2, 2, 0, 2]), rows=3, classes=4)
    assert guess.tolist() == [[0.25, 0, 0.75, 0]] * 3


def test_the_trees_kept_are_those_that_do_best_on_the_held_out_songs():
    known, held = songs(600, 0), songs(200, 1)
    trees = BoostedTrees(classes=5).fit(*known, *held)
    guess = trees.probabilities(held[0])
    assert guess.sum(1) == pytest.approx(1)
    assert (guess[:, [1, 4]] == 0).all()  # classes that training has not
    assert trees.score == pytest.approx(f1_score(held[1], guess.argmax(1), average="macro"))
    # More or fewer trees of the same kind are no better.
    for predicted in list(trees.trees.staged_predict(held[0]))[9::10]:
        assert f1_score(held[1], predicted, average="macro") <= trees.score
    assert trees.score > f1_score(held[1], np.zeros(200), average="macro") + 0.2


def test_the_same_seed_grows_the_same_trees():
    known, held = songs(300, 2), songs(100, 3)
    guesses = [BoostedTrees(5, seed=4).fit(*known, *held).probabilities(held[0]) for _ in range(2)]
    assert (guesses[0] == guesses[1]).all()
