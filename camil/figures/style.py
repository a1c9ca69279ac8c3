"""Common style of all figures: page sizes, colours, validation of inputs, and `save`."""

import functools
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from camil.midi.instruments import FAMILIES, InstrumentTable

COLUMN, PAGE = 3.5, 7.16  # inches: one column and both columns of an IEEE page

UNCERTAIN = "#BBBBBB"  # a label whose probability is below the threshold
MIDI, AUDIO = "#1F5FA8", "#E69F00"
CORRECT, WRONG = "#9ECAE1", "#C44E52"

# Conditions use a ramp from grey to deep blue, which no instrument table uses, and a marker each.
CONDITIONS = {
    "AIC": ("#8C8C8C", "D"),
    "SIC": ("#000000", "s"),
    "CAMIL": ("#1F5FA8", "o"),
    "Fine-tuned CAMIL": ("#0B2A55", "^"),
    "Unsupervised CAMIL": ("#6FA8DC", "v"),
    "CAMIL, self-supervised teacher": ("#2A9D8F", "<"),
    "Unsupervised CAMIL, self-supervised teacher": ("#8F5DB7", ">"),
    "Self-supervised audio": ("#B8B8B8", "d"),
}
OTHER_CONDITION = ("#5B8C5A", "P")

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.2",
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": plt.cycler(color=[MIDI]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 200,  # a column is 700 pixels wide in a notebook
    "figure.facecolor": "white",  # opaque, for dark themes
    "font.family": "DejaVu Sans",  # included in matplotlib
    "font.size": 7.5,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # embeds TrueType; journals do not accept Type 3 fonts
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
    """Decorator: draw with `STYLE`, independent of the user's matplotlib settings.

    The figure is removed from pyplot, because a notebook would otherwise display it twice: as the
    value of the cell and by the inline backend.
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
    """Write a figure as ``path.pdf`` and ``path.png`` (300 dpi); creates missing folders.

    Equal figures give identical bytes: the files contain no creation date.

    Args:
        figure: a figure of this package.
        path: file name without suffix.
        note: small print below the figure, for example "demonstration corpus".

    Returns:
        The two files.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = path.with_name(path.name + ".pdf"), path.with_name(path.name + ".png")
    width, height = figure.get_size_inches()
    # The page keeps the size of the figure, so that text keeps its size; a note makes it higher.
    lines = textwrap.wrap(note, int(21 * width))  # 21 letters of 6 points per inch
    page = Bbox.from_extents(0, -0.1 * len(lines) - 0.06 * bool(lines), width, height)
    engine = figure.get_layout_engine()
    figure.draw_without_rendering()  # computes the layout
    figure.set_layout_engine("none")
    for legend in figure.legends:  # anchored to the page, they would move into the note
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    style = {"ha": "center", "va": "top", "fontsize": 6, "color": "0.35"}
    noted = figure.text(0.5, -0.03 / height, "\n".join(lines), **style)
    with plt.rc_context():
        plt.rcdefaults()
        plt.rcParams.update({k: v for k, v in STYLE.items() if k.startswith(("pdf", "savefig"))})
        figure.savefig(files[0], metadata={"CreationDate": None}, bbox_inches=page)
        figure.savefig(files[1], dpi=300, bbox_inches=page)
    # Restore the caller's figure, or a second call would print a second note.
    noted.remove()
    for legend in figure.legends:
        legend.set_bbox_to_anchor(None)
    figure.set_layout_engine(engine or "none")
    return files


def require_instruments(
    names: Iterable[str], figure: str, instruments: InstrumentTable = FAMILIES
) -> np.ndarray:
    """Class names as an array of str.

    Raises:
        ValueError: if there are none, or a name is not in the instrument table.
    """
    names = np.asarray(list(names), dtype=str)
    unknown = sorted(set(names.tolist()) - set(instruments.names))
    if unknown:
        raise ValueError(
            f"{figure} uses the classes {', '.join(instruments.names)} and got "
            f"{', '.join(map(repr, unknown))}; pass the corpus' table as `instruments`."
        )
    if not len(names):
        raise ValueError(f"{figure} needs at least one segment, got none.")
    return names


def condition_style(name: str) -> tuple[str, str]:
    """Colour and marker of a condition, found by the beginning of its name."""
    # Longest first, because "CAMIL" is also the beginning of longer names.
    for condition in sorted(CONDITIONS, key=len, reverse=True):
        if name.lower().startswith(condition.lower()):
            return CONDITIONS[condition]
    return OTHER_CONDITION
