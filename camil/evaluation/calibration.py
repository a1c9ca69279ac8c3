"""Probabilities that mean what they say: of a hundred labels at .7, seventy are right."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from camil.evaluation.metrics import SMALLEST_PROBABILITY

BINS = 15
HOTTEST = 20.0  # a temperature beyond this, or below its inverse, says that logits mean nothing


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T by which ``softmax(logits / T)`` has the least negative log-likelihood.

    Temperature scaling changes how sure a classifier is, never what it says (Guo et al., 2017). It
    is to be fitted on songs that the classifier was not trained on.

    Args:
        logits: ``(rows, classes)``; log-probabilities will do.
        labels: ``(rows,)``, the index of the true class.

    Raises:
        ValueError: if the shapes do not belong together or there is no row.
    """
    logits, labels = _checked(logits, labels)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean()

    bounds = (-np.log(HOTTEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS
) -> float:
    """How far confidence and accuracy are apart, on average (Guo et al., 2017).

    ``ECE = sum over bins of (rows in the bin / rows) * |accuracy - mean confidence|``, where
    confidence is the probability of the most probable class, and the bins split 0 to 1 into equal
    parts, the upper end of each included.

    Args:
        probabilities: ``(rows, classes)``.
        labels: ``(rows,)``, the index of the true class.

    Raises:
        ValueError: if the shapes do not belong together or there is no row.
    """
    probabilities, labels = _checked(probabilities, labels)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, right - confidence, minlength=bins)  # rows times the bin's difference
    return float(np.abs(gap).sum() / len(labels))


def calibration(predictions: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    """The calibration error of a run on the test songs, as it is and tempered.

    The temperature of each half of the songs is found on the other half, so that no song has a say
    in its own.

    Args:
        predictions: a table of predictions, see `camil.evaluation`.
        seed: deals the songs to halves.

    Returns:
        ``ece``, ``ece_tempered`` (NaN for fewer than two songs) and ``temperature``, the halves'
        geometric mean.
    """
    columns = [name for name in predictions.columns if name.startswith("p_")]
    classes = [name.removeprefix("p_") for name in columns]
    probabilities = predictions[columns].to_numpy(float)
    true = pd.Index(classes).get_indexer(predictions["instrument"])
    ece = expected_calibration_error(probabilities, true)
    songs = np.unique(predictions["song"])
    if len(songs) < 2:
        return {"ece": ece, "ece_tempered": np.nan, "temperature": np.nan}
    first = np.random.default_rng(seed).permutation(songs)[: len(songs) // 2]
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
            f"needs (rows, classes) and (rows,), one row at least, got {scores.shape} and "
            f"{labels.shape}"
        )
    return scores, labels
