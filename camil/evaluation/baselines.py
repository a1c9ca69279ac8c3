"""Baselines without a network: class frequencies, and gradient-boosted trees on features."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

MAX_ROUNDS = 200  # boosting rounds; the number that is used is chosen on validation songs
SCORE_EVERY = 10  # rounds


def majority(labels: NDArray, rows: int, classes: int) -> NDArray:
    """Predict the class frequencies of the training rows for every row.

    Args:
        labels: class indices of the training rows.
        rows: number of predictions.
        classes: number of classes.

    Shape:
        labels: ``(training rows,)`` int64. Returns ``(rows, classes)`` float64, equal rows.
    """
    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (rows, 1))


class BoostedTrees:
    """Gradient-boosted trees (GBT) whose class weights and rounds are chosen on validation songs.

    Args:
        classes: number of classes; a class that does not occur in training is never predicted.
        seed: random state of the trees.

    Attributes:
        score: macro-F1 on the held-out rows, after `fit`.
        rounds: number of boosting rounds chosen.
        weight: class weights chosen, ``none`` or ``balanced``.

    Shape:
        features: ``(rows, features)``, NaN for a missing value. labels: ``(rows,)`` integers.
    """

    def __init__(self, classes: int, seed: int = 0):
        self.classes, self.seed = classes, seed

    def fit(
        self, features: NDArray, labels: NDArray, held_out: NDArray, held_out_labels: NDArray
    ) -> "BoostedTrees":
        """Fit to training rows, choosing class weights and rounds on held-out rows."""
        self.score = -1.0
        for weight in (None, "balanced"):
            trees = HistGradientBoostingClassifier(
                max_iter=MAX_ROUNDS,
                learning_rate=0.1,
                max_leaf_nodes=15,
                min_samples_leaf=20,
                l2_regularization=1.0,
                class_weight=weight,
                early_stopping=False,
                random_state=self.seed,
            ).fit(features, labels)
            for rounds, predicted in enumerate(trees.staged_predict(held_out), start=1):
                if rounds % SCORE_EVERY == 0:
                    score = f1_score(held_out_labels, predicted, average="macro")
                    if score > self.score:
                        self.score, self.trees, self.rounds, self.weight = (
                            float(score),
                            trees,
                            rounds,
                            weight or "none",
                        )
        return self

    def probabilities(self, features: NDArray) -> NDArray:
        """Probabilities ``(rows, classes)`` after the chosen number of rounds."""
        staged = self.trees.staged_predict_proba(features)
        known = next(p for rounds, p in enumerate(staged, start=1) if rounds == self.rounds)
        result = np.zeros((len(features), self.classes))
        result[:, self.trees.classes_] = known
        return result
