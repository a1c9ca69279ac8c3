"""Which songs are trained on, and which are kept to choose by and to test on."""

from collections.abc import Sequence

import numpy as np


def splits_of(groups: Sequence[str], seed: int = 0) -> dict[str, str]:
    """Deal groups of songs to train (70 %), validation (15 %) and test (15 %).

    Songs of one group stay together, so a song and its copies never face each other across a
    split.

    Args:
        groups: one entry a song; repeats are one group.

    Returns:
        The split of each group; from three groups on, no split is empty.
    """
    names = np.unique(np.asarray(groups, dtype=object).astype(str))
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = max(round(0.15 * len(names)), 1) if len(names) >= 3 else 0
    split = np.full(len(names), "train", dtype=object)
    split[order[:held_out]] = "test"
    split[order[held_out : 2 * held_out]] = "validation"
    return dict(zip(names.tolist(), split.tolist(), strict=True))
