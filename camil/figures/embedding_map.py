"""Two-dimensional maps of the joint embedding space."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camil.evaluation.columns import require_columns
from camil.figures.style import (
    AUDIO,
    COLUMN,
    CORRECT,
    MIDI,
    PAGE,
    WRONG,
    require_instruments,
    styled,
)
from camil.midi.instruments import FAMILIES, InstrumentTable

MARKERS = {"MIDI": "o", "audio": "^"}


@styled
def joint_space(
    points: np.ndarray,
    instrument: Sequence[str],
    modality: Sequence[str],
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """The joint space: instruments by colour, MIDI as filled circles, audio as hollow triangles.

    Args:
        points: ``(points, 2)``, for example of `camil.evaluation.joint_space.umap_points`.
        instrument: class name per point.
        modality: "MIDI" or "audio" per point.
        instruments: the classes and their colours.

    Raises:
        ValueError: if lengths differ, or an instrument or modality is unknown.
    """
    points = np.asarray(points, dtype=float)
    instrument = require_instruments(instrument, "The joint space", instruments)
    modality = np.asarray(modality, dtype=str)
    if points.shape != (len(instrument), 2) or len(modality) != len(instrument):
        raise ValueError(
            f"points must be (points, 2) with an instrument and a modality each, got "
            f"{points.shape}, {len(instrument)} instruments and {len(modality)} modalities"
        )
    if unknown := sorted(set(modality.tolist()) - set(MARKERS)):
        raise ValueError(f"modality must be MIDI or audio, got {', '.join(map(repr, unknown))}")

    figure, axes = plt.subplots(figsize=(COLUMN, 3.9))
    size = float(np.clip(4000 / len(points), 3, 14))
    order = _random_order(len(points))
    colours = np.array([instruments.colours[name] for name in instrument])
    for kind, marker in MARKERS.items():
        chosen = order[modality[order] == kind]
        filled = kind == "MIDI"
        axes.scatter(
            *points[chosen].T, s=size if filled else 1.3 * size, marker=marker, alpha=0.85,
            facecolors=colours[chosen] if filled else "none",
            edgecolors="white" if filled else colours[chosen],
            linewidths=0.15 if filled else 0.6,
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    dot = {"linestyle": "", "markersize": 4.5}
    keys = [
        Line2D([], [], marker="s", color=colour, label=name, **dot)
        for name, colour in instruments.colours.items()
        if name in set(instrument)
    ]
    keys += [
        Line2D([], [], marker=MARKERS["MIDI"], color="0.3", label="MIDI", **dot),
        Line2D([], [], marker=MARKERS["audio"], color="0.3", label="audio", mfc="none", **dot),
    ]
    figure.legend(
        loc="outside lower center", handles=keys, ncols=5, columnspacing=1, handletextpad=0.1
    )
    return figure


def point_colours(instruments: InstrumentTable = FAMILIES) -> dict[str, Mapping[str, str]]:
    """Colour of each value of the columns by which points can be coloured.

    `song` has too many values for named colours; its mapping is empty.
    """
    return {
        "instrument": instruments.colours,
        "modality": {"MIDI": MIDI, "audio": AUDIO},
        "song": {},
        "probe": {"correct": CORRECT, "wrong": WRONG},
    }


@styled
def colourings(table: pd.DataFrame, instruments: InstrumentTable = FAMILIES) -> Figure:
    """The same points in four panels: coloured by instrument, modality, song and probe result.

    Args:
        table: one row per point with ``x``, ``y``, ``instrument``, ``modality`` ("MIDI" or
            "audio"), ``song`` and ``probe`` ("correct" or "wrong": the prediction of a linear
            classifier).
        instruments: the classes and their colours.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    columns = point_colours(instruments)
    require_columns(table, ["x", "y", *columns], "The coloured joint space")
    figure, panels = plt.subplots(1, 4, figsize=(PAGE, 2.6))
    table = table.iloc[_random_order(len(table))]
    size = float(np.clip(2000 / len(table), 0.5, 6))
    for axes, (column, colours) in zip(panels, columns.items(), strict=True):
        values = table[column].astype(str)
        if colours:
            shades = values.map(colours)
        else:
            shades = plt.colormaps["hsv"](values.rank(method="dense") / values.nunique())
        axes.scatter(table["x"], table["y"], s=size, c=shades, linewidths=0)
        axes.set(xticks=[], yticks=[])
        axes.set_title("linear probe" if column == "probe" else column, fontsize=7)
        shown = [name for name in colours if name in set(values)]
        axes.legend(
            handles=[Line2D([], [], linestyle="", marker="o", markersize=3.5, label=name,
                            color=colours[name]) for name in shown]
            or [Line2D([], [], linestyle="", label=f"{values.nunique()} songs")],
            loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, fontsize=6.5,
            handletextpad=0.1, columnspacing=0.8,
        )  # fmt: skip
    return figure


def _random_order(points: int) -> np.ndarray:
    """A drawing order in which no class hides another."""
    return np.random.default_rng(0).permutation(points)
