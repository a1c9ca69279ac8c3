"""Calibration of probabilities: temperature scaling and expected calibration error."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from camil.evaluation.metrics import SMALLEST_PROBABILITY, class_probabilities

BINS = 15
MAX_TEMPERATURE = 20.0  # the minimum is its inverse; beyond both, logits have no information


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T that minimizes the negative log-likelihood of ``softmax(logits / T)``.

    Temperature scaling changes the confidence of a classifier, never its predictions (Guo et al.,
    2017). Fit it on songs that the classifier was not trained on.

    Args:
        logits: logits of the classifier; log-probabilities work as well.
        labels: index of the true class.

    Shape:
        logits: ``(rows, classes)``. labels: ``(rows,)`` integers.

    Raises:
        ValueError: if the shapes do not match or there is no row.
    """
    logits, labels = _checked(logits, labels)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean()

    bounds = (-np.log(MAX_TEMPERATURE), np.log(MAX_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean difference between confidence and accuracy (Guo et al., 2017).

    ``ECE = sum over bins of (rows in the bin / rows) * |accuracy - mean confidence|``, where
    confidence is the probability of the most probable class. The `BINS` bins divide 0 to 1 into
    equal parts; each includes its upper end.

    Args:
        probabilities: class probabilities.
        labels: index of the true class.

    Shape:
        probabilities: ``(rows, classes)``. labels: ``(rows,)`` integers.

    Raises:
        ValueError: if the shapes do not match or there is no row.
    """
    probabilities, labels = _checked(probabilities, labels)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    # Per bin: number of rows times (accuracy - mean confidence).
    gap = np.bincount(bin_index, correct - confidence, minlength=BINS)
    return float(np.abs(gap).sum() / len(labels))


def calibration(predictions: pd.DataFrame) -> dict[str, float]:
    """Calibration error of a run on the test songs, before and after temperature scaling.

    The temperature of each half of the songs, drawn at random with a fixed seed, is fitted on the
    other half, so that no song influences its own temperature.

    Args:
        predictions: a table of predictions, see `camil.evaluation.metrics`.

    Returns:
        ``ece``, ``ece_tempered`` (NaN for fewer than two songs) and ``temperature``, the geometric
        mean over the halves.
    """
    shares = class_probabilities(predictions)
    probabilities = shares.to_numpy(float)
    true = shares.columns.get_indexer(predictions["instrument"])
    ece = expected_calibration_error(probabilities, true)
    songs = np.unique(predictions["song"])
    if len(songs) < 2:
        return {"ece": ece, "ece_tempered": np.nan, "temperature": np.nan}
    first = np.random.default_rng(0).permutation(songs)[: len(songs) // 2]
    half = predictions["song"].isin(first).to_numpy()
    logits = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    tempered, temperatures = np.empty_like(logits), []
    for part in (half, ~half):
        temperatures.append(fit_temperature(logits[~part], true[~part]))
        tempered[part] = softmax(logits[part] / temperatures[-1], axis=1)
    return {
        "ece": ece,
        "ece_tempered": expected_calibration_error(tempered, true),
        "temperature": float(np.exp(np.mean(np.log(temperatures)))),
    }


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(
            "scores must be (rows, classes) and labels (rows,), with one row at least, got "
            f"{scores.shape} and {labels.shape}"
        )
    return scores, labels
