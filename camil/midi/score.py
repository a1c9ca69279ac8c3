"""Read a MIDI file as parts, measures and tempi.

Musical time is counted in quarter notes ("beats") from the start of the file in every metre: a
measure of 6/8 is three beats long. Notes and audio share one tempo map, so they agree in time.
"""

import stat
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import pretty_midi

from camil.midi.faults import IGNORED, Faults, MidiError, MidiWarning
from camil.midi.notes import Instrument, instruments_of, pair_notes
from camil.midi.parse import METRE, TEMPO, Events, read_events
from camil.midi.repair import repair

# Limits beyond which a file is damaged rather than music; they bound its memory and time.
MAX_BYTES = 4_000_000
MAX_SECONDS = 3 * 3600
MAX_MEASURES = 20_000
MAX_NOTES = 200_000
UNKNOWN = "unknown instrument"
MAX_METRE_POWER = 7  # denominators up to 128; 64/128 occurs


@dataclass
class Track:
    """The notes that one program plays on one channel of one MIDI track.

    The arrays are ``(notes,)``, sorted by start and pitch.

    Attributes:
        name: unique in the file; printable characters, at most 43. It is not escaped; escape it
            before writing HTML, LaTeX or mathtext.
        program: General MIDI program, 0 to 127; 0 if the file states none.
        is_drum: whether the notes select drum sounds instead of pitches.
        pitch: MIDI note numbers.
        velocity: 1 to 127.
        start_beat, end_beat: quarter notes from the start of the file.
        start_seconds, end_seconds: seconds from the start of the file.
        midi_track: index of the MIDI track, from 0.
        channel: MIDI channel, 0 to 15.
        labelled: False if the file states no General MIDI program for the part. Such a part is
            neither trained nor tested on.
    """

    name: str
    program: int
    is_drum: bool
    pitch: np.ndarray
    velocity: np.ndarray
    start_beat: np.ndarray
    end_beat: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    midi_track: int = 0
    channel: int = 0
    labelled: bool = True


@dataclass
class TempoMap:
    """Piecewise constant tempo: ``bpm[i]`` from position ``beat[i]``, at ``second[i]``."""

    beat: np.ndarray
    second: np.ndarray
    bpm: np.ndarray

    def seconds_at(self, beat) -> np.ndarray:
        """Seconds of positions in quarter notes, both from the start of the file."""
        i = np.searchsorted(self.beat, beat, side="right") - 1
        return self.second[i] + (beat - self.beat[i]) * 60 / self.bpm[i]


@dataclass
class Score:
    """A MIDI file.

    Attributes:
        tracks: the parts, in the order in which their first notes end.
        measures: ``(2 n + 1,)`` float64, quarter notes: each downbeat and the end of the last
            measure. Measures come in pairs; the last may be empty.
        tempo: conversion of quarter notes to seconds.
        events: all events of the file, including controllers.
        warnings: the faults that lenient reading repaired; empty in strict reading.
        has_measures: False if the file counts time in SMPTE frames. Its measures are then
            assumed to be 4/4 at 120 quarter notes per minute, and a corpus should skip it.
    """

    tracks: list[Track]
    measures: np.ndarray
    tempo: TempoMap
    events: Events
    warnings: list[MidiWarning] = field(default_factory=list)
    has_measures: bool = True

    def seconds_at(self, beat) -> np.ndarray:
        """Seconds of positions in quarter notes, both from the start of the file."""
        return self.tempo.seconds_at(beat)


def read_midi(path: str | PathLike, strict: bool = True) -> Score:
    """Read a MIDI file: its tracks, its measures and its tempi.

    Args:
        path: a Standard MIDI File, also in a RIFF container.
        strict: if True, a damaged file raises. If False, it is repaired as far as possible, and
            ``warnings`` of the score lists the repairs.

    A file without tempo plays at 120 quarter notes per minute, one without time signature is in
    4/4, as MIDI defines. A change of time signature starts a new measure even where the old one is
    not full.

    Raises:
        MidiError: if the file cannot be read, or exceeds the limits of this module (for example, it
            lasts more than three hours). The message names the track, the byte offset and the value
            at fault.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("the path is not a file")
        if status.st_size > MAX_BYTES:
            raise ValueError(f"the file is larger than {MAX_BYTES // 1_000_000} MB")
        return score_of(path.read_bytes(), strict)
    except (ValueError, OSError) as error:
        raise MidiError(f"{path} cannot be read: {_reason(error)}") from error


def score_of(data: bytes, strict: bool = True) -> Score:
    """The score of the content of a MIDI file; see `read_midi`.

    Raises:
        ValueError: if it cannot be read.
    """
    faults = Faults(strict)
    try:
        ticks, events = read_events(data, frames=not strict)
    except ValueError:
        if strict:
            raise
        repaired = repair(data)
        ticks, events = read_events(repaired.data, frames=True)
        faults.warnings, faults.origin = repaired.warnings, repaired.origin
    tempo, signatures = _conductor(ticks, events, faults)
    notes = pair_notes(events, faults)
    if not len(notes.begin):
        raise ValueError("the file has no notes")
    if len(notes.begin) > MAX_NOTES:
        raise ValueError(f"the file has {len(notes.begin)} notes, more than {MAX_NOTES}")
    instruments = instruments_of(events, notes)
    found = [_track(index, one, tempo, ticks) for index, one in enumerate(instruments)]
    last = max(track.end_seconds.max() for track in found)
    if not last <= MAX_SECONDS:
        raise ValueError(
            f"the file lasts {last / 3600:.0f} hours, more than {MAX_SECONDS // 3600} hours"
        )
    measures = _measures(signatures, max(t.end_beat.max() for t in found))
    return Score(found, measures, tempo, events, faults.warnings, not events.frames)


def _conductor(ticks: float, events: Events, faults: Faults) -> tuple[TempoMap, dict[float, float]]:
    """Tempi and metres on all tracks; by the standard they are on the first, but not in every file.
    Metres are the beat of a change and the length of its measures."""
    tempi, signatures = [(0, 500_000)], {0.0: 4.0}
    if events.frames:
        fault = "time is in SMPTE frames, so there are no measures"
        faults.add(fault, "read at 120 quarter notes per minute in 4/4")
        return TempoMap(np.zeros(1), np.zeros(1), np.array([120.0])), signatures
    for _, track, tick, kind, offset, content in sorted(events.meta, key=lambda one: one.tick):
        if kind == TEMPO:
            tempo = int.from_bytes(content[:3])
            if len(content) < 3 or tempo == 0:
                fault = (
                    f"the tempo is {tempo} microseconds per quarter note in {len(content)} bytes"
                )
                faults.add(fault, IGNORED, track + 1, offset)
            elif tick == 0:
                tempi = [(0, tempo)]
            elif tempo != tempi[-1][1]:
                tempi.append((tick, tempo))
        elif kind == METRE:
            numerator, power = content[:2] if len(content) >= 2 else (0, 0)
            if numerator and power <= MAX_METRE_POWER:
                signatures[tick / ticks] = 4 * numerator / 2**power
            elif len(content) < 2:
                fault = f"the time signature has {len(content)} bytes instead of 4"
                faults.add(fault, IGNORED, track + 1, offset)
            else:
                fault = f"the time signature is {numerator}/2^{power}"
                faults.add(fault, IGNORED, track + 1, offset)
    tick, tempo = np.array(tempi).T
    bpm = 6e7 / tempo
    durations = np.diff(tick) * (60 / (bpm * ticks))[:-1]
    return TempoMap(tick / ticks, np.cumsum(np.append(0.0, durations)), bpm), signatures


def _track(index: int, instrument: Instrument, tempo: TempoMap, ticks: float) -> Track:
    printable = "".join(c if c.isprintable() else " " for c in instrument.name)
    name = " ".join(printable.split())[:40]
    if not name and instrument.labelled:
        name = pretty_midi.program_to_instrument_name(instrument.program)
    beats = np.stack([instrument.start, instrument.end]) / ticks
    return Track(
        f"{index:02d}-{name or UNKNOWN}",
        instrument.program,
        instrument.is_drum,
        instrument.pitch,
        instrument.velocity,
        *beats,
        *tempo.seconds_at(beats),
        instrument.midi_track,
        instrument.channel,
        instrument.labelled,
    )


def _measures(signatures: dict[float, float], last: float) -> np.ndarray:
    """Downbeats in quarter notes to the end of the measure that holds ``last``, and that end.

    Their number is even: a last measure without a partner is followed by an empty one, so that a
    stem that ends early is cut like the whole song.
    """
    begins = sorted(beat for beat in signatures if beat < last)
    downbeats, total = [], 0
    for begin, end in zip(begins, [*begins[1:], last], strict=True):
        count = int(np.ceil((end - begin) / signatures[begin] - 1e-9))
        total += count
        if total > MAX_MEASURES:
            raise ValueError(f"the file has more than {MAX_MEASURES} measures")
        downbeats.append(begin + signatures[begin] * np.arange(count))
    length = signatures[begins[-1]]
    extra = 1 + total % 2
    downbeats.append(downbeats[-1][-1] + length * np.arange(1, extra + 1))
    return np.concatenate(downbeats)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
