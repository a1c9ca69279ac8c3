"""Loss and validation score by epoch."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camil.evaluation.columns import require_columns
from camil.figures.style import COLUMN, PAGE, condition_style, styled

# In every panel, the line style shows which songs a value was measured on.
TRAINING, VALIDATION = (
    {"linestyle": (0, (2, 1)), "linewidth": 0.8},
    {"linestyle": "-", "linewidth": 1.3},
)
LETTERS = 18  # of the legend, per inch
TINTS = (0.0, 0.45, 0.7, 0.25)  # share of white, for runs of one condition in one panel


@styled
def training_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and validation macro-F1 by epoch; runs without a macro-F1 are pre-training.

    Pre-training and classification have losses of different scale and are drawn in separate
    panels. Dashed lines are training songs, solid lines validation songs. Runs of one condition
    have shades of its colour.

    Args:
        histories: per run name, a table with ``epoch`` and ``train_loss`` and, if available,
            ``validation_loss`` and ``validation_macro_f1``. A name that begins with a condition of
            Table I gets its colour.

    Raises:
        ValueError: if there is no history, or one lacks a column or any epoch.
    """
    if not histories:
        raise ValueError("Training curves need at least one history, got none.")
    for name, history in histories.items():
        require_columns(history, ["epoch", "train_loss"], f"The training curve of {name}")
    panels = _panels(histories)
    figure, row = plt.subplots(
        1, len(panels), figsize=(PAGE if len(panels) > 1 else COLUMN, 2.7), squeeze=False
    )
    colours = {}
    for _, _, names in panels:
        colours |= _colours(names)
    for axes, (title, label, names) in zip(row[0], panels, strict=True):
        for name in names:
            _curve(axes, histories[name], label == "macro-F1", colours[name])
        axes.set(title=title, xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
    keys = [Line2D([], [], label=name, color=colours[name], linewidth=2) for name in histories]
    keys.append(Line2D([], [], label="training songs", color="0.45", **TRAINING))
    keys.append(Line2D([], [], label="validation songs", color="0.45", **VALIDATION))
    letters = LETTERS * figure.get_figwidth()
    columns = int(letters // (max(len(key.get_label()) for key in keys) + 8))  # 8 for the line
    figure.legend(loc="outside lower center", handles=keys, ncols=min(max(columns, 1), 4),
                  handlelength=2.4, columnspacing=1.4)  # fmt: skip
    return figure


def _panels(histories: Mapping[str, pd.DataFrame]) -> list[tuple[str, str, list[str]]]:
    """Title, axis label and run names of each panel."""
    classifying = [
        name for name, history in histories.items()
        if "validation_macro_f1" in history and history["validation_macro_f1"].notna().any()
    ]  # fmt: skip
    pre_training = [name for name in histories if name not in classifying]
    panels = [("Pre-training", "contrastive loss", pre_training)] if pre_training else []
    if classifying:
        panels.append(("Classification", "cross-entropy", classifying))
        panels.append(("Validation", "macro-F1", classifying))
    return panels


def _colours(names: Sequence[str]) -> dict[str, np.ndarray]:
    """The colour of each run's condition, mixed with white from its second run on."""
    seen: dict[str, int] = {}
    colours = {}
    for name in names:
        colour = condition_style(name)[0]
        tint = TINTS[seen.setdefault(colour, 0) % len(TINTS)]
        seen[colour] += 1
        colours[name] = (1 - tint) * np.array(to_rgb(colour)) + tint
    return colours


def _curve(axes: Axes, history: pd.DataFrame, f1: bool, colour: np.ndarray) -> None:
    """Draw a run in one panel; a run of one epoch is a dot, because a line would be invisible."""
    columns = {"train_loss": TRAINING, "validation_loss": VALIDATION}
    if f1:
        columns = {"validation_macro_f1": VALIDATION}
    for column, style in columns.items():
        if column in history:
            shown = history[["epoch", column]].dropna()
            marker = "." if len(shown) == 1 else ""
            axes.plot(shown["epoch"], shown[column], color=colour, marker=marker, **style)
