"""Bar charts with one row per instrument."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from camil.figures.style import COLUMN, PAGE, require_instruments, styled
from camil.midi.instruments import FAMILIES, InstrumentTable

PALE = 0.45  # opacity of the second level


@styled
def class_counts(names: Iterable[str], instruments: InstrumentTable = FAMILIES) -> Figure:
    """Segments per instrument.

    Args:
        names: class name per segment.
        instruments: the classes, in the order of the bars.

    Raises:
        ValueError: if there is no segment or a class is unknown.
    """
    names = require_instruments(names, "The counts of classes", instruments)
    counts = [int((names == name).sum()) for name in instruments.names]
    figure, axes = plt.subplots(figsize=(COLUMN, 1.7))
    bars = axes.barh(instruments.names, counts, color=list(instruments.colours.values()))
    axes.bar_label(bars, padding=2, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("segments")
    return figure


@styled
def class_scores(
    first: Mapping[str, float],
    second: Mapping[str, float],
    levels: tuple[str, str] = ("segment", "track"),
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """F1 per instrument at two levels: full colour and pale.

    Args:
        first, second: ``per_class_f1`` of `camil.evaluation.metrics.scores`.
        levels: names of the two, for the legend.
        instruments: the classes, in the order of the bars.
    """
    shown = {name: c for name, c in instruments.colours.items() if name in first}
    names, colours = list(shown), list(shown.values())
    row = np.arange(len(names))
    figure, axes = plt.subplots(figsize=(COLUMN, 2.4))
    axes.barh(row - 0.2, [first[name] for name in names], 0.38, color=colours)
    axes.barh(row + 0.2, [second.get(name, 0) for name in names], 0.38, color=colours, alpha=PALE)
    axes.set_yticks(row, names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="F1")
    keys = [
        Patch(color="0.25", alpha=opacity, linewidth=0, label=f"by {level}")
        for level, opacity in zip(levels, (1, PALE), strict=True)
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2, handlelength=1)
    return figure


@styled
def feature_ranges(
    features: pd.DataFrame,
    names: Iterable[str],
    units: Mapping[str, str] | None = None,
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """Distribution of each feature per instrument: first to last decile, and the median.

    Args:
        features: one row per segment, at most six columns.
        names: class name per row.
        units: unit per column, for the axis labels.
        instruments: the classes, in the order of the bars.

    Raises:
        ValueError: if there is no segment or a class is unknown.
    """
    names = require_instruments(names, "The ranges of features", instruments)
    columns = -(-features.shape[1] // 2)
    figure, panels = plt.subplots(2, columns, figsize=(PAGE, 3.6), sharey=True, squeeze=False)
    for axes, (feature, values) in zip(panels.flat, features.items(), strict=False):
        for row, (name, colour) in enumerate(instruments.colours.items()):
            of_class = values.to_numpy(float)[names == name]
            if len(of_class):
                low, median, high = np.nanquantile(of_class, [0.1, 0.5, 0.9])
                axes.barh(row, high - low, left=low, height=0.6, color=colour)
                axes.vlines(median, row - 0.42, row + 0.42, color="0.5", linewidth=1.5)
        axes.use_sticky_edges = False  # a margin where a bar begins at the edge
        axes.set_title(feature.replace("_", " "))
        axes.set_xlabel((units or {}).get(feature, ""))
    for axes in panels.flat[features.shape[1] :]:
        axes.set_visible(False)
    panels[0, 0].set_yticks(range(len(instruments)), instruments.names)
    panels[0, 0].invert_yaxis()
    return figure
