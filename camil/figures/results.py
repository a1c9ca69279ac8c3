"""What trained models do: Fig. 2, the joint space, data efficiency and training curves."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camil.figures.style import (
    COLOURS,
    COLUMN,
    PAGE,
    condition_style,
    require_columns,
    require_instruments,
    styled,
)
from camil.midi.instruments import INSTRUMENTS

MARKERS = {"MIDI": "o", "audio": "^"}
THIN, THICK = 0.6, 1.3  # points
DASHES = ("-", "--", ":", "-.")


@styled
def confusion(true: Sequence[str], predicted: Sequence[str], title: str = "") -> Figure:
    """Fig. 2: of the segments of each true class (row), the share given to each class, in percent.

    Rows sum to 100 up to rounding; `n` is the number of segments of the row. Classes stand in the
    paper's order; a class without segments has an empty row.

    Args:
        true, predicted: the instruments of the same segments.

    Raises:
        ValueError: if lengths differ, there is no segment, or an instrument is unknown.
    """
    true, predicted = (require_instruments(x, "The confusion matrix") for x in (true, predicted))
    if len(true) != len(predicted):
        raise ValueError(f"got {len(true)} true and {len(predicted)} predicted instruments")
    order = {name: i for i, name in enumerate(INSTRUMENTS)}
    counts = np.zeros((len(order), len(order)), int)
    np.add.at(counts, ([order[t] for t in true], [order[p] for p in predicted]), 1)
    totals = counts.sum(1)
    percent = np.divide(
        100 * counts, totals[:, None], where=totals[:, None] > 0, out=np.zeros(counts.shape)
    )

    figure, axes = plt.subplots(figsize=(COLUMN, 3.3))
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(counts), strict=True):
        value = percent[row, column]
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=7,
            color="white" if value > 55 else "black",
        )  # fmt: skip
    last = len(INSTRUMENTS) - 1
    for row, total in enumerate(totals):
        axes.text(last + 0.7, row, f"{total:,}", va="center", fontsize=6.5, color="0.3")
    axes.text(last + 0.7, -0.75, "n", va="center", fontsize=6.5, color="0.3", style="italic")
    numbered = [f"{name} ({i})" for i, name in enumerate(INSTRUMENTS)]
    axes.set_xticks(range(last + 1), INSTRUMENTS, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(last + 1), numbered)
    axes.set(xlabel="predicted", ylabel="true", xlim=(-0.5, last + 0.5), ylim=(last + 0.5, -0.5))
    axes.tick_params(length=0, pad=11)
    axes.spines[:].set_visible(False)
    squares = {"marker": "s", "s": 16, "c": list(COLOURS.values()), "clip_on": False}
    axes.scatter(np.full(last + 1, -0.78), range(last + 1), **squares)
    axes.scatter(range(last + 1), np.full(last + 1, last + 0.78), **squares)
    axes.hlines(np.arange(-0.5, last + 1), -0.5, last + 0.5, color="white", linewidth=1)
    axes.vlines(np.arange(-0.5, last + 1), -0.5, last + 0.5, color="white", linewidth=1)
    if title:
        axes.set_title(title, pad=11)
    return figure


def umap_points(embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
    """UMAP of embeddings, `(points, embedding)` to `(points, 2)`; the same seed, the same points.

    Euclidean distances, as in the loss. The first call of a process compiles for some seconds.

    Raises:
        ValueError: if there are fewer than 4 points or a value is not finite.
    """
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.ndim != 2 or len(embeddings) < 4:
        raise ValueError(f"UMAP needs (points, embedding) of 4 or more, got {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        raise ValueError("The embeddings hold values that are not finite.")
    from umap import UMAP  # numba behind it takes seconds to import

    neighbours = min(15, len(embeddings) - 1)
    # One job, as a seed asks for; PCA to begin with, as the spectral start fails on few.
    reducer = UMAP(n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
    return reducer.fit_transform(embeddings)


@styled
def joint_space(points: np.ndarray, instrument: Sequence[str], modality: Sequence[str]) -> Figure:
    """The joint space: colour tells the instrument, the marker whether a point is MIDI or audio.

    Args:
        points: `(points, 2)`, for instance of `umap_points`.
        instrument, modality: of each point; modality is "MIDI" or "audio".

    Raises:
        ValueError: if lengths differ, or an instrument or modality is unknown.
    """
    points = np.asarray(points, dtype=float)
    instrument = require_instruments(instrument, "The joint space")
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
    # In random order, so that no class lies on top because it was drawn last.
    order = np.random.default_rng(0).permutation(len(points))
    colours = np.array([COLOURS[name] for name in instrument])
    for kind, marker in MARKERS.items():
        chosen = order[modality[order] == kind]
        # MIDI is filled, audio hollow: told apart even where markers are small.
        filled = kind == "MIDI"
        axes.scatter(
            *points[chosen].T, s=size if filled else 1.3 * size, marker=marker, alpha=0.85,
            facecolors=colours[chosen] if filled else "none",
            edgecolors="white" if filled else colours[chosen],
            linewidths=0.15 if filled else 0.6,
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    dot = {"linestyle": "", "markersize": 4.5}
    instruments = [
        Line2D([], [], marker="s", color=COLOURS[name], label=name, **dot)
        for name in INSTRUMENTS
        if name in set(instrument)
    ]
    kinds = [
        Line2D([], [], marker=MARKERS["MIDI"], color="0.3", label="MIDI", **dot),
        Line2D([], [], marker=MARKERS["audio"], color="0.3", label="audio", mfc="none", **dot),
    ]
    figure.legend(loc="outside lower center", handles=instruments + kinds, ncols=5, columnspacing=1,
        handletextpad=0.1,
    )  # fmt: skip
    return figure


@styled
def data_efficiency(table: pd.DataFrame) -> Figure:
    """Macro-F1 over the share of training songs used, a line a condition, intervals as bars.

    Args:
        table: rows of Table I with the columns condition, train_fraction (0 to 1), macro_f1,
            macro_f1_low and macro_f1_high; an interval may be missing (NaN).

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
    if len(parts) == 2 and limits[0][0] - limits[1][1] < 0.05:  # nothing to leave out in between
        parts, limits = [table], [_limits(table[needed[2:]].to_numpy(float))]
    # The audio reference lies far above; a broken axis, of one scale, keeps the rest legible.
    figure, column = plt.subplots(
        len(parts), sharex=True, squeeze=False, figsize=(COLUMN, 2.9),
        height_ratios=[high - low for low, high in limits],
    )  # fmt: skip
    # Side by side, or the bars of a fraction would hide each other.
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
    """A little more than the scores span, and never nothing."""
    return float(np.nanmin(scores)) - 0.015, float(np.nanmax(scores)) + 0.015


def _intervals(axes: Axes, condition: str, rows: pd.DataFrame, shift: float) -> None:
    """A condition's line with its intervals, `shift` percent to the right."""
    f1, low, high = rows[["macro_f1", "macro_f1_low", "macro_f1_high"]].to_numpy(float).T
    colour, marker = condition_style(condition)
    axes.errorbar(
        100 * rows["train_fraction"] + shift, f1,
        yerr=np.nan_to_num([f1 - low, high - f1]).clip(min=0), color=colour, marker=marker,
        markersize=4, linewidth=1.1, elinewidth=0.8, capsize=1.8, label=condition,
        linestyle="--" if condition.startswith("Unsupervised") else "-",
    )  # fmt: skip


def _break(above: Axes, below: Axes) -> None:
    """Slanted strokes where the vertical axis leaves something out."""
    above.spines.bottom.set_visible(False)
    above.tick_params(bottom=False)
    stroke = {"marker": [(-1, -0.5), (1, 0.5)], "markersize": 6, "color": "0.2", "clip_on": False}
    above.plot([0], [0], transform=above.transAxes, linestyle="", markeredgewidth=0.6, **stroke)
    below.plot([0], [1], transform=below.transAxes, linestyle="", markeredgewidth=0.6, **stroke)


@styled
def training_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and validation macro-F1 by epoch; runs without a macro-F1 are pre-training.

    Pre-training and classification have losses of different scale and stand apart. Thin lines
    are the training loss, thick lines the validation loss.

    Args:
        histories: a run's name to its history, with the columns epoch and train_loss, and where
            there are any validation_loss and validation_macro_f1. Names that begin with a
            condition of Table I get its colour.

    Raises:
        ValueError: if there is no history, or one lacks a column or any epoch.
    """
    if not histories:
        raise ValueError("Training curves need at least one history, got none.")
    for name, history in histories.items():
        require_columns(history, ["epoch", "train_loss"], f"The training curve of {name}")
    classifying = {
        name for name, h in histories.items()
        if "validation_macro_f1" in h and h["validation_macro_f1"].notna().any()
    }  # fmt: skip
    panels = []
    if len(classifying) < len(histories):
        panels.append(
            ("Pre-training", "contrastive loss", [n for n in histories if n not in classifying])
        )
    if classifying:
        names = [name for name in histories if name in classifying]
        panels += [("Classification", "cross-entropy", names), ("Validation", "macro-F1", names)]
    figure, row = plt.subplots(
        1, len(panels), figsize=(PAGE if len(panels) > 1 else COLUMN, 2.7), squeeze=False
    )
    styles = {}
    for _, _, names in panels:
        styles |= _line_styles(names)
    for axes, (title, label, names) in zip(row[0], panels, strict=True):
        for name in names:
            _curve(axes, histories[name], label == "macro-F1", styles[name])
        axes.set(title=title, xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
    lines = [Line2D([], [], label=name, **styles[name]) for name in histories]
    for label, width in (("training loss (thin)", THIN), ("validation (thick)", THICK)):
        lines.append(Line2D([], [], label=label, color="0.45", linewidth=width))
    figure.legend(loc="outside lower center", handles=lines, ncols=4 if len(panels) > 1 else 2,
                  handlelength=2.4, columnspacing=1.4)  # fmt: skip
    return figure


def _line_styles(names: Sequence[str]) -> dict[str, dict]:
    """A colour for each condition; runs of one condition differ in their dashes."""
    seen: dict[str, int] = {}
    styles = {}
    for name in names:
        colour = condition_style(name)[0]
        seen[colour] = seen.get(colour, -1) + 1
        styles[name] = {"color": colour, "linestyle": DASHES[seen[colour] % len(DASHES)]}
    return styles


def _curve(axes: Axes, history: pd.DataFrame, f1: bool, style: dict) -> None:
    """A run's line in one panel; a run of one epoch is a dot, which a line would not show."""
    columns = (
        {"validation_macro_f1": THICK} if f1 else {"train_loss": THIN, "validation_loss": THICK}
    )
    for column, width in columns.items():
        if column in history:
            shown = history[["epoch", column]].dropna()
            dot = "." if len(shown) == 1 else ""
            axes.plot(shown["epoch"], shown[column], linewidth=width, marker=dot, **style)
