"""What anyone can do without a network: guess the commonest class, or grow trees on features."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

ROUNDS = 200  # at most; the validation songs say after how many to stop
LOOK_EVERY = 10  # rounds


def majority(labels: NDArray, rows: int, classes: int) -> NDArray:
    """The share of each class in training, for whatever is asked.

    Args:
        labels: ``(training rows,)``, numbers of classes.

    Returns:
        ``(rows, classes)``, all rows alike.
    """
    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (rows, 1))


class BoostedTrees:
    """Gradient-boosted trees; class weights and the number of trees are chosen on validation songs.

    Args:
        classes: how many there are; one that does not occur in training is never predicted.
        seed: of the trees.

    Shape:
        features: ``(rows, features)``, NaN where there is none; labels: ``(rows,)`` of integers.
    """

    def __init__(self, classes: int, seed: int = 0):
        self.classes, self.seed = classes, seed

    def fit(
        self, features: NDArray, labels: NDArray, held_out: NDArray, held_out_labels: NDArray
    ) -> "BoostedTrees":
        """Grow trees; afterwards `score` is the macro-F1 on the held-out rows."""
        self.score = -1.0
        for weight in (None, "balanced"):
            trees = HistGradientBoostingClassifier(
                max_iter=ROUNDS,
                learning_rate=0.1,
                max_leaf_nodes=15,
                min_samples_leaf=20,
                l2_regularization=1.0,
                class_weight=weight,
                early_stopping=False,
                random_state=self.seed,
            ).fit(features, labels)
            for rounds, predicted in enumerate(trees.staged_predict(held_out), start=1):
                if rounds % LOOK_EVERY == 0:
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
        """``(rows, classes)``, after the chosen number of rounds."""
        staged = self.trees.staged_predict_proba(features)
        known = next(p for rounds, p in enumerate(staged, start=1) if rounds == self.rounds)
        result = np.zeros((len(features), self.classes))
        result[:, self.trees.classes_] = known
        return result
