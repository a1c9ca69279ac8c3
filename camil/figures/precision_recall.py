"""Precision against recall of a search for errors."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from camil.evaluation.columns import require_columns
from camil.figures.style import AUDIO, COLUMN, MIDI, styled

_COLOURS = (MIDI, AUDIO)


@styled
def precision_recall(curves: pd.DataFrame, share: float, recall: float = 0.5) -> Figure:
    """Precision against recall, one line per group of tracks.

    A dashed line shows the precision of a random order, and a dot on each line the precision at a
    given recall.

    Args:
        curves: the table of `camil.evaluation.planted_errors.precision_recall`.
        share: share of errors among all tracks, the precision of a random order.
        recall: position of the dots.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    require_columns(curves, ["compared", "recall", "precision"], "The precision-recall curve")
    figure, axes = plt.subplots(figsize=(COLUMN, 2.5))
    groups = curves.groupby("compared", sort=False)
    for number, (name, rows) in enumerate(groups):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(
            rows["recall"], rows["precision"], color=colour, drawstyle="steps-pre", label=name
        )
        reached = rows[rows["recall"] >= recall].iloc[0]
        axes.plot(reached["recall"], reached["precision"], "o", color=colour, markersize=4)
    axes.axhline(share, color="0.5", linestyle="--", linewidth=0.8, label="random order")
    axes.set(xlabel="recall: share of the errors found", ylabel="precision: share of errors")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure
