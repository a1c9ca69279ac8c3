"""Statistics of values that are stored group after group, computed for all groups at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class Groups:
    """Statistics per group of values that are stored group after group."""

    first: np.ndarray  # (groups,), index of each group's first value
    count: np.ndarray  # (groups,)

    @classmethod
    def of(cls, key: np.ndarray) -> "Groups":
        """Groups of consecutive equal keys."""
        first = np.flatnonzero(np.r_[len(key) > 0, key[1:] != key[:-1]])
        return cls(first, np.diff(np.r_[first, len(key)]))

    def total(self, values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values.astype(float), self.first)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return self.total(values) / self.count

    def spread(self, values: np.ndarray) -> np.ndarray:
        from_mean = values - np.repeat(self.mean(values), self.count)
        return np.sqrt(self.mean(from_mean**2))

    def least(self, values: np.ndarray) -> np.ndarray:
        return np.minimum.reduceat(values, self.first)

    def most(self, values: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(values, self.first)

    def quantile(self, values: np.ndarray, share: float) -> np.ndarray:
        """The quantile at ``share``, interpolated linearly as `numpy.quantile` does."""
        return self.quantiles(values, [share])[0]

    def quantiles(self, values: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
        """The quantiles at several shares, from one sort."""
        ascending = self._sorted(values)
        found = []
        for share in shares:
            rank = share * (self.count - 1)
            below = rank.astype(int)
            low = ascending[self.first + below]
            high = ascending[self.first + np.minimum(below + 1, self.count - 1)]
            found.append(low + (rank - below) * (high - low))
        return found

    def distinct(self, values: np.ndarray) -> np.ndarray:
        """The number of different integers."""
        ascending = self._sorted(values)
        differs = np.diff(ascending, prepend=0) != 0
        differs[self.first] = True
        return np.add.reduceat(differs, self.first, dtype=np.int64)

    def _sorted(self, values: np.ndarray) -> np.ndarray:
        """Integers, ascending within each group. One key sorts faster than two."""
        lowest = values.min(initial=0)
        span = int(values.max(initial=0) - lowest) + 1
        shift = np.repeat(np.arange(len(self.first)) * span, self.count) - lowest
        return np.sort(values + shift) - shift


def mean_and_deviation(values: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of consecutive rows, without NaN: ``(groups, columns)`` each.

    A group's result depends only on its own rows, to the last bit, so that features are the same
    whether they are computed for one song or for a corpus. pandas does not ensure this. The means
    are compensated sums (Kahan, 1965), the deviations those of Welford (1962).

    Args:
        values: ``(rows, columns)``, group after group.
        count: ``(groups,)``, the number of rows of each.
    """
    first = np.cumsum(count) - count
    shape = len(count), values.shape[1]
    total, lost, known, mean, squares = (np.zeros(shape) for _ in range(5))
    for index in range(int(count.max())):
        group = np.flatnonzero(count > index)
        value = values[first[group] + index]
        valid = ~np.isnan(value)
        value = np.where(valid, value, 0)
        summand = value - lost[group]
        new_total = total[group] + summand
        new_lost = (new_total - total[group]) - summand
        lost[group] = np.where(valid, new_lost, lost[group])
        total[group] = np.where(valid, new_total, total[group])
        known[group] += valid
        old = mean[group]
        new = np.where(valid, old + (value - old) / np.maximum(known[group], 1), old)
        squares[group] += np.where(valid, (value - new) * (value - old), 0)
        mean[group] = new
    with np.errstate(invalid="ignore"):
        return total / known, np.sqrt(squares / known)
