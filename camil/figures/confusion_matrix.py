"""Fig. 2: the confusion matrix."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from camil.figures.style import COLUMN, require_instruments, styled
from camil.midi.instruments import FAMILIES, InstrumentTable


@styled
def confusion(
    true: Sequence[str],
    predicted: Sequence[str],
    title: str = "",
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """Fig. 2: per true class (row), the percentage of its segments predicted as each class.

    Rows sum to 100 up to rounding; `n` is the number of segments of the row. A class without
    segments has an empty row.

    Args:
        true, predicted: class names of the same segments.
        instruments: the classes, in the order of rows and columns.

    Raises:
        ValueError: if lengths differ, there is no segment, or a class is unknown.
    """
    true, predicted = (
        require_instruments(names, "The confusion matrix", instruments)
        for names in (true, predicted)
    )
    if len(true) != len(predicted):
        raise ValueError(f"got {len(true)} true and {len(predicted)} predicted instruments")
    counts = _counts(true, predicted, instruments.names)
    totals = counts.sum(1)
    percent = 100 * counts / totals.clip(min=1)[:, None]
    figure, axes = plt.subplots(figsize=(COLUMN, 3.3))
    figure.get_layout_engine().set(w_pad=0.08)  # inches; the counts at the right need it
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(counts), strict=True):
        value = percent[row, column]
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=7,
            color="white" if value > 55 else "black",
        )  # fmt: skip
    last = len(instruments) - 1
    for row, total in enumerate(totals):
        axes.text(last + 0.7, row, f"{total:,}", va="center", fontsize=6.5, color="0.3")
    axes.text(last + 0.7, -0.75, "n", va="center", fontsize=6.5, color="0.3", style="italic")
    axes.set_xticks(
        range(last + 1), instruments.names, rotation=40, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(last + 1), [f"{name} ({i})" for i, name in enumerate(instruments.names)])
    axes.set(
        xlabel="predicted (% of the row)",
        ylabel="true",
        xlim=(-0.5, last + 0.5),
        ylim=(last + 0.5, -0.5),
    )
    axes.tick_params(length=0, pad=11)
    axes.spines[:].set_visible(False)
    squares = {"marker": "s", "s": 16, "c": list(instruments.colours.values()), "clip_on": False}
    axes.scatter(np.full(last + 1, -0.78), range(last + 1), **squares)
    axes.scatter(range(last + 1), np.full(last + 1, last + 0.78), **squares)
    axes.hlines(np.arange(-0.5, last + 1), -0.5, last + 0.5, color="white", linewidth=1)
    axes.vlines(np.arange(-0.5, last + 1), -0.5, last + 0.5, color="white", linewidth=1)
    if title:
        axes.set_title(title, pad=11)
    return figure


def _counts(true: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Segments per true (row) and predicted (column) class."""
    index = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, ([index[name] for name in true], [index[name] for name in predicted]), 1)
    return counts
