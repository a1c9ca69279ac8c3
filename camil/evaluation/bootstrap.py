"""Bootstrap over test songs: confusion matrices by song, resampled values and their interval."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camil.evaluation.columns import require_columns

KEYS = ("song", "track", "start_beat", "instrument")  # identify a test segment


def resample(
    runs: Sequence[pd.DataFrame],
    statistic: Callable[[NDArray], NDArray],
    resamples: int = 1000,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> tuple[NDArray, NDArray]:
    """Compute a statistic of each run, for all test songs and for resamples of them.

    Songs are drawn with replacement, as many as there are, the same ones for every run, so that
    differences between runs are paired.

    Args:
        runs: one table of predictions per run, all of the same test segments.
        statistic: from counts of (true, predicted), ``(runs, classes, classes)``, to one value per
            run, ``(runs,)``.
        resamples: number of resamples.
        seed: random seed of the resampling.
        classes: names of the rows and columns of the counts; by default those that occur, sorted.

    Returns:
        The values ``(runs,)`` and the values of the resamples ``(resamples, runs)``.

    Raises:
        ValueError: if there are no runs, if runs do not contain the same segments, if there are
            fewer than two songs (one song has no variation), if ``resamples`` is below 1, or if a
            name is none of ``classes``.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    by_song = counts_by_song(runs, classes)
    songs = len(by_song)
    if songs < 2:
        raise ValueError(f"resampling songs needs at least 2 test songs, got {songs}")
    generator = np.random.default_rng(seed)
    resampled = np.empty((resamples, len(runs)))
    for row in resampled:
        times_drawn = np.bincount(generator.integers(songs, size=songs), minlength=songs)
        row[:] = statistic(np.tensordot(times_drawn, by_song, axes=1))
    return statistic(by_song.sum(axis=0)), resampled


def counts_by_song(runs: Sequence[pd.DataFrame], classes: Sequence[str] | None = None) -> NDArray:
    """Counts ``(songs, runs, classes, classes)`` of (true, predicted); songs in sorted order.

    Arguments and errors as for `resample`.
    """
    if not len(runs):
        raise ValueError("there are no runs to evaluate")
    for run in runs:
        require_columns(run, ("song", "instrument", "predicted"), "An interval")
    for number, other in enumerate(runs[1:], start=1):
        if not same_segments(runs[0], other):
            raise ValueError(
                f"runs 0 and {number} do not contain the same test segments ({len(runs[0])} and "
                f"{len(other)} rows): compare runs of one corpus and split only"
            )
    songs = np.unique(names_in(runs[0]["song"], "song"))
    pairs = [
        (names_in(run["instrument"], "instrument"), names_in(run["predicted"], "predicted"))
        for run in runs
    ]
    if classes is None:
        classes = np.unique(np.concatenate([names for pair in pairs for names in pair]))
    elif unknown := {name for pair in pairs for names in pair for name in names} - set(classes):
        raise ValueError(f"predictions contain {', '.join(sorted(unknown))}, not among the classes")
    number_of = pd.Index(classes)
    counts = np.zeros((len(songs), len(runs), len(classes), len(classes)))
    for number, (run, pair) in enumerate(zip(runs, pairs, strict=True)):
        song = np.searchsorted(songs, names_in(run["song"], "song"))
        true, predicted = (number_of.get_indexer(names) for names in pair)
        np.add.at(counts, (song, number, true, predicted), 1)
    return counts


def interval(values: NDArray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of resampled values: its lower and upper end.

    Args:
        values: ``(resamples,)``.
        level: share of the resamples inside the interval.

    Raises:
        ValueError: if the level does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def same_segments(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables of predictions are of the same test segments, in any order."""
    return _segments(one).equals(_segments(other))


def names_in(values: ArrayLike, column: str) -> NDArray:
    """A column of names as an array of strings.

    Raises:
        ValueError: if a name is missing.
    """
    if pd.isna(np.asarray(values, dtype=object)).any():
        raise ValueError(f"{column} has missing values")
    return np.asarray(values).astype(str)


def _segments(run: pd.DataFrame) -> pd.DataFrame:
    """The segments of a table of predictions, sorted."""
    keys = [key for key in KEYS if key in run.columns]
    return run[keys].sort_values(keys, ignore_index=True)
