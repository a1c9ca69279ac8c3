"""One look for all figures: sizes of a two-column paper, colours, and how a figure is saved."""

import functools
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from camil.midi.instruments import INSTRUMENTS

COLUMN, PAGE = 3.5, 7.16  # inches: one column and both columns of an IEEE page

# Chosen from the Okabe-Ito and Tol palettes so that the smallest CIE Lab distance between any two,
# with normal vision and the three simulated dichromacies, is as large as it gets (27; Okabe-Ito
# itself has 16). Their lightness differs too, so that they survive a grey copy.
COLOURS = {
    "Guitar": "#E69F00",
    "Piano": "#000000",
    "Bass": "#332288",
    "Strings": "#882255",
    "Organ": "#4477AA",
    "Brass": "#DDCC77",
    "Pipe": "#88CCEE",
    "Reed": "#EE6677",
}
NOT_SURE = "#BBBBBB"

# Conditions are no instruments: a ramp from grey to deep blue, told apart by markers as well.
CONDITIONS = {
    "AIC": ("#8C8C8C", "D"),
    "SIC": ("#000000", "s"),
    "CAMIL": ("#1F5FA8", "o"),
    "Fine-tuned CAMIL": ("#0B2A55", "^"),
    "Unsupervised CAMIL": ("#6FA8DC", "v"),
}

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.2",
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": plt.cycler(color=["#1F5FA8"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 200,  # in a notebook a column is then 700 pixels wide
    "figure.facecolor": "white",  # opaque, for dark themes
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 7.5,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text stays text; journals refuse Type 3
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "text.color": "black",
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the style, whatever the reader's own settings, and show once in a notebook.

    A figure that pyplot still holds would be shown twice: as a cell's value and by the backend.
    """

    @functools.wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with plt.rc_context():
            plt.rcdefaults()
            plt.rcParams.update(STYLE)
            opened = set(plt.get_fignums())
            try:
                return draw(*args, **kwargs)
            finally:
                for number in set(plt.get_fignums()) - opened:
                    plt.close(number)

    return drawn


def save(figure: Figure, path: str | Path, note: str = "") -> tuple[Path, Path]:
    """Write a figure as `path`.pdf and `path`.png (300 dpi), making the folder if need be.

    The same figure gives the same bytes: nothing in the files tells the time.

    Args:
        figure: what a function of this package returned.
        path: file without suffix.
        note: printed small under the figure, for instance "demonstration corpus".

    Returns:
        The two files written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = path.with_name(path.name + ".pdf"), path.with_name(path.name + ".png")
    width, height = figure.get_size_inches()
    # The size as drawn, that text keeps its size on the page; only a note makes it higher.
    lines = textwrap.wrap(note, int(21 * width))  # 21 letters of 6 points an inch
    page = Bbox.from_extents(0, -0.1 * len(lines) - 0.06 * bool(lines), width, height)
    engine = figure.get_layout_engine()
    figure.draw_without_rendering()  # lays out
    figure.set_layout_engine("none")
    for legend in figure.legends:  # they hang on the page, and would sink into the note
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    style = {"ha": "center", "va": "top", "fontsize": 6, "color": "0.35"}
    noted = figure.text(0.5, -0.03 / height, "\n".join(lines), **style)
    with plt.rc_context():
        plt.rcdefaults()
        plt.rcParams.update({k: v for k, v in STYLE.items() if k.startswith(("pdf", "savefig"))})
        figure.savefig(files[0], metadata={"CreationDate": None}, bbox_inches=page)
        figure.savefig(files[1], dpi=300, bbox_inches=page)
    # The figure is the caller's: a second save must not print a second note.
    noted.remove()
    for legend in figure.legends:
        legend.set_bbox_to_anchor(None)
    figure.set_layout_engine(engine or "none")
    return files


def require_columns(table: pd.DataFrame, columns: Iterable[str], figure: str) -> None:
    """Raise ValueError naming the columns that a figure needs and the table lacks."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{figure} needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"the table has {', '.join(map(str, table.columns)) or 'none'}."
        )
    if table.empty:
        raise ValueError(f"{figure} needs at least one row; the table is empty.")


def require_instruments(instruments: Iterable[str], figure: str) -> np.ndarray:
    """The instruments as an array of str; raise ValueError when there are none or unknown ones."""
    instruments = np.asarray(list(instruments), dtype=str)
    unknown = sorted(set(instruments.tolist()) - set(INSTRUMENTS))
    if unknown:
        raise ValueError(
            f"{figure} knows {', '.join(INSTRUMENTS)}, not {', '.join(map(repr, unknown))}."
        )
    if not len(instruments):
        raise ValueError(f"{figure} needs at least one segment, got none.")
    return instruments


def condition_style(name: str) -> tuple[str, str]:
    """Colour and marker of a condition, found by the beginning of its name."""
    # Longest first, so that "CAMIL" does not take what is more particular.
    for condition in sorted(CONDITIONS, key=len, reverse=True):
        if name.lower().startswith(condition.lower()):
            return CONDITIONS[condition]
    return "#5B8C5A", "P"
