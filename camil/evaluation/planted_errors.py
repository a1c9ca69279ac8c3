"""Measure an audit of programs by planted errors.

The wrong programs of a collection are not known. Planting adds some: a random share of the tracks
receives a random other class as its written class, and a good audit ranks these tracks first.
Tracks that were wrong before count as correct, which lowers the precision; among tracks whose name
confirms their program there are few.

A table of audited tracks has one row per track: ``file`` (the song), ``family`` (the class of the
written program), ``name_verdict``, ``suspicion``, and a probability per class, ``p_Guitar`` ...,
with ``p_other`` for no class. `camil.labelling.audit.audit` makes it.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camil.evaluation.columns import require_columns
from camil.midi.instrument_words import CONFIRMS, CONTRADICTS, OTHER

SHARE = 0.05  # of the tracks receive an error
# The limit of `camil.evaluation.metrics`, which imports scikit-learn: an audit does not need it.
SMALLEST_PROBABILITY = 1e-7
RECALL = 0.5  # at which precision is measured
ALL, CONFIRMED, CONTRADICTED = "all tracks", "name confirms", "name contradicts"
_COLUMNS = ("file", "family", "name_verdict")


def suspicion(probability: ArrayLike) -> NDArray:
    """The log odds that a part is not of its written class: ``log((1 - p) / p)``.

    Above 0, the part is more probably of some other class than of the written one. Unlike the
    difference to the best class, ``log(best / p)``, it also ranks the tracks whose written class is
    the best: one with a probability of 0.4 is more suspicious than one with 0.99.

    Args:
        probability: of the written class; counts as 1e-7 at least, and as 1 - 1e-7 at most.
    """
    limited = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log1p(-limited) - np.log(limited)


def plant(tracks: pd.DataFrame, share: float = SHARE, seed: int = 0) -> pd.DataFrame:
    """Give a random share of the tracks a random other class.

    Args:
        tracks: audited tracks. Those whose program is of no class are left out.
        share: of the tracks, above 0 and below 1; rounded to whole tracks, at least one.
        seed: random seed.

    Returns:
        The tracks with ``planted`` (True for the errors), and with ``family``, ``probability`` and
        ``suspicion`` of the class that they are said to be of.

    Raises:
        ValueError: if a column is missing, there are fewer than two tracks, or the share is not
            between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    found, classes = _of_a_class(tracks)
    generator = np.random.default_rng(seed)
    count = max(round(share * len(found)), 1)
    chosen = generator.choice(len(found), count, replace=False)
    family = pd.Index(classes).get_indexer(found["family"])
    # A step of 1 to n - 1 classes around the circle of n leads to each other class equally often.
    steps = generator.integers(1, len(classes), count)
    family[chosen] = (family[chosen] + steps) % len(classes)
    found["planted"] = np.isin(np.arange(len(found)), chosen)
    found["family"] = np.asarray(classes, dtype=object)[family]
    found["probability"] = _probability_of_family(found, classes)
    found["suspicion"] = suspicion(found["probability"])
    return found


def planting_scores(
    tracks: pd.DataFrame,
    share: float = SHARE,
    plantings: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How well suspicion finds errors, with bootstrap intervals over songs.

    Args:
        tracks: audited tracks.
        share: of the tracks that receive an error.
        plantings: number of independent plantings, over which scores are averaged.
        resamples: number of resamples of the songs for the 95 % intervals.
        seed: random seed of plantings and resamples.

    Returns:
        One row per comparison: ``all tracks`` and ``name confirms`` separate planted from other
        tracks, the latter among tracks whose name confirms their true program; ``name contradicts``
        separates such tracks, without planting, from those whose name confirms their program.
        Columns: ``tracks`` and ``wrong`` (their number, the latter averaged over plantings),
        ``auc`` (area under the ROC curve) and ``precision`` at recall 0.5, each with ``_low`` and
        ``_high``. NaN where there is no track of a kind.

    Raises:
        ValueError: under the conditions of `plant`.
    """
    known, classes = _of_a_class(tracks)
    verdict = known["name_verdict"].to_numpy()
    planted = [plant(tracks, share, seed + number) for number in range(plantings)]
    marked = [(one["planted"].to_numpy(), one["suspicion"].to_numpy()) for one in planted]
    by_name = [(verdict == CONTRADICTS, suspicion(_probability_of_family(known, classes)))]
    comparisons = {
        ALL: (marked, np.full(len(known), True)),
        CONFIRMED: (marked, verdict == CONFIRMS),
        CONTRADICTED: (by_name, np.isin(verdict, (CONFIRMS, CONTRADICTS))),
    }
    _, song = np.unique(known["file"], return_inverse=True)
    generator = np.random.default_rng(seed)
    songs = song.max() + 1
    times_drawn = np.stack(
        [
            np.bincount(generator.integers(songs, size=songs), minlength=songs)
            for _ in range(resamples)
        ]
    )
    rows = {
        name: _scores_with_intervals(
            [(wrong[used], scores[used]) for wrong, scores in pairs], song[used], times_drawn
        )
        for name, (pairs, used) in comparisons.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("compared").reset_index()


def precision_recall(planted: pd.DataFrame) -> pd.DataFrame:
    """The precision-recall curve of a planting, for all tracks and for those with confirming names.

    Args:
        planted: from `plant`.

    Returns:
        One row per threshold, from high to low: ``compared``, ``suspicion`` (the threshold),
        ``recall`` (share of the planted errors at or above it) and ``precision`` (share of planted
        errors among the tracks at or above it).
    """
    curves = []
    confirmed = planted[planted["name_verdict"] == CONFIRMS]
    for name, rows in {ALL: planted, CONFIRMED: confirmed}.items():
        wrong = rows["planted"].to_numpy()
        thresholds, found, flagged = _counts(wrong, rows["suspicion"], np.ones(len(rows)))
        if wrong.any():
            columns = {"recall": found / found[-1], "precision": found / (found + flagged)}
            curves.append(pd.DataFrame({"compared": name, "suspicion": thresholds} | columns))
    return pd.concat(curves, ignore_index=True)


def separation(wrong: ArrayLike, scores: ArrayLike, weights: ArrayLike) -> tuple[float, float]:
    """How well scores separate wrong tracks from others.

    Args:
        wrong: ``(tracks,)`` bool.
        scores: ``(tracks,)``; higher is more suspicious.
        weights: ``(tracks,)``; number of times that a track counts.

    Returns:
        The area under the ROC curve, with ties counted half, and the precision at the highest
        threshold that finds at least `RECALL` of the wrong tracks; NaN without a wrong or without
        another track.
    """
    _, found, flagged = _counts(wrong, scores, weights)
    if not found[-1:].any() or not flagged[-1:].any():
        return np.nan, np.nan
    bad, good = np.diff(found, prepend=0), np.diff(flagged, prepend=0)
    auc = (bad * (flagged[-1] - flagged + good / 2)).sum() / (found[-1] * flagged[-1])
    threshold = np.searchsorted(found, RECALL * found[-1])
    return float(auc), float(found[threshold] / (found[threshold] + flagged[threshold]))


def _counts(
    wrong: ArrayLike, scores: ArrayLike, weights: ArrayLike
) -> tuple[NDArray, NDArray, NDArray]:
    """Thresholds from high to low, and the wrong and other tracks at or above each."""
    wrong, weights = np.asarray(wrong, dtype=bool), np.asarray(weights, dtype=float)
    values, group = np.unique(-np.asarray(scores, dtype=float), return_inverse=True)
    found = np.bincount(group, weights * wrong, len(values)).cumsum()
    flagged = np.bincount(group, weights * ~wrong, len(values)).cumsum()
    return -values, found, flagged


def _of_a_class(tracks: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The tracks whose program is of a class, and the classes."""
    require_columns(tracks, _COLUMNS, "Planting errors")
    classes = [name[2:] for name in tracks if name.startswith("p_") and name[2:] != OTHER]
    found = tracks[tracks["family"].isin(classes)].reset_index(drop=True)
    if len(found) < 2:
        raise ValueError(f"planting errors needs at least 2 tracks of a class, got {len(found)}")
    return found, classes


def _probability_of_family(tracks: pd.DataFrame, classes: list[str]) -> NDArray:
    """The probability of each track's ``family``, one of the classes."""
    probabilities = tracks[[f"p_{name}" for name in classes]].to_numpy()
    return probabilities[np.arange(len(tracks)), pd.Index(classes).get_indexer(tracks["family"])]


def _scores_with_intervals(
    pairs: list[tuple[NDArray, NDArray]], song: NDArray, times_drawn: NDArray
) -> dict[str, float]:
    """A row of `planting_scores`: means over pairs of (wrong, scores), and intervals.

    Args:
        song: ``(tracks,)`` index of the song of each track.
        times_drawn: ``(resamples, songs)``.
    """
    row = {"tracks": len(song), "wrong": float(np.mean([wrong.sum() for wrong, _ in pairs]))}
    measured = np.mean([separation(*pair, np.ones(len(song))) for pair in pairs], axis=0)
    resampled = np.array(
        [
            np.mean([separation(*pair, drawn[song]) for pair in pairs], axis=0)
            for drawn in times_drawn
        ]
    )
    for index, name in enumerate(("auc", "precision")):
        known = resampled[:, index][~np.isnan(resampled[:, index])]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        row |= {name: measured[index], f"{name}_low": low, f"{name}_high": high}
    return row
