"""One track with the class probabilities of its segments."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from camil.figures.segment_images import draw_notes, label_pitches
from camil.figures.style import PAGE, UNCERTAIN, styled
from camil.midi.instruments import FAMILIES, InstrumentTable


@styled
def label_timeline(
    pitch: np.ndarray,
    start_beat: np.ndarray,
    end_beat: np.ndarray,
    spans: np.ndarray,
    probabilities: np.ndarray,
    title: str = "",
    threshold: float = 0.5,
    measures: np.ndarray | None = None,
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """A track with its labels: notes above, class probabilities below.

    The notes of a segment have the colour of its most probable class, or grey if the probability of
    that class is below the threshold. Probabilities are stacked, from 0 to 1.

    Args:
        pitch, start_beat, end_beat: ``(notes,)``, MIDI note numbers and quarter notes.
        spans: ``(segments, 2)``, start and end of each segment in quarter notes.
        probabilities: ``(segments, classes)``, columns in the order of `instruments`.
        threshold: smallest probability of a label that is not uncertain.
        measures: ``(measures + 1,)``, start of each measure in quarter notes, and the end of the
            last; the time axis then counts measures from 1, otherwise quarter notes from 0.
        instruments: the classes and their colours.

    Raises:
        ValueError: if shapes do not fit or a probability is not between 0 and 1.
    """
    pitch, start_beat, end_beat = (
        np.asarray(values, dtype=float) for values in (pitch, start_beat, end_beat)
    )
    spans, probabilities = np.asarray(spans, dtype=float), np.asarray(probabilities, dtype=float)
    _require_shapes(pitch, start_beat, end_beat, spans, probabilities, len(instruments))
    palette = np.array([*instruments.colours.values(), UNCERTAIN])
    uncertain = len(instruments)
    decided = np.where(probabilities.max(1) >= threshold, probabilities.argmax(1), uncertain)
    # A note belongs to the last segment that starts before it; notes between segments are grey.
    order = np.argsort(spans[:, 0])
    segment = order[(np.searchsorted(spans[order, 0], start_beat + 1e-6) - 1).clip(0)]
    inside = (start_beat + 1e-6 >= spans[segment, 0]) & (start_beat < spans[segment, 1])
    colours = np.where(inside, palette[decided[segment]], UNCERTAIN)
    unit = "quarter note" if measures is None else "measure"
    if measures is not None:
        start_beat, end_beat, spans = (
            np.interp(beats, measures, np.arange(1, len(measures) + 1))
            for beats in (start_beat, end_beat, spans)
        )

    figure, (above, below) = plt.subplots(
        2, sharex=True, figsize=(PAGE, 2.9), height_ratios=(1.7, 1)
    )
    draw_notes(above, pitch, start_beat, end_beat - start_beat, colours, rim="face")
    label_pitches(above, pitch)
    above.tick_params(labelbottom=False)
    for (begin, end), tint in zip(spans, palette[decided], strict=True):
        above.axvspan(begin, end, color=tint, alpha=0.1, linewidth=0)
        above.axvline(begin, color="0.85", linewidth=0.5, zorder=0)
    _stack(below, spans, probabilities, instruments)
    below.set(xlabel=unit, ylabel="probability", yticks=(0, 0.5, 1), ylim=(0, 1))
    below.set_xlim(
        min(spans.min(), start_beat.min(initial=np.inf)), max(spans.max(), end_beat.max(initial=0))
    )
    below.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=1))
    if title:
        above.set_title(title, parse_math=False)
    keys = [Patch(color=colour, label=name) for name, colour in instruments.colours.items()]
    keys.append(Patch(color=UNCERTAIN, label=f"uncertain (below {threshold:g})"))
    figure.legend(loc="outside lower center", handles=keys, ncols=9, handlelength=0.9,
                  columnspacing=1.1, handletextpad=0.4)  # fmt: skip
    return figure


def _require_shapes(pitch, start_beat, end_beat, spans, probabilities, classes: int) -> None:
    if not len(spans) or spans.shape != (len(probabilities), 2) or probabilities.ndim != 2:
        raise ValueError(f"{spans.shape} spans do not fit {probabilities.shape} probabilities")
    if probabilities.shape[1] != classes or not len(pitch) == len(start_beat) == len(end_beat):
        raise ValueError(
            f"needs {classes} probabilities per segment and a start and an end per note, got "
            f"{probabilities.shape}, {len(pitch)}, {len(start_beat)} and {len(end_beat)}"
        )
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise ValueError("probabilities must be between 0 and 1")


def _stack(
    axes: Axes, spans: np.ndarray, probabilities: np.ndarray, instruments: InstrumentTable
) -> None:
    """Draw the probabilities of each segment as stacked bars."""
    bottom = np.zeros(len(spans))
    for height, colour in zip(probabilities.T, instruments.colours.values(), strict=True):
        axes.bar(spans[:, 0], height, np.diff(spans)[:, 0], bottom, align="edge",
                 color=colour, edgecolor="white", linewidth=0.4)  # fmt: skip
        bottom += height
