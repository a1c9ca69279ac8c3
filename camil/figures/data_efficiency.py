"""Macro-F1 against the share of the training songs."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camil.evaluation.columns import require_columns
from camil.figures.style import COLUMN, condition_style, styled

LINES = ("-", "--", ":")  # of conditions of one colour
LONG_NAME = 24  # characters; with a longer name, the legend has one column


@styled
def data_efficiency(table: pd.DataFrame) -> Figure:
    """Macro-F1 against the share of training songs: one line per condition, intervals as bars.

    Args:
        table: rows of Table I with ``condition``, ``train_fraction`` (0 to 1), ``macro_f1``,
            ``macro_f1_low`` and ``macro_f1_high``; an interval may be missing (NaN).

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    needed = ["condition", "train_fraction", "macro_f1", "macro_f1_low", "macro_f1_high"]
    require_columns(table, needed, "Data efficiency")
    conditions = list(dict.fromkeys(table["condition"]))
    fractions = np.sort(table["train_fraction"].unique()) * 100
    audio = table["condition"].str.startswith("AIC")
    parts = [part for part in (table[audio], table[~audio]) if len(part)]
    limits = [_limits(part[needed[2:]].to_numpy(float)) for part in parts]
    if len(parts) == 2 and limits[0][0] - limits[1][1] < 0.05:  # no gap to omit
        parts, limits = [table], [_limits(table[needed[2:]].to_numpy(float))]
    # The audio reference is far above the rest; a broken axis with one scale keeps both legible.
    figure, column = plt.subplots(
        len(parts), sharex=True, squeeze=False, figsize=(COLUMN, 2.9),
        height_ratios=[high - low for low, high in limits],
    )  # fmt: skip
    # Shifted sideways, because the bars of one fraction would cover each other.
    gap = 0.035 * (np.diff(fractions).min() if len(fractions) > 1 else 50)
    for axes, part, limit in zip(column[:, 0], parts, limits, strict=True):
        for condition, rows in part.groupby("condition", sort=False):
            shift = gap * (conditions.index(condition) - (len(conditions) - 1) / 2)
            _intervals(axes, condition, rows.sort_values("train_fraction"), shift)
        axes.set_ylim(limit)
        axes.yaxis.set_major_locator(
            plt.MultipleLocator(0.05 if sum(map(np.ptp, limits)) < 0.5 else 0.1)
        )
        axes.grid(axis="y")
    column[-1, 0].set_xticks(fractions, [f"{fraction:g} %" for fraction in fractions])
    column[-1, 0].margins(x=0.12)
    column[-1, 0].set(xlabel="training songs used", ylabel="macro-F1 (test)")
    if len(parts) == 2:
        _break(*column[:, 0])
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1.2, handlelength=1.8)
    return figure


def _limits(scores: np.ndarray) -> tuple[float, float]:
    """Axis limits with a margin, never of zero height."""
    return float(np.nanmin(scores)) - 0.015, float(np.nanmax(scores)) + 0.015


def _intervals(axes: Axes, condition: str, rows: pd.DataFrame, shift: float) -> None:
    """Draw the line of a condition with its intervals, shifted right by `shift` percent."""
    f1, low, high = rows[["macro_f1", "macro_f1_low", "macro_f1_high"]].to_numpy(float).T
    colour, marker = condition_style(condition)
    axes.errorbar(
        100 * rows["train_fraction"] + shift, f1,
        yerr=np.nan_to_num([f1 - low, high - f1]).clip(min=0), color=colour, marker=marker,
        markersize=4, linewidth=1.1, elinewidth=0.8, capsize=1.8, label=condition,
        linestyle="--" if condition.startswith("Unsupervised") else "-",
    )  # fmt: skip


def _break(above: Axes, below: Axes) -> None:
    """Mark the omitted part of the vertical axis by slanted strokes."""
    above.spines.bottom.set_visible(False)
    above.tick_params(bottom=False)
    stroke = {"marker": [(-1, -0.5), (1, 0.5)], "markersize": 6, "color": "0.2", "clip_on": False}
    above.plot([0], [0], transform=above.transAxes, linestyle="", markeredgewidth=0.6, **stroke)
    below.plot([0], [1], transform=below.transAxes, linestyle="", markeredgewidth=0.6, **stroke)


@styled
def shrinking(table: pd.DataFrame, xlabel: str = "training songs used") -> Figure:
    """Macro-F1 against the share of training songs on a logarithmic axis, with interval bands.

    Conditions of one style differ in their lines. A condition with one share is a point with a bar,
    a little to the right.

    Args:
        table: columns ``condition``, ``train_fraction`` (0 to 1), ``macro_f1``, ``low`` and
            ``high``.
        xlabel: label of the horizontal axis.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    needed = ["condition", "train_fraction", "macro_f1", "low", "high"]
    require_columns(table, needed, "Shrinking data")
    names = list(dict.fromkeys(table["condition"]))
    columns = 2 if max(map(len, names)) <= LONG_NAME else 1
    figure, axes = plt.subplots(figsize=(COLUMN, 2.65 + 0.15 * -(-len(names) // columns)))
    styles, points = Counter(), 0
    for name, rows in table.groupby("condition", sort=False):
        rows = rows.sort_values("train_fraction")
        colour, marker = condition_style(name)
        line, share = LINES[styles[colour] % len(LINES)], 100 * rows["train_fraction"]
        styles[colour] += 1
        if len(rows) == 1 < table["train_fraction"].nunique():
            points += 1
            share = share * 1.08**points
            axes.vlines(share, rows["low"], rows["high"], color=colour, linewidth=0.8)
        axes.fill_between(share, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            share, rows["macro_f1"], line, color=colour, marker=marker, markersize=4, label=name
        )
    shares = np.sort(table["train_fraction"].unique()) * 100
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:g} %" for share in shares])
    axes.minorticks_off()
    axes.set(xlabel=xlabel, ylabel="macro-F1 (test)")
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=columns)
    return figure
