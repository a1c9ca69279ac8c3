"""Segments as the encoders receive them: piano rolls and mel-spectrograms."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from camil.figures.style import COLUMN, PAGE, styled
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.segments import LOWEST_PITCH, PITCHES, SEGMENT_STEPS, STEPS_PER_QUARTER

BLACK_KEYS = (1, 3, 6, 8, 10)
LABELLED_HERTZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


@styled
def roll_and_mel(
    roll: np.ndarray,
    mel: np.ndarray,
    seconds: float,
    title: str = "",
    instrument: str = "",
    beats: float = SEGMENT_STEPS / STEPS_PER_QUARTER,
    sample_rate: int = 0,
    instruments: InstrumentTable = FAMILIES,
) -> Figure:
    """A segment as both encoders receive it: piano roll above mel-spectrogram, one time axis.

    Args:
        roll: ``(84, 192)``, positive where a note sounds; the lowest row is C1.
        mel: ``(128, 282)``, any unit, lowest band first.
        seconds: length of the segment, which the mel covers completely.
        instrument: class that colours the notes; black if empty.
        beats: length of the segment in quarter notes, 8 for two measures of 4/4. The roll has 24
            steps per quarter note and may be longer than the segment (the rest is padding).
        sample_rate: sample rate of the audio, in Hz, from which the bands are labelled in Hz; if 0,
            they are numbered.
        instruments: the classes and their colours.

    Raises:
        ValueError: if a shape is wrong or a length is not positive.
    """
    roll, mel = np.asarray(roll, dtype=float), np.asarray(mel, dtype=float)
    if roll.shape != (PITCHES, SEGMENT_STEPS) or mel.ndim != 2:
        raise ValueError(
            f"roll must be ({PITCHES}, {SEGMENT_STEPS}) and mel (bins, frames), "
            f"got {roll.shape} and {mel.shape}"
        )
    if not (seconds > 0 and beats > 0):
        raise ValueError(f"seconds and beats must be positive, got {seconds} and {beats}")
    colour = instruments.colours[instrument] if instrument else "black"
    step = seconds / (beats * STEPS_PER_QUARTER)  # seconds

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(COLUMN, 3.0))
    pitches, starts, lengths = _runs(roll > 0)
    draw_notes(above, pitches + LOWEST_PITCH, starts * step, lengths * step, colour, rim="0.2")
    label_pitches(above, pitches + LOWEST_PITCH)
    for beat in np.arange(0, beats + 1e-6):
        above.axvline(beat * step * STEPS_PER_QUARTER, color="0.85", linewidth=0.5, zorder=0)
    below.imshow(mel, extent=(0, seconds, 0, len(mel)), aspect="auto", origin="lower",
                 cmap="magma", interpolation="nearest")  # fmt: skip
    below.set(xlabel="time (s)", xlim=(0, seconds))
    _label_bands(below, len(mel), sample_rate)
    above.tick_params(labelbottom=False)
    if title:
        above.set_title(title, parse_math=False)
    return figure


@styled
def pairs(rolls: np.ndarray, mels: np.ndarray, below: str = "mel") -> Figure:
    """Positive pairs side by side: piano roll above, mel-spectrogram below.

    Args:
        rolls: ``(pairs, 1, 84, 192)``.
        mels: ``(pairs, 1, 128, 282)``, or other images that the rolls are paired with.
        below: axis label of the lower row.

    Raises:
        ValueError: if there is no pair, or the numbers of images differ.
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
    axes[0, 0].set_ylabel("piano roll")
    axes[1, 0].set_ylabel(below)
    return figure


def draw_notes(axes: Axes, pitch, start, length, colour, rim: str) -> None:
    """Draw notes as bars, one semitone high."""
    bars = [Rectangle((s, p - 0.45), d, 0.9) for p, s, d in zip(pitch, start, length, strict=True)]
    axes.add_collection(PatchCollection(bars, facecolor=colour, edgecolor=rim, linewidth=0.4))


def label_pitches(axes: Axes, pitch: np.ndarray) -> None:
    """Label each C, shade the black keys, and show at least two octaves around the notes."""
    pitch = pitch if len(pitch) else np.array([60])
    middle, half = (pitch.min() + pitch.max()) / 2, max(np.ptp(pitch) / 2 + 2, 12)
    low, high = int(np.floor(middle - half)), int(np.ceil(middle + half))
    for key in range(low, high + 1):
        if key % 12 in BLACK_KEYS:
            axes.axhspan(key - 0.5, key + 0.5, color="0.965", linewidth=0, zorder=-1)
    octaves = [key for key in range(low, high + 1) if key % 12 == 0]
    for octave in octaves:
        axes.axhline(octave - 0.5, color="0.8", linewidth=0.4, zorder=0)
    axes.set_yticks(octaves, [octave_name(octave) for octave in octaves])
    axes.set(ylim=(low - 0.5, high + 0.5), ylabel="pitch")


def octave_name(pitch: int) -> str:
    """Name of a C: C4 for MIDI note number 60."""
    return f"C{pitch // 12 - 1}"


def _runs(sounding: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, first column and length of every run of True along the rows."""
    edges = np.diff(np.pad(sounding.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends - starts


def _label_bands(axes: Axes, bands: int, sample_rate: int) -> None:
    """Label the vertical axis of a mel-spectrogram in Hz, or number its bands."""
    if not sample_rate:
        axes.set_ylabel("mel band")
        return
    hertz = [one for one in LABELLED_HERTZ if one < sample_rate / 2]
    # Band i is centred i + 1 of bands + 1 equal steps of the mel scale from 0 to the highest.
    step = _mel(np.array(sample_rate / 2)) / (bands + 1)
    axes.set_yticks(
        _mel(np.array(hertz)) / step - 0.5,
        [f"{one / 1000:g}k" if one >= 1000 else str(one) for one in hertz],
    )
    axes.set_ylabel("frequency (Hz)")


def _mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale, as `camil.audio.MelSpectrogram` uses it: linear up to 1 kHz, then log."""
    above = 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)
