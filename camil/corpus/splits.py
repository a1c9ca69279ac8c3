"""Assignment of songs to training, validation and test."""

from collections.abc import Sequence

import numpy as np


def splits_of(groups: Sequence[str], seed: int = 0) -> dict[str, str]:
    """Assign groups of songs to train (70 %), validation (15 %) and test (15 %) at random.

    Songs of one group are in one split, so a song and its copies are never in train and test.

    Args:
        groups: group of each song.
        seed: random seed of the assignment.

    Returns:
        The split of each group. With three or more groups, no split is empty.
    """
    names = np.unique(np.asarray(groups, dtype=object).astype(str))
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = max(round(0.15 * len(names)), 1) if len(names) >= 3 else 0
    split = np.full(len(names), "train", dtype=object)
    split[order[:held_out]] = "test"
    split[order[held_out : 2 * held_out]] = "validation"
    return dict(zip(names.tolist(), split.tolist(), strict=True))
