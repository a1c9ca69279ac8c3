"""Train the gradient-boosted trees that stand beside the networks of CAMIL+."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from camil.encoders.song import SONGS_PER_BATCH, SongCollection
from camil.encoders.trees import LEAF, BoostedTrees, features_of

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
    return as_tensors(classifier, strength * np.log(counts / counts.sum()))


def fit_level(
    songs: SongCollection, chosen: Tensor, level: str, labels: Tensor, classes: int, **choices
) -> BoostedTrees:
    """Fit the trees of a level of `camil.encoders.song_ensemble.SongEnsemble`.

    Args:
        chosen: ``(songs,)`` int64, indices of the training songs.
        level: "segment", "track" or "song".
        labels: of all segments of ``songs`` for the level "segment", else of all tracks; see
            `fit_trees`.
        choices: further arguments of `fit_trees`.
    """
    batches = map(songs.batch, chosen.split(SONGS_PER_BATCH))
    kind = "segments" if level == "segment" else "tracks"
    read = [(features_of(batch, level), getattr(batch, kind)) for batch in batches]
    features, index = (torch.cat(values) for values in zip(*read, strict=True))
    return fit_trees(features, labels.cpu()[index], classes, **choices)


def as_tensors(
    classifier: HistGradientBoostingClassifier, log_prior: Sequence[float]
) -> BoostedTrees:
    """Copy a fitted classifier of scikit-learn.

    Args:
        classifier: fitted to float32 features, none of them categorical, and to three or more
            classes, by their indices.
        log_prior: ``(classes,)``, subtracted from the scores: the logit adjustment of
            `camil.losses.LogitAdjustedCrossEntropy`, after training.

    Raises:
        ValueError: if there are fewer classes, or categorical features.
    """
    rounds: Any = classifier._predictors  # no public name, see tests/test_trees.py
    present = [int(index) for index in classifier.classes_]
    if len(present) < 3:
        raise ValueError(f"trees need three or more classes in training, got {len(present)}")
    tables = [tree.nodes for trees in rounds for tree in trees]
    if any(table["is_categorical"].any() for table in tables):
        raise ValueError("categorical features are not supported")
    first = np.cumsum([0, *map(len, tables)])
    nodes = np.concatenate(tables)
    leaf = nodes["is_leaf"].astype(bool)
    right = nodes["right"] - np.concatenate([np.arange(len(table)) for table in tables])
    start = classifier._baseline_prediction.ravel() - np.asarray(log_prior)[present]
    found = BoostedTrees(len(tables), len(nodes), present, len(log_prior))
    found.roots.copy_(torch.from_numpy(first[:-1]))
    found.feature.copy_(torch.from_numpy(np.where(leaf, LEAF, nodes["feature_idx"])))
    values = np.where(leaf, nodes["value"], _not_above(nodes["num_threshold"]))
    found.threshold.copy_(torch.from_numpy(values))
    found.right.copy_(torch.from_numpy(np.where(leaf, 0, right)))
    found.missing_left.copy_(torch.from_numpy(nodes["missing_go_to_left"].astype(bool)))
    found.start[present] = torch.from_numpy(start).float()
    return found


def _not_above(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each float64, so that float32 values compare alike."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
