"""Whether a classifier is right as often as it says, before and after it is tempered."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from camil.evaluation import SMALLEST_PROBABILITY

BINS = 15  # of equal width, as Guo et al. have them


def calibration_error(right: ArrayLike, confidence: ArrayLike, bins: int = BINS) -> float:
    """The expected calibration error: how far confidence is from the share of right answers.

    ``ECE = Σ_b n_b / n |accuracy(b) - confidence(b)|`` over bins of equal width (Guo, Pleiss, Sun &
    Weinberger, 2017).

    Args:
        right: ``(rows,)`` of bool, whether the predicted class is the true one.
        confidence: ``(rows,)``, the probability of the predicted class.

    Raises:
        ValueError: if there are no rows or the lengths differ.
    """
    right, confidence = np.asarray(right, dtype=float), np.asarray(confidence, dtype=float)
    if right.shape != confidence.shape or right.ndim != 1 or not len(right):
        raise ValueError(
            "right and confidence must be of one length and not empty, "
            f"got {right.shape} and {confidence.shape}"
        )
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def tempered(probabilities: NDArray, temperature: float) -> NDArray:
    """``softmax(log p / T)``: above 1 a temperature takes certainty away, below 1 it adds some.

    Shape:
        probabilities: ``(rows, classes)``; returns the same.
    """
    logits = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def best_temperature(probabilities: NDArray, true: NDArray) -> float:
    """The temperature, from 0.1 to 10, under which the true classes are likeliest.

    Shape:
        probabilities: ``(rows, classes)``; true: ``(rows,)`` of integers, columns.
    """

    def surprise(log_temperature: float) -> float:
        likelihood = tempered(probabilities, np.exp(log_temperature))[np.arange(len(true)), true]
        return -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean()

    found = minimize_scalar(surprise, bounds=(np.log(0.1), np.log(10)), method="bounded")
    return float(np.exp(found.x))


def calibration(predictions: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    """The calibration error of a run, as it is and tempered.

    The temperature of each half of the test songs is found on the other half, so that no song has
    a say in its own.

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
    right = probabilities.argmax(axis=1) == true
    ece = calibration_error(right, probabilities.max(axis=1))
    songs = np.unique(predictions["song"])
    if len(songs) < 2:
        return {"ece": ece, "ece_tempered": np.nan, "temperature": np.nan}
    first = np.random.default_rng(seed).permutation(songs)[: len(songs) // 2]
    half = predictions["song"].isin(first).to_numpy()
    confidence, temperatures = np.empty(len(true)), []
    for part in (half, ~half):
        temperatures.append(best_temperature(probabilities[~part], true[~part]))
        confidence[part] = tempered(probabilities[part], temperatures[-1]).max(axis=1)
    return {
        "ece": ece,
        "ece_tempered": calibration_error(right, confidence),
        "temperature": float(np.exp(np.mean(np.log(temperatures)))),
    }
