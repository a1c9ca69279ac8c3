"""What one setting does, a small figure each."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camil.figures.style import COLUMN, condition_style, require_columns, styled


@styled
def effects(found: pd.DataFrame, by: str, reference=None, label: str = "") -> Figure:
    """Macro-F1 at each value of a setting, with its interval; the reference is filled.

    Args:
        found: of `camil.evaluation.questions.effect`.
        label: of the values, with their unit.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    require_columns(found, [by, "macro_f1", "low", "high"], "The effect of a setting")
    figure, axes = plt.subplots(figsize=(COLUMN, 0.7 + 0.28 * len(found)))
    for place, row in enumerate(found.to_dict("records")):
        ends = [[row["macro_f1"] - row["low"]], [row["high"] - row["macro_f1"]]]
        own = row[by] == reference
        axes.errorbar(
            row["macro_f1"], place, xerr=np.maximum(ends, 0), marker="o", markersize=5, capsize=2,
            color="#1F5FA8", markerfacecolor="#1F5FA8" if own else "white",
        )  # fmt: skip
    axes.set_yticks(range(len(found)), [str(value) for value in found[by]])
    axes.set(xlabel="macro-F1 (test)", ylabel=label or by.replace("_", " "))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="x")
    return figure


@styled
def shrinking(found: pd.DataFrame) -> Figure:
    """Macro-F1 over the share of training songs, which shrinks to the left; a line a condition.

    Args:
        found: columns condition, train_fraction (0 to 1), macro_f1, low and high.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    needed = ["condition", "train_fraction", "macro_f1", "low", "high"]
    require_columns(found, needed, "Shrinking data")
    figure, axes = plt.subplots(figsize=(COLUMN, 2.8))
    for name, rows in found.groupby("condition", sort=False):
        rows = rows.sort_values("train_fraction")
        colour, marker = condition_style(name)
        share = 100 * rows["train_fraction"]
        axes.fill_between(share, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(share, rows["macro_f1"], color=colour, marker=marker, markersize=4, label=name)
    shares = np.sort(found["train_fraction"].unique()) * 100
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:g} %" for share in shares])
    axes.minorticks_off()
    axes.set(xlabel="training songs used", ylabel="macro-F1 (test)")
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
