"""The joint space, coloured by what one may ask of it."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camil.figures.style import COLOURS, PAGE, require_columns, styled

# Of every column, the colour of each of its values; songs are too many to be named.
COLOURINGS: Mapping[str, Mapping[str, str]] = {
    "instrument": COLOURS,
    "modality": {"MIDI": "#1F5FA8", "audio": "#E69F00"},
    "song": {},
    "right": {"yes": "#9ECAE1", "no": "#C44E52"},
}
TITLES = {"right": "named rightly by a probe?"}


@styled
def colourings(table: pd.DataFrame) -> Figure:
    """The same points four times: by instrument, by modality, by song, by correctness.

    Args:
        table: a row a point, with x, y, instrument, modality (MIDI or audio), song, and right
            (yes or no).

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    require_columns(table, ["x", "y", *COLOURINGS], "The coloured joint space")
    figure, panels = plt.subplots(1, 4, figsize=(PAGE, 2.6))
    order = np.random.default_rng(0).permutation(len(table))  # that no class hides another
    table = table.iloc[order]
    size = float(np.clip(2000 / len(table), 0.5, 6))
    for axes, (column, colours) in zip(panels, COLOURINGS.items(), strict=True):
        values = table[column].astype(str)
        if colours:
            shades = values.map(colours)
        else:
            shades = plt.colormaps["hsv"](values.rank(method="dense") / values.nunique())
        axes.scatter(table["x"], table["y"], s=size, c=shades, linewidths=0)
        axes.set(xticks=[], yticks=[])
        axes.set_title(TITLES.get(column, column), fontsize=7)
        shown = [name for name in colours if name in set(values)]
        axes.legend(
            handles=[Line2D([], [], linestyle="", marker="o", markersize=3.5, label=name,
                            color=colours[name]) for name in shown]
            or [Line2D([], [], linestyle="", label=f"{values.nunique()} songs")],
            loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, fontsize=6.5,
            handletextpad=0.1, columnspacing=0.8,
        )  # fmt: skip
    return figure
