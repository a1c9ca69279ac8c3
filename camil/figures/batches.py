"""What training is given and what a classifier makes of it, at a glance."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camil.figures.style import COLOURS, COLUMN, PAGE, require_instruments, styled
from camil.midi.instruments import INSTRUMENTS


@styled
def pairs(rolls: np.ndarray, mels: np.ndarray, below: str = "sound") -> Figure:
    """Positive pairs side by side: the piano roll above, the mel-spectrogram below.

    Args:
        rolls: `(pairs, 1, 84, 192)`.
        mels: `(pairs, 1, 128, 282)`, or what else the rolls are paired with.
        below: the name of that.

    Raises:
        ValueError: if there is no pair, or one is not whole.
    """
    if not len(rolls) == len(mels) > 0:
        raise ValueError(f"pairs takes as many rolls as mels, got {len(rolls)} and {len(mels)}.")
    figure, axes = plt.subplots(2, len(rolls), figsize=(PAGE, 1.9), squeeze=False)
    for i, (roll, mel) in enumerate(zip(rolls[:, 0], mels[:, 0], strict=True)):
        axes[0, i].imshow(roll, origin="lower", aspect="auto", cmap="Greys")
        axes[1, i].imshow(mel, origin="lower", aspect="auto", cmap="magma")
        axes[0, i].set_title(str(i + 1))
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("notes")
    axes[1, 0].set_ylabel(below)
    return figure


@styled
def class_counts(instruments: Iterable[str]) -> Figure:
    """How many segments each instrument has.

    Raises:
        ValueError: if there is no segment or an instrument is unknown.
    """
    instruments = require_instruments(instruments, "The counts of classes")
    counts = [int((instruments == name).sum()) for name in INSTRUMENTS]
    figure, axes = plt.subplots(figsize=(COLUMN, 1.7))
    bars = axes.barh(INSTRUMENTS, counts, color=[COLOURS[name] for name in INSTRUMENTS])
    axes.bar_label(bars, padding=2, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("segments")
    return figure


@styled
def class_scores(segments: Mapping[str, float], tracks: Mapping[str, float]) -> Figure:
    """F1 of each instrument, by segment and by track.

    Args:
        segments, tracks: `per_class_f1` of `camil.evaluation.scores`.
    """
    names = [name for name in INSTRUMENTS if name in segments]
    place = np.arange(len(names))
    figure, axes = plt.subplots(figsize=(COLUMN, 2.1))
    colours = [COLOURS[name] for name in names]
    axes.barh(place - 0.2, [segments[name] for name in names], 0.38, color=colours)
    axes.barh(place + 0.2, [tracks.get(name, 0) for name in names], 0.38, color=colours, alpha=0.45)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="F1: a segment (full colour), a track (pale)")
    return figure


@styled
def feature_ranges(features: pd.DataFrame, instruments: Iterable[str]) -> Figure:
    """Where each instrument lies in each feature: from the lowest to the highest tenth, and middle.

    Args:
        features: a row a segment, at most six columns.
        instruments: of each row.

    Raises:
        ValueError: if there is no segment or an instrument is unknown.
    """
    instruments = require_instruments(instruments, "The ranges of features")
    columns = -(-features.shape[1] // 2)
    figure, axes = plt.subplots(2, columns, figsize=(PAGE, 3.2), sharey=True, squeeze=False)
    for one, (name, values) in zip(axes.flat, features.items(), strict=False):
        for place, instrument in enumerate(INSTRUMENTS):
            own = values.to_numpy(float)[instruments == instrument]
            if len(own):
                low, middle, high = np.nanquantile(own, [0.1, 0.5, 0.9])
                one.barh(place, high - low, left=low, height=0.6, color=COLOURS[instrument])
                one.vlines(middle, place - 0.42, place + 0.42, color="0.5", linewidth=1.5)
        one.use_sticky_edges = False  # room for what begins at the edge
        one.set_title(name.replace("_", " "))
    for one in axes.flat[features.shape[1] :]:
        one.set_visible(False)
    axes[0, 0].set_yticks(range(len(INSTRUMENTS)), INSTRUMENTS)
    axes[0, 0].invert_yaxis()
    return figure
