"""A whole song with what its parts were taken for."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from camil.figures.style import COLOURS, NOT_SURE, PAGE, require_columns, styled
from camil.midi.instruments import INSTRUMENTS
from camil.midi.score import Score, Track

MOST_LANES = 24
LANE = 0.4  # inches
# Where in a lane, from above, the notes and the probabilities stand.
ROLL, STRIP = (0.04, 0.66), (0.72, 0.92)


@styled
def song_labels(
    score: Score, segments: pd.DataFrame, tracks: pd.DataFrame, title: str = ""
) -> Figure:
    """All parts of a song along its measures, each in the colour of its label.

    Under the notes of a part stand its probabilities, segment by segment, stacked; to the right the
    label of the part and how probable it is, to the left its name and the instrument that the file
    gives it. What is not labelled is grey. The first 24 parts are drawn.

    Args:
        score: the song.
        segments: its labels, from `camil.label`.
        tracks: from `camil.track_labels`.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    columns = [f"p_{name}" for name in INSTRUMENTS]
    require_columns(segments, ["track", "start_beat", "end_beat", *columns], "The song")
    require_columns(tracks, ["track", "written", "predicted", "probability"], "The song")
    drawn = score.tracks[:MOST_LANES]
    figure, axes = plt.subplots(figsize=(PAGE, LANE * len(drawn) + 0.85))
    label_of = tracks.set_index("track")
    spans = {name: of_track for name, of_track in segments.groupby("track", sort=False)}
    for lane, part in enumerate(drawn):
        known = part.name in label_of.index
        told = label_of.loc[part.name] if known else None
        colour = COLOURS.get(told["predicted"], NOT_SURE) if known else NOT_SURE
        _notes(axes, lane, part, score, colour)
        if known:
            _probabilities(axes, lane, spans[part.name], score)
        _names(axes, lane, part, told, colour)
    _frame(axes, len(drawn), score, len(score.tracks) - len(drawn))
    if title:
        axes.set_title(title)
    keys = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    keys.append(Patch(color=NOT_SURE, label="not sure"))
    figure.legend(loc="outside lower center", handles=keys, ncols=9, handlelength=0.9,
                  columnspacing=1.1, handletextpad=0.4)  # fmt: skip
    return figure


def _notes(axes: Axes, lane: int, part: Track, score: Score, colour: str) -> None:
    """Notes as bars; a lane is at least two octaves high."""
    middle = (part.pitch.min() + part.pitch.max()) / 2
    half = max(np.ptp(part.pitch) / 2, 12) + 0.5
    share = (part.pitch - middle + half) / (2 * half)  # 0 at the bottom of the lane
    height = max(ROLL[1] - ROLL[0], 0) / (2 * half)
    bottom = lane + ROLL[1] - share * (ROLL[1] - ROLL[0]) + height / 2
    left, right = _measure(part.start_beat, score), _measure(part.end_beat, score)
    _bars(axes, left, right, bottom, bottom - max(height, 0.04), colour)


def _probabilities(axes: Axes, lane: int, segments: pd.DataFrame, score: Score) -> None:
    left = _measure(segments["start_beat"].to_numpy(), score)
    right = _measure(segments["end_beat"].to_numpy(), score)
    bottom = np.full(len(segments), lane + STRIP[1])
    for name, colour in COLOURS.items():
        top = bottom - segments[f"p_{name}"].to_numpy() * (STRIP[1] - STRIP[0])
        _bars(axes, left, right, bottom, top, colour)
        bottom = top


def _bars(axes: Axes, left, right, bottom, top, colour: str) -> None:
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)  # (bars, 4, 2)
    # Anti-aliased edges of neighbours would leave a hair of white between them.
    axes.add_collection(PolyCollection(shapes, facecolor=colour, linewidth=0.2, edgecolor="face"))


def _names(axes: Axes, lane: int, part: Track, told: pd.Series | None, colour: str) -> None:
    """To the left what the file says, to the right what the notes say."""
    written = "Drums" if part.is_drum else f"channel {part.channel + 1}"
    if told is not None:
        written = f"{told['written']}, {written}"
    side = axes.get_yaxis_transform()
    style = {"transform": side, "clip_on": False, "va": "center"}
    axes.text(-0.01, lane + 0.3, part.name[:30], ha="right", **style)
    axes.text(-0.01, lane + 0.68, written[:36], ha="right", fontsize=5.5, color="0.4", **style)
    if told is None:
        why = "drums are not labelled" if part.is_drum else "too few notes"
        axes.text(1.012, lane + 0.48, why, fontsize=6, color="0.4", **style)
        return
    axes.add_patch(Rectangle((1.012, lane + 0.14), 0.014, 0.36, color=colour, linewidth=0,
                             transform=side, clip_on=False))  # fmt: skip
    percent = f"{100 * told['probability']:.0f} %"
    sure = told["predicted"] in COLOURS
    text = f"{told['predicted']} {percent}" if sure else told["predicted"]
    axes.text(1.034, lane + 0.33, text, weight="bold" if sure else "normal", **style)
    if not sure:
        best = max(INSTRUMENTS, key=lambda name: told[f"p_{name}"])
        axes.text(1.034, lane + 0.7, f"{best}? {percent}", fontsize=5.5, color="0.4", **style)


def _frame(axes: Axes, lanes: int, score: Score, left_out: int) -> None:
    last = max(track.end_beat.max() for track in score.tracks)
    axes.set(xlim=(1, float(_measure(last, score))), ylim=(lanes, 0), yticks=[])
    for lane in range(1, lanes):
        axes.axhline(lane - 0.02, color="0.88", linewidth=0.5, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=1))
    axes.spines["left"].set_visible(False)
    more = f"; {left_out} more parts are in the table" if left_out else ""
    axes.set_xlabel(f"measure{more}")


def _measure(beat, score: Score) -> np.ndarray:
    """Positions in measures, the first of which is number 1."""
    return np.interp(beat, score.measures, np.arange(1, len(score.measures) + 1))


@styled
def song_sizes(song_of: np.ndarray, splits: Sequence[np.ndarray]) -> Figure:
    """How many songs have how many labelled parts, in training, validation and test songs.

    Args:
        song_of: `(tracks,)`, the song of each track.
        splits: the songs of the three, each `(songs,)`.
    """
    parts = np.bincount(song_of)
    figure, axes = plt.subplots(figsize=(PAGE, 2.0))
    most = int(parts.max())
    names = ("training", "validation", "test")
    counts = [np.bincount(parts[songs], minlength=most + 1)[1:] for songs in splits]
    bottom = np.zeros(most)
    for name, count, shade in zip(names, counts, ("0.35", "0.6", "0.8"), strict=True):
        axes.bar(np.arange(1, most + 1), count, bottom=bottom, color=shade, label=name)
        bottom += count
    axes.set(xlabel="parts of one of the eight instruments", ylabel="songs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure
