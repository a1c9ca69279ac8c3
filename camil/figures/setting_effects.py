"""Macro-F1 as a function of one setting."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camil.evaluation.columns import require_columns
from camil.figures.style import COLUMN, MIDI, styled


@styled
def effects(
    table: pd.DataFrame, by: str, reference=None, label: str = "", songs: str = "test"
) -> Figure:
    """Macro-F1 with its interval at each value of a setting; the reference has a filled marker.

    Args:
        table: the table of `camil.evaluation.comparisons.effect`.
        by: column with the values of the setting.
        reference: the value whose marker is filled.
        label: axis label of the values, with their unit.
        songs: the split of the songs that were classified.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    require_columns(table, [by, "macro_f1", "low", "high"], "The effect of a setting")
    figure, axes = plt.subplots(figsize=(COLUMN, 0.7 + 0.28 * len(table)))
    for index, row in enumerate(table.to_dict("records")):
        ends = [[row["macro_f1"] - row["low"]], [row["high"] - row["macro_f1"]]]
        axes.errorbar(
            row["macro_f1"], index, xerr=np.maximum(ends, 0), marker="o", markersize=5, capsize=2,
            color=MIDI, markerfacecolor=MIDI if row[by] == reference else "white",
        )  # fmt: skip
    names = [textwrap.fill(str(value), 32) for value in table[by]]
    axes.set_yticks(range(len(table)), names, linespacing=0.9)
    axes.set(xlabel=f"macro-F1 ({songs})", ylabel=label or by.replace("_", " "))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="x")
    return figure
