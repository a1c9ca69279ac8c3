"""Music as the encoders see it: a segment, a corpus, and a track labelled segment by segment."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from camil.figures.style import (
    COLOURS,
    COLUMN,
    NOT_SURE,
    PAGE,
    require_columns,
    require_instruments,
    styled,
)
from camil.midi.instruments import INSTRUMENTS
from camil.midi.segments import LOWEST_PITCH, PITCHES, SEGMENT_STEPS, STEPS_PER_QUARTER

SPLITS = {"train": 1.0, "validation": 0.6, "test": 0.3}  # opacity
BLACK_KEYS = (1, 3, 6, 8, 10)


@styled
def roll_and_mel(
    roll: np.ndarray,
    mel: np.ndarray,
    seconds: float,
    title: str = "",
    instrument: str = "",
    beats: float = SEGMENT_STEPS / STEPS_PER_QUARTER,
) -> Figure:
    """A segment as both encoders see it: piano roll over mel-spectrogram, one time axis.

    Args:
        roll: `(84, 192)`, more than 0 where a note sounds; the lowest row is C1.
        mel: `(128, 282)`, in any unit, the lowest band first.
        seconds: length of the segment, which the mel covers whole.
        instrument: colours the notes; black when empty.
        beats: length of the segment in quarter notes, 8 for two measures of 4/4. The roll has
            24 steps a quarter note and may be longer than the segment (what follows is padding).

    Raises:
        ValueError: if a shape is wrong or the length is not positive.
    """
    roll, mel = np.asarray(roll, dtype=float), np.asarray(mel, dtype=float)
    if roll.shape != (PITCHES, SEGMENT_STEPS) or mel.ndim != 2:
        raise ValueError(
            f"roll must be ({PITCHES}, {SEGMENT_STEPS}) and mel (bins, frames), "
            f"got {roll.shape} and {mel.shape}"
        )
    if not (seconds > 0 and beats > 0):
        raise ValueError(f"seconds and beats must be positive, got {seconds} and {beats}")
    colour = COLOURS[instrument] if instrument else "black"
    step = seconds / (beats * STEPS_PER_QUARTER)  # seconds

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(COLUMN, 3.0))
    pitches, starts, lengths = _runs(roll > 0)
    _notes(above, pitches + LOWEST_PITCH, starts * step, lengths * step, colour, rim="0.2")
    _pitch_axis(above, pitches + LOWEST_PITCH)
    for beat in np.arange(0, beats + 1e-6):
        above.axvline(beat * step * STEPS_PER_QUARTER, color="0.85", linewidth=0.5, zorder=0)
    below.imshow(mel, extent=(0, seconds, 0, len(mel)), aspect="auto", origin="lower",
                 cmap="magma", interpolation="nearest")  # fmt: skip
    below.set(xlabel="time (s)", ylabel="mel band", xlim=(0, seconds))
    above.tick_params(labelbottom=False)
    if title:
        above.set_title(title)
    return figure


@styled
def corpus_overview(table: pd.DataFrame) -> Figure:
    """What a corpus holds: segments of each class and split, their tempi, their pitches.

    Args:
        table: `segments.parquet` as pandas reads it; the columns used are instrument, split, bpm
            and pitch (a list of MIDI numbers a segment).

    Raises:
        ValueError: if a column is missing, there is no row, or an instrument is unknown.
    """
    require_columns(table, ["instrument", "split", "bpm", "pitch"], "The overview of a corpus")
    instrument = require_instruments(table["instrument"], "The overview of a corpus")
    figure, (count, pitch, tempo) = plt.subplots(
        1, 3, figsize=(PAGE, 2.5), width_ratios=(1.25, 1.25, 1)
    )
    rows = np.arange(len(INSTRUMENTS))
    left = np.zeros(len(INSTRUMENTS))
    for split, opacity in SPLITS.items():
        chosen = instrument[table["split"].to_numpy() == split]
        segments = np.array([(chosen == name).sum() for name in INSTRUMENTS])
        count.barh(rows, segments, 0.75, left, color=list(COLOURS.values()), alpha=opacity)
        left += segments
    for row, total in enumerate(left):
        count.text(total + 0.015 * left.max(), row, f"{total:,.0f}", va="center", fontsize=6.5)
    count.set(xlabel="segments", title="Classes and splits")
    count.margins(x=0.15)
    keys = [
        Patch(color="0.25", alpha=opacity, linewidth=0, label=split)
        for split, opacity in SPLITS.items()
    ]
    figure.legend(handles=keys, loc="outside lower left", ncols=3, handlelength=1)

    notes = [np.concatenate([[], *table["pitch"][instrument == name]]) for name in INSTRUMENTS]
    for row, (name, of_class) in enumerate(zip(INSTRUMENTS, notes, strict=True)):
        if len(of_class):
            low, quarter, median, three_quarters, high = np.percentile(
                of_class, (1, 25, 50, 75, 99)
            )
            pitch.plot([low, high], [row, row], color=COLOURS[name], linewidth=1.3)
            pitch.barh(row, three_quarters - quarter, 0.6, quarter, color=COLOURS[name])
            pitch.plot(median, row, "o", color="white", markeredgecolor="0.2", markersize=3.5,
                       markeredgewidth=0.5)  # fmt: skip
    octaves = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES + 1, 12)
    pitch.set_xticks(octaves, [_pitch_name(octave) for octave in octaves])
    pitch.set(xlabel="percentiles 1, 25, 50, 75, 99", title="Pitches",
              xlim=(octaves[0], octaves[-1]))  # fmt: skip
    pitch.grid(axis="x")
    for axes in (count, pitch):
        axes.set_yticks(rows, INSTRUMENTS)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
    tempo.hist(table["bpm"], bins=30, color="0.45")
    tempo.set(xlabel="quarter notes per minute", ylabel="segments", title="Tempi")
    return figure


@styled
def label_timeline(
    pitch: np.ndarray,
    start_beat: np.ndarray,
    end_beat: np.ndarray,
    spans: np.ndarray,
    probabilities: np.ndarray,
    title: str = "",
    sure: float = 0.5,
) -> Figure:
    """A track with what the model hears in it: notes above, class probabilities below.

    The notes of a segment have the colour of its most probable class, or grey where that class
    has a probability under `sure`. Probabilities are stacked, from 0 to 1.

    Args:
        pitch, start_beat, end_beat: the notes, `(notes,)`; MIDI numbers and quarter notes.
        spans: `(segments, 2)`, begin and end of each segment in quarter notes.
        probabilities: `(segments, 8)`, columns in the paper's order.
        sure: least probability at which a class is named.

    Raises:
        ValueError: if shapes do not belong together or a probability is not between 0 and 1.
    """
    pitch, start_beat, end_beat = (
        np.asarray(x, dtype=float) for x in (pitch, start_beat, end_beat)
    )
    spans, probabilities = np.asarray(spans, dtype=float), np.asarray(probabilities, dtype=float)
    if not len(spans) or spans.shape != (len(probabilities), 2) or probabilities.ndim != 2:
        raise ValueError(f"{spans.shape} spans do not fit {probabilities.shape} probabilities")
    if probabilities.shape[1] != len(INSTRUMENTS) or not len(pitch) == len(start_beat) == len(
        end_beat
    ):
        raise ValueError(
            f"needs {len(INSTRUMENTS)} probabilities a segment and a start and end a note, got "
            f"{probabilities.shape}, {len(pitch)}, {len(start_beat)} and {len(end_beat)}"
        )
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise ValueError("probabilities must lie between 0 and 1")

    palette = np.array([*COLOURS.values(), NOT_SURE])
    decided = np.where(probabilities.max(1) >= sure, probabilities.argmax(1), len(INSTRUMENTS))
    figure, (above, below) = plt.subplots(
        2, sharex=True, figsize=(PAGE, 2.9), height_ratios=(1.7, 1)
    )
    # A note belongs to the last segment begun by its onset; notes between segments are grey.
    order = np.argsort(spans[:, 0])
    segment = order[(np.searchsorted(spans[order, 0], start_beat + 1e-6) - 1).clip(0)]
    inside = (start_beat + 1e-6 >= spans[segment, 0]) & (start_beat < spans[segment, 1])
    colours = np.where(inside, palette[decided[segment]], NOT_SURE)
    _notes(above, pitch, start_beat, end_beat - start_beat, colours, rim="face")
    _pitch_axis(above, pitch)
    above.tick_params(labelbottom=False)

    bottom = np.zeros(len(spans))
    for column, name in enumerate(INSTRUMENTS):
        height = probabilities[:, column]
        below.bar(spans[:, 0], height, np.diff(spans)[:, 0], bottom, align="edge",
                  color=COLOURS[name], edgecolor="white", linewidth=0.4)  # fmt: skip
        bottom += height
    for (begin, end), tint in zip(spans, palette[decided], strict=True):
        above.axvspan(begin, end, color=tint, alpha=0.1, linewidth=0)
        above.axvline(begin, color="0.85", linewidth=0.5, zorder=0)
    below.set(xlabel="quarter notes", ylabel="probability", yticks=(0, 0.5, 1), ylim=(0, 1))
    below.set_xlim(
        min(spans.min(), start_beat.min(initial=np.inf)), max(spans.max(), end_beat.max(initial=0))
    )
    if title:
        above.set_title(title)
    keys = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    keys.append(Patch(color=NOT_SURE, label=f"not sure (under {sure:g})"))
    figure.legend(loc="outside lower center", handles=keys, ncols=9, handlelength=0.9,
                  columnspacing=1.1, handletextpad=0.4)  # fmt: skip
    return figure


def _runs(sounding: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, first column and length of every run of True along the rows."""
    edges = np.diff(np.pad(sounding.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends - starts


def _notes(axes: Axes, pitch, start, length, colour, rim: str) -> None:
    """Notes as bars, one semitone high."""
    bars = [Rectangle((s, p - 0.45), d, 0.9) for p, s, d in zip(pitch, start, length, strict=True)]
    axes.add_collection(PatchCollection(bars, facecolor=colour, edgecolor=rim, linewidth=0.4))


def _pitch_axis(axes: Axes, pitch: np.ndarray) -> None:
    """Two octaves or more around the notes, each C named, black keys shaded."""
    pitch = pitch if len(pitch) else np.array([60])
    middle, half = (pitch.min() + pitch.max()) / 2, max(np.ptp(pitch) / 2 + 2, 12)
    low, high = int(np.floor(middle - half)), int(np.ceil(middle + half))
    for key in range(low, high + 1):
        if key % 12 in BLACK_KEYS:
            axes.axhspan(key - 0.5, key + 0.5, color="0.965", linewidth=0, zorder=-1)
    octaves = [key for key in range(low, high + 1) if key % 12 == 0]
    for octave in octaves:
        axes.axhline(octave - 0.5, color="0.8", linewidth=0.4, zorder=0)
    axes.set_yticks(octaves, [_pitch_name(octave) for octave in octaves])
    axes.set(ylim=(low - 0.5, high + 0.5), ylabel="pitch")


def _pitch_name(pitch: int) -> str:
    """C4 for 60; only for Cs."""
    return f"C{pitch // 12 - 1}"
