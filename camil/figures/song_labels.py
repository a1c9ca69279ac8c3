"""A whole song with the label of each track."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from camil.evaluation.columns import require_columns
from camil.figures.style import PAGE, UNCERTAIN, styled
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.score import Score, Track

MOST_LANES = 24
LANE = 0.4  # inches
# Vertical extent of the notes and of the probabilities, as shares of a lane from its top.
ROLL, STRIP = (0.04, 0.66), (0.72, 0.92)


@styled
def song_labels(
    score: Score,
    segments: pd.DataFrame,
    tracks: pd.DataFrame,
    title: str = "",
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """All tracks of a song along its measures, each in the colour of its label.

    Below the notes of a track are the class probabilities of its segments, stacked. On the right
    is the label of the track with its probability, on the left its name and its instrument
    according to the file. Tracks without a label are grey. At most 24 tracks are drawn.

    Args:
        score: the song.
        segments: its labels, from `camil.label`.
        tracks: labels per track, from `camil.track_labels`.
        instruments: the classes of the labels, with their colours.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    columns = [f"p_{name}" for name in instruments.names]
    require_columns(segments, ["track", "start_beat", "end_beat", *columns], "The song")
    require_columns(tracks, ["track", "written", "predicted", "probability"], "The song")
    drawn = score.tracks[:MOST_LANES]
    figure, axes = plt.subplots(figsize=(PAGE, LANE * len(drawn) + 0.85))
    label_of = tracks.set_index("track")
    spans = {name: of_track for name, of_track in segments.groupby("track", sort=False)}
    for lane, track in enumerate(drawn):
        label = label_of.loc[track.name] if track.name in label_of.index else None
        predicted = "" if label is None else label["predicted"]
        colour = instruments.colours.get(predicted, UNCERTAIN)
        _notes(axes, lane, track, score, colour)
        if label is not None:
            _probabilities(axes, lane, spans[track.name], score, instruments)
        _names(axes, lane, track, label)
        _label(axes, lane, track, label, colour, instruments)
    _frame(axes, len(drawn), score, len(score.tracks) - len(drawn))
    if title:
        axes.set_title(title)
    keys = [Patch(color=colour, label=name) for name, colour in instruments.colours.items()]
    keys.append(Patch(color=UNCERTAIN, label="uncertain"))
    figure.legend(loc="outside lower center", handles=keys, ncols=9, handlelength=0.9,
                  columnspacing=1.1, handletextpad=0.4)  # fmt: skip
    return figure


def _notes(axes: Axes, lane: int, track: Track, score: Score, colour: str) -> None:
    """Draw notes as bars; a lane covers at least two octaves."""
    middle = (track.pitch.min() + track.pitch.max()) / 2
    half = max(np.ptp(track.pitch) / 2, 12) + 0.5
    share = (track.pitch - middle + half) / (2 * half)  # 0 at the bottom of the lane
    height = max(ROLL[1] - ROLL[0], 0) / (2 * half)
    bottom = lane + ROLL[1] - share * (ROLL[1] - ROLL[0]) + height / 2
    left, right = _measure(track.start_beat, score), _measure(track.end_beat, score)
    _bars(axes, left, right, bottom, bottom - max(height, 0.04), colour)


def _probabilities(
    axes: Axes, lane: int, segments: pd.DataFrame, score: Score, instruments: InstrumentTable
) -> None:
    left = _measure(segments["start_beat"].to_numpy(), score)
    right = _measure(segments["end_beat"].to_numpy(), score)
    bottom = np.full(len(segments), lane + STRIP[1])
    for name, colour in instruments.colours.items():
        top = bottom - segments[f"p_{name}"].to_numpy() * (STRIP[1] - STRIP[0])
        _bars(axes, left, right, bottom, top, colour)
        bottom = top


def _bars(axes: Axes, left, right, bottom, top, colour: str) -> None:
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)  # (bars, 4, 2)
    # Without an edge in the face's colour, anti-aliasing leaves white hairlines between neighbours.
    axes.add_collection(PolyCollection(shapes, facecolor=colour, linewidth=0.2, edgecolor="face"))


def _names(axes: Axes, lane: int, track: Track, label: pd.Series | None) -> None:
    """Write the track's name and its instrument according to the file on the left."""
    written = "Drums" if track.is_drum else f"channel {track.channel + 1}"
    if label is not None:
        written = f"{label['written']}, {written}"
    side = axes.get_yaxis_transform()
    # Names may contain dollar signs, which matplotlib would read as a formula.
    style = {"transform": side, "clip_on": False, "va": "center", "parse_math": False}
    axes.text(-0.01, lane + 0.3, track.name[:30], ha="right", **style)
    axes.text(-0.01, lane + 0.68, written[:36], fontsize=5.5, color="0.4", ha="right", **style)


def _label(
    axes: Axes,
    lane: int,
    track: Track,
    label: pd.Series | None,
    colour: str,
    instruments: InstrumentTable,
) -> None:
    """Write the label with its probability on the right, or why there is none."""
    side = axes.get_yaxis_transform()
    style = {"transform": side, "clip_on": False, "va": "center", "parse_math": False}
    if label is None:
        why = "drums are not labelled" if track.is_drum else "too few notes"
        axes.text(1.012, lane + 0.48, why, fontsize=6, color="0.4", **style)
        return
    axes.add_patch(Rectangle((1.012, lane + 0.14), 0.014, 0.36, color=colour, linewidth=0,
                             transform=side, clip_on=False))  # fmt: skip
    percent = f"{100 * label['probability']:.0f} %"
    if label["predicted"] in instruments.names:
        axes.text(1.034, lane + 0.33, f"{label['predicted']} {percent}", weight="bold", **style)
        return
    axes.text(1.034, lane + 0.33, label["predicted"], **style)
    best = max(instruments.names, key=lambda name: label[f"p_{name}"])
    axes.text(1.034, lane + 0.7, f"{best}? {percent}", fontsize=5.5, color="0.4", **style)


def _frame(axes: Axes, lanes: int, score: Score, omitted: int) -> None:
    last = max(track.end_beat.max() for track in score.tracks)
    axes.set(xlim=(1, float(_measure(last, score))), ylim=(lanes, 0), yticks=[])
    for lane in range(1, lanes):
        axes.axhline(lane - 0.02, color="0.88", linewidth=0.5, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=1))
    axes.spines["left"].set_visible(False)
    more = f"; {omitted} more tracks are in the table" if omitted else ""
    axes.set_xlabel(f"measure{more}")


def _measure(beat, score: Score) -> np.ndarray:
    """Positions in measures, counted from 1."""
    return np.interp(beat, score.measures, np.arange(1, len(score.measures) + 1))
