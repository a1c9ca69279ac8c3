"""Train the gradient-boosted trees that stand beside the networks of CAMIL+."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from camil.encoders.trees import BoostedTrees

ROUNDS = 150  # each adds one tree per class
MOST_ROWS = 300_000  # of more training rows, so many are drawn


def fit_trees(
    features: Tensor,
    labels: Tensor,
    classes: int,
    *,
    strength: float,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> BoostedTrees:
    """Fit trees to hand-crafted features, with the logit adjustment of the networks.

    A third of the features, drawn anew, is considered at each split, so that few strong features do
    not hide the others.

    Args:
        features: from `camil.encoders.trees.features_of`.
        labels: indices of the classes; -1 for rows of no class, which are not used.
        classes: number of classes.
        strength: scale of the adjustment, see `camil.losses.LogitAdjustedCrossEntropy`.

    Shape:
        features: ``(rows, features)`` float32, NaN where undefined. labels: ``(rows,)`` int64.

    Raises:
        ValueError: if fewer than three classes occur.
    """
    rows = np.flatnonzero((labels >= 0).cpu().numpy())
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    values, known = features[rows].cpu().numpy(), labels[rows].cpu().numpy()
    values[:, np.isnan(values).all(axis=0)] = 0  # scikit-learn fails on a feature without values
    classifier = HistGradientBoostingClassifier(
        max_iter=rounds,
        min_samples_leaf=min(100, max(1, len(rows) // 100)),
        l2_regularization=10.0,
        max_features=1 / 3,
        early_stopping=False,
        random_state=seed,
    ).fit(values, known)
    counts = np.bincount(known, minlength=classes).clip(min=1)
    return BoostedTrees.from_sklearn(classifier, strength * np.log(counts / counts.sum()))
