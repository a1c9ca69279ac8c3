"""Composition of a corpus: classes, splits, pitches, tempi and song sizes."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from camil.evaluation.columns import require_columns
from camil.figures.segment_images import octave_name
from camil.figures.style import PAGE, require_instruments, styled
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.segments import LOWEST_PITCH, PITCHES

SPLITS = {"train": 1.0, "validation": 0.6, "test": 0.3}  # opacity


@styled
def corpus_overview(table: pd.DataFrame, instruments: InstrumentTable = FAMILIES) -> Figure:
    """Segments per class and split, pitch percentiles per class, and the tempi of a corpus.

    Args:
        table: ``segments.parquet`` as read by pandas; the columns used are ``instrument``,
            ``split``, ``bpm`` and ``pitch`` (a list of MIDI note numbers per segment).
        instruments: the classes, in the order of the rows.

    Raises:
        ValueError: if a column is missing, there is no row, or a class is unknown.
    """
    require_columns(table, ["instrument", "split", "bpm", "pitch"], "The overview of a corpus")
    names = require_instruments(table["instrument"], "The overview of a corpus", instruments)
    figure, (count, pitch, tempo) = plt.subplots(
        1, 3, figsize=(PAGE, 2.5), width_ratios=(1.25, 1.25, 1)
    )
    _split_counts(count, names, table["split"].to_numpy(), instruments)
    _pitch_ranges(pitch, names, table["pitch"], instruments)
    for axes in (count, pitch):
        axes.set_yticks(range(len(instruments)), instruments.names)
        axes.set_ylim(len(instruments) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
    tempo.hist(table["bpm"], bins=30, color="0.45")
    tempo.set(xlabel="quarter notes per minute", ylabel="segments", title="Tempi")
    keys = [
        Patch(color="0.25", alpha=opacity, linewidth=0, label=split)
        for split, opacity in SPLITS.items()
    ]
    figure.legend(handles=keys, loc="outside lower left", ncols=3, handlelength=1)
    return figure


def _split_counts(
    axes: Axes, names: np.ndarray, splits: np.ndarray, instruments: InstrumentTable
) -> None:
    """Stacked bars: segments per class and split, with totals."""
    rows = np.arange(len(instruments))
    left = np.zeros(len(instruments))
    colours = list(instruments.colours.values())
    for split, opacity in SPLITS.items():
        chosen = names[splits == split]
        segments = np.array([(chosen == name).sum() for name in instruments.names])
        axes.barh(rows, segments, 0.75, left, color=colours, alpha=opacity)
        left += segments
    for row, total in enumerate(left):
        axes.text(total + 0.015 * left.max(), row, f"{total:,.0f}", va="center", fontsize=6.5)
    axes.set(xlabel="segments", title="Classes and splits")
    axes.margins(x=0.15)


def _pitch_ranges(
    axes: Axes, names: np.ndarray, pitches: pd.Series, instruments: InstrumentTable
) -> None:
    """Box plots of the pitches of each class."""
    for row, (name, colour) in enumerate(instruments.colours.items()):
        of_class = np.concatenate([[], *pitches[names == name]])
        if len(of_class):
            low, quarter, median, three_quarters, high = np.percentile(
                of_class, (1, 25, 50, 75, 99)
            )
            axes.plot([low, high], [row, row], color=colour, linewidth=1.3)
            axes.barh(row, three_quarters - quarter, 0.6, quarter, color=colour)
            axes.plot(median, row, "o", color="white", markeredgecolor="0.2", markersize=3.5,
                      markeredgewidth=0.5)  # fmt: skip
    octaves = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES + 1, 12)
    axes.set_xticks(octaves, [octave_name(octave) for octave in octaves])
    axes.set(xlabel="percentiles 1, 25, 50, 75, 99", title="Pitches",
             xlim=(octaves[0], octaves[-1]))  # fmt: skip
    axes.grid(axis="x")


@styled
def song_sizes(song_of: np.ndarray, splits: Sequence[np.ndarray]) -> Figure:
    """Songs by their number of labelled tracks, in the training, validation and test songs.

    Args:
        song_of: ``(tracks,)``, index of each track's song.
        splits: song indices of the three splits, each ``(songs,)``.
    """
    tracks = np.bincount(song_of)
    figure, axes = plt.subplots(figsize=(PAGE, 2.0))
    most = int(tracks.max())
    names = ("training", "validation", "test")
    counts = [np.bincount(tracks[songs], minlength=most + 1)[1:] for songs in splits]
    bottom = np.zeros(most)
    for name, count, shade in zip(names, counts, ("0.35", "0.6", "0.8"), strict=True):
        axes.bar(np.arange(1, most + 1), count, bottom=bottom, color=shade, label=name)
        bottom += count
    axes.set(xlabel="labelled tracks in a song", ylabel="songs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure
