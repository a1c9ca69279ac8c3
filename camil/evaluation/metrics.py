"""Metrics of predictions and embeddings, with bootstrap intervals over songs.

A table of predictions has one row per test segment: ``song``, ``track``, ``start_beat``,
``instrument`` (the true class), ``predicted``, and one probability per class of the instrument
table at hand, such as ``p_Guitar``. Segments of one song are not independent, so all intervals
resample songs.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances_chunked, precision_recall_fscore_support

from camil.evaluation.bootstrap import KEYS, interval, names_in, resample
from camil.evaluation.columns import require_columns

METRICS = ("macro_f1", "weighted_f1", "accuracy")
DIFFERENCE = ("difference", "difference_low", "difference_high")  # columns of `paired_difference`
SMALLEST_PROBABILITY = 1e-7  # about the resolution of float32 near 1


def predictions_table(
    segments: pd.DataFrame, probabilities: NDArray, classes: Sequence[str]
) -> pd.DataFrame:
    """Build the table of predictions of a run.

    Args:
        segments: one row per segment with ``song``, ``track``, ``start_beat`` and ``instrument``.
        probabilities: ``(segments, classes)``.
        classes: names of the columns of ``probabilities``.

    Returns:
        One row per segment, with the columns ``p_<class>`` in the order of ``classes``.
    """
    table = segments[list(KEYS)].reset_index(drop=True)
    table["predicted"] = np.asarray(classes, dtype=object)[probabilities.argmax(axis=1)]
    names = [f"p_{name}" for name in classes]
    return pd.concat([table, pd.DataFrame(probabilities, columns=names)], axis=1)


def class_probabilities(predictions: pd.DataFrame) -> pd.DataFrame:
    """The columns ``p_<class>`` of a table of predictions, named by the class."""
    columns = predictions.filter(regex="^p_")
    return columns.rename(columns=lambda name: name.removeprefix("p_"))


def scores(true: ArrayLike, predicted: ArrayLike) -> dict:
    """F1 and accuracy of predicted classes.

    ``macro_f1`` is the unweighted mean of F1 over the classes that occur in ``true``;
    ``weighted_f1`` weights them by their frequency. A class that is only predicted has no F1 of its
    own, but every such prediction lowers the recall of the true class.

    Args:
        true, predicted: one class name per segment (or per track).

    Returns:
        ``{"macro_f1", "weighted_f1", "accuracy", "per_class_f1": {class: f1}}`` of floats.

    Raises:
        ValueError: if there are no predictions, the lengths differ, or a class name is missing.
    """
    true, predicted = names_in(true, "true"), names_in(predicted, "predicted")
    if len(true) != len(predicted) or len(true) == 0:
        raise ValueError(
            "true and predicted must be of one length and not empty, "
            f"got {len(true)} and {len(predicted)}"
        )
    classes = np.unique(true)
    _, _, f1, support = precision_recall_fscore_support(
        true, predicted, labels=classes, zero_division=0
    )
    return {
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
        "accuracy": float(np.mean(true == predicted)),
        "per_class_f1": {str(name): float(value) for name, value in zip(classes, f1, strict=True)},
    }


def track_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """One prediction per track: the mean of its segments' log-probabilities.

    Probabilities below 1e-7 count as 1e-7, so that no single segment can exclude a class.

    Args:
        predictions: a table of predictions.

    Returns:
        One row per (song, track): ``song``, ``track``, ``instrument``, ``predicted`` and the
        ``p_`` columns, normalized to probabilities again.

    Raises:
        ValueError: if columns are missing or a track has more than one true instrument.
    """
    require_columns(predictions, ("song", "track", "instrument"), "A prediction by track")
    probability = class_probabilities(predictions)
    if not len(probability.columns):
        raise ValueError("predictions have no probabilities: columns p_<class> are missing")
    tracks = predictions.groupby(["song", "track"], sort=True)
    several = tracks["instrument"].nunique() > 1
    if several.any():
        song, track = several.index[several][0]
        raise ValueError(f"track {track} of song {song} has more than one true instrument")
    probability = votes(probability, [predictions["song"], predictions["track"]])
    result = tracks["instrument"].first().to_frame()
    result["predicted"] = probability.idxmax(axis=1)
    return result.join(probability.add_prefix("p_")).reset_index()


def votes(probabilities: pd.DataFrame, by) -> pd.DataFrame:
    """Combine the probabilities of the segments in a group: the mean of their logarithms.

    Probabilities below 1e-7 count as 1e-7, so that no single segment can exclude a class.

    Args:
        probabilities: one row per segment, one column per class.
        by: the groups, as for `DataFrame.groupby`.

    Returns:
        One row per group, sorted by the group's name; each row sums to 1.
    """
    log_probability = np.log(probabilities.clip(lower=SMALLEST_PROBABILITY))
    mean = log_probability.groupby(by, sort=True).mean()
    probability = np.exp(mean.sub(mean.max(axis=1), axis=0))
    return probability.div(probability.sum(axis=1), axis=0)


def bootstrap_interval(
    runs: Sequence[pd.DataFrame],
    metric: str = "macro_f1",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric over test songs, averaged over runs.

    Songs are drawn with replacement, as many as there are, the same ones for every run. Works on
    segments and, with `track_predictions`, on tracks. The interval measures the variation due to
    the choice of test songs; the spread of the runs measures the variation due to training.

    Args:
        runs: one table of predictions per training seed, all of the same test segments.
        metric: one of ``macro_f1``, ``weighted_f1`` and ``accuracy``, as in `scores`.
        resamples: number of resamples.
        seed: random seed of the resampling.
        level: share of the resamples inside the interval.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: if runs do not contain the same segments, if there are fewer than two songs (one
            song has no variation), or if an argument is out of its range.
    """
    _, resampled = _values(runs, metric, resamples, seed)
    return interval(resampled.mean(axis=1), level)


def paired_difference(
    a_runs: Sequence[pd.DataFrame],
    b_runs: Sequence[pd.DataFrame],
    metric: str = "macro_f1",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Difference of a metric between two conditions on the same test songs, with its interval.

    Every resample draws the same songs for both, so the difficulty of a song cancels out.

    Args:
        a_runs, b_runs: one table of predictions per training seed.
        metric, resamples, seed, level: as for `bootstrap_interval`.

    Returns:
        The difference (mean over ``a_runs`` minus mean over ``b_runs``), its lower and upper end.

    Raises:
        ValueError: under the conditions of `bootstrap_interval`.
    """
    if not len(a_runs) or not len(b_runs):
        raise ValueError("both sides need at least one run")
    value, resampled = _values([*a_runs, *b_runs], metric, resamples, seed)
    first = len(a_runs)
    difference = resampled[:, :first].mean(axis=1) - resampled[:, first:].mean(axis=1)
    return float(value[:first].mean() - value[first:].mean()), *interval(difference, level)


def retrieval(midi: ArrayLike, audio: ArrayLike) -> dict[str, float]:
    """Retrieval of each MIDI segment's own audio among all audio, by Euclidean distance.

    The rank of row ``i`` is the number of audio embeddings that are at least as near to MIDI ``i``
    as its own. Ties count against it, so that a space collapsed to a point does not look perfect.

    Shape:
        midi, audio: ``(segments, embedding)``; row ``i`` of both is one segment.

    Returns:
        The metrics of `rank_metrics`.

    Raises:
        ValueError: if the shapes differ, there are no rows, or an embedding is not finite.
    """
    midi, audio = np.asarray(midi, dtype=np.float64), np.asarray(audio, dtype=np.float64)
    if midi.ndim != 2 or midi.shape != audio.shape or len(midi) == 0:
        raise ValueError(
            "midi and audio must both be (segments, embedding) and not empty, "
            f"got {midi.shape} and {audio.shape}"
        )
    if not (np.isfinite(midi).all() and np.isfinite(audio).all()):
        raise ValueError("embeddings contain NaN or infinity: the encoders have diverged")
    ranks, done = [], 0
    # "sqeuclidean" subtracts before squaring, so ties stay ties; "euclidean" is faster, not exact.
    for distance in pairwise_distances_chunked(midi, audio, metric="sqeuclidean"):
        rows = np.arange(len(distance))
        own = distance[rows, done + rows]
        ranks.append((distance <= own[:, None]).sum(axis=1))
        done += len(distance)
    return rank_metrics(np.concatenate(ranks))


def rank_metrics(rank: NDArray) -> dict[str, float]:
    """Metrics of retrieval from the rank of each query's own item, counted from 1.

    Returns:
        ``R@1``, ``R@5`` and ``R@10`` (share of ranks up to 1, 5 and 10) and ``MRR`` (mean of
        1 / rank).
    """
    found = {f"R@{k}": float(np.mean(rank <= k)) for k in (1, 5, 10)}
    return {**found, "MRR": float(np.mean(1 / rank))}


def recall(counts: NDArray) -> NDArray:
    """Recall of each class, NaN for a class without test segments.

    Shape:
        counts: ``(..., classes, classes)`` of (true, predicted). Returns ``(..., classes)``.
    """
    with np.errstate(invalid="ignore"):
        return np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1)


def metric_of_counts(metric: str) -> Callable[[NDArray], NDArray]:
    """The function that computes a metric from counts of (true, predicted), as `scores` defines it.

    Args:
        metric: one of ``macro_f1``, ``weighted_f1`` and ``accuracy``.

    Returns:
        A function from ``(..., classes, classes)`` to ``(...)``.

    Raises:
        ValueError: if there is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    return partial(_metric, metric=metric)


def _values(runs, metric: str, resamples: int, seed: int) -> tuple[NDArray, NDArray]:
    """The metric of each run ``(runs,)``, and of its resamples ``(resamples, runs)``."""
    return resample(runs, metric_of_counts(metric), resamples, seed)


def _metric(confusion: NDArray, metric: str) -> NDArray:
    """A metric of confusion matrices ``(..., true, predicted)``, as `scores` defines it."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)  # (..., classes)
    support = confusion.sum(axis=-1)
    if metric == "accuracy":
        return right.sum(axis=-1) / support.sum(axis=-1)
    f1 = 2 * right / np.maximum(support + confusion.sum(axis=-2), 1)
    weight = support if metric == "weighted_f1" else support > 0
    return (f1 * weight).sum(axis=-1) / weight.sum(axis=-1)
