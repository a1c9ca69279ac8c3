"""A whole song with the label of each part."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pretty_midi
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from camil.evaluation.columns import require_columns
from camil.figures.style import PAGE, UNCERTAIN, styled
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.join import join_tracks
from camil.midi.score import Score, Track

MOST_ROWS = 24
TALLEST, LOWEST = 0.4, 0.33  # inches, the height of a row; with many rows they are lower
TALL_PAGE = 8.4  # inches, the height that all rows together should not exceed
OTHER = "#75695C"  # a part of no class; darker than UNCERTAIN, also in greyscale
# Vertical extent of the notes and of the probabilities, as shares of a row from its top.
ROLL, STRIP = (0.04, 0.66), (0.72, 0.92)
_KEY = (1.012, 0.014)  # left edge and width of the coloured key of a label, in widths of the axes
_GREY = "0.4"
_SMALL = 5.5


class Row(NamedTuple):
    """One row of the figure.

    Attributes:
        track: a part, or all drums as one.
        name: its name.
        label: its row in the table of labels; None without a label.
        drums: the number of drum tracks, 0 for a pitched part.
    """

    track: Track
    name: str
    label: pd.Series | None
    drums: int = 0


@styled
def song_labels(
    score: Score,
    segments: pd.DataFrame,
    tracks: pd.DataFrame,
    title: str = "",
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """All parts of a song along its measures, each in the colour of its label.

    Below the notes of a part are the class probabilities of its segments, stacked. On the left is
    the part's name and its instrument according to the file, on the right its label with the
    probability, and below it the suggested program. A part between two labels ("Pipe or Reed") has
    a key of both colours, in proportion to their probabilities. Parts without a label and uncertain
    ones are grey. Drums are one row, at the bottom. At most 24 rows are drawn, those of the parts
    with the most notes; the axis says what is left out.

    Args:
        score: the song.
        segments: its labels, from `camil.label`.
        tracks: labels per track, from `camil.track_labels`.
        title: title of the figure.
        instruments: the classes of the labels, with their colours.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    columns = ["start_beat", "end_beat"] + [f"p_{name}" for name in instruments.names]
    require_columns(segments, ["track", *columns], "The song")
    require_columns(tracks, ["track", "written", "predicted", "probability"], "The song")
    rows, omitted = _rows(score, tracks)
    height = np.clip(TALL_PAGE / len(rows), LOWEST, TALLEST)
    figure, axes = plt.subplots(figsize=(PAGE, height * len(rows) + 0.95))
    spans = {name: of_track for name, of_track in segments.groupby("track", sort=False)}
    for number, row in enumerate(rows):
        predicted = "" if row.label is None else row.label["predicted"]
        _notes(axes, number, row.track, score, _colour(predicted, instruments))
        if row.label is not None:
            _probabilities(axes, number, spans[row.name], score, instruments)
        _names(axes, number, row)
        _label(axes, number, row, instruments)
    _frame(axes, len(rows), score, omitted)
    if title:
        axes.set_title(title, parse_math=False)
    keys = [Patch(color=colour, label=name) for name, colour in instruments.colours.items()]
    keys += [Patch(color=OTHER, label="other"), Patch(color=UNCERTAIN, label="uncertain")]
    figure.legend(loc="outside lower center", handles=keys, ncols=10, handlelength=0.9,
                  columnspacing=1.0, handletextpad=0.4, fontsize=6.5)  # fmt: skip
    return figure


def _rows(score: Score, tracks: pd.DataFrame) -> tuple[list[Row], str]:
    """The rows that are drawn, and what is left out."""
    labels = tracks.set_index("track")
    drums = [track for track in score.tracks if track.is_drum]
    pitched = [track for track in score.tracks if not track.is_drum]
    kept = MOST_ROWS - bool(drums)
    by_size = sorted(range(len(pitched)), key=lambda number: -len(pitched[number].pitch))
    rows = [
        Row(track, track.name, labels.loc[track.name] if track.name in labels.index else None)
        for track in (pitched[number] for number in sorted(by_size[:kept]))
    ]
    if drums:
        rows.append(Row(join_tracks(drums), "Drums", None, len(drums)))
    left_out = [len(pitched[number].pitch) for number in by_size[kept:]]
    if not left_out:
        return rows, ""
    share = sum(left_out) / sum(len(track.pitch) for track in score.tracks)
    count = f"{len(left_out)} parts" if len(left_out) > 1 else "1 part"
    return rows, f"; not drawn: {count} with few notes ({100 * share:.0f} % of all notes)"


def _colour(label: str, instruments: InstrumentTable) -> str:
    """The colour of a class, of "other", or grey."""
    return (instruments.colours | {"other": OTHER}).get(label, UNCERTAIN)


def _notes(axes: Axes, row: int, track: Track, score: Score, colour: str) -> None:
    """Draw notes as bars; a row covers at least two octaves."""
    middle = (track.pitch.min() + track.pitch.max()) / 2
    half = max(np.ptp(track.pitch) / 2, 12) + 0.5
    share = (track.pitch - middle + half) / (2 * half)  # 0 at the bottom of the row
    height = max(ROLL[1] - ROLL[0], 0) / (2 * half)
    bottom = row + ROLL[1] - share * (ROLL[1] - ROLL[0]) + height / 2
    left, right = _measure(track.start_beat, score), _measure(track.end_beat, score)
    _bars(axes, left, right, bottom, bottom - max(height, 0.04), colour)


def _probabilities(
    axes: Axes, row: int, segments: pd.DataFrame, score: Score, instruments: InstrumentTable
) -> None:
    left = _measure(segments["start_beat"].to_numpy(), score)
    right = _measure(segments["end_beat"].to_numpy(), score)
    bottom = np.full(len(segments), row + STRIP[1])
    for name, colour in instruments.colours.items():
        top = bottom - segments[f"p_{name}"].to_numpy() * (STRIP[1] - STRIP[0])
        _bars(axes, left, right, bottom, top, colour)
        bottom = top


def _bars(axes: Axes, left, right, bottom, top, colour: str) -> None:
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)  # (bars, 4, 2)
    # Without an edge in the face's colour, anti-aliasing leaves white hairlines between neighbours.
    axes.add_collection(PolyCollection(shapes, facecolor=colour, linewidth=0.2, edgecolor="face"))


def _names(axes: Axes, number: int, row: Row) -> None:
    """Write the part's name and its instrument according to the file on the left."""
    if row.drums:
        below = f"{row.drums} tracks" if row.drums > 1 else row.track.name[:36]
    else:
        below = f"channel {row.track.channel + 1}"
    if row.label is not None:
        below = f"{row.label['written']}, {below}"
    _write(axes, -0.01, number + 0.3, row.name[:28], ha="right")
    _write(axes, -0.01, number + 0.68, below[:36], ha="right", fontsize=_SMALL, color=_GREY)


def _label(axes: Axes, number: int, row: Row, instruments: InstrumentTable) -> None:
    """Write the label with its probability on the right, or why there is none."""
    label = row.label
    if label is None:
        why = "drums are not labelled" if row.drums else "too few notes"
        _write(axes, _KEY[0], number + 0.48, why, fontsize=6, color=_GREY)
        return
    percent = _percent(label["probability"])
    text, below, shades = f"{label['predicted']} {percent}", "", [(label["predicted"], 1.0)]
    if label["predicted"] == "uncertain":
        first = label.get("first", max(instruments.names, key=lambda name: label[f"p_{name}"]))
        text, below = label.get("text", "uncertain"), f"{first}? {percent}"
        if text != "uncertain":
            second = label["second_probability"]
            below = f"{percent} or {_percent(second)}"
            shades = [(first, label["probability"]), (label["second"], second)]
    elif label.get("suggested_program", -1) >= 0:
        program = int(label["suggested_program"])
        below = f"{pretty_midi.program_to_instrument_name(program)}"
    _key(axes, number, shades, instruments)
    weight = "normal" if label["predicted"] == "uncertain" else "bold"
    _write(axes, sum(_KEY) + 0.008, number + 0.32, text, weight=weight)
    _write(axes, sum(_KEY) + 0.008, number + 0.7, below, fontsize=_SMALL, color=_GREY)


def _key(
    axes: Axes, number: int, shades: list[tuple[str, float]], instruments: InstrumentTable
) -> None:
    """Draw a bar with the colours of the labels, one above the other in proportion."""
    top, total = number + 0.1, sum(share for _, share in shades)
    for name, share in shades:
        height = 0.46 * share / total
        axes.add_patch(Rectangle((_KEY[0], top), _KEY[1], height, linewidth=0,
                                 color=_colour(name, instruments), clip_on=False,
                                 transform=axes.get_yaxis_transform()))  # fmt: skip
        top += height


def _write(axes: Axes, x: float, y: float, text: str, **style) -> None:
    """Write beside the axes: ``x`` in widths of the axes, ``y`` in rows."""
    # Names may contain dollar signs, which matplotlib would read as a formula.
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), clip_on=False, va="center",
              parse_math=False, **style)  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _frame(axes: Axes, rows: int, score: Score, omitted: str) -> None:
    last = max(track.end_beat.max() for track in score.tracks)
    axes.set(xlim=(1, float(_measure(last, score))), ylim=(rows, 0), yticks=[])
    for row in range(1, rows):
        axes.axhline(row - 0.02, color="0.88", linewidth=0.5, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=1))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"measure{omitted}")


def _measure(beat, score: Score) -> np.ndarray:
    """Positions in measures, counted from 1."""
    return np.interp(beat, score.measures, np.arange(1, len(score.measures) + 1))
