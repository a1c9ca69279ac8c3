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

from camil.midi.notes import Instrument, instruments_of
from camil.midi.parse import METRE, TEMPO, Events, read_events

# Limits beyond which a file is damaged rather than music; they bound the memory and time it costs.
MAX_BYTES = 4_000_000
MAX_SECONDS = 3 * 3600
MAX_MEASURES = 20_000
MAX_NOTES = 200_000


class MidiError(ValueError):
    """A MIDI file that cannot be read; the message names the file and the reason."""


@dataclass
class Track:
    """The notes that one program plays on one channel of one MIDI track.

    The arrays are ``(notes,)``, sorted by start and pitch.

    Attributes:
        name: unique in the file; printable characters, at most 43. It is not escaped: whoever
            writes HTML, LaTeX or mathtext escapes it.
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


@dataclass(frozen=True)
class MidiWarning:
    """A fault that lenient reading repaired; ``str()`` is one sentence.

    Attributes:
        what: the fault, with the value found.
        track: number of the MIDI track, from 1; 0 if the fault is in no track.
        offset: position in bytes from the start of the file; -1 if it is in no single byte.
        done: the repair.
    """

    what: str
    track: int
    offset: int
    done: str

    def __str__(self) -> str:
        where = [f"track {self.track}"] if self.track else []
        where += [f"offset {self.offset:,}"] if self.offset >= 0 else []
        return f"{', '.join(where) or 'file'}: {self.what}; {self.done}"


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

    A file without tempo plays at 120, one without time signature is in 4/4, as MIDI defines. A
    change of time signature starts a new measure even where the old one is not full.

    Raises:
        MidiError: if the file cannot be read, or claims to be what no music is (longer than three
            hours, for example).
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a file")
        if status.st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        return _score(*read_events(path.read_bytes()))
    except (ValueError, OSError) as error:
        raise MidiError(f"{path} cannot be read: {_reason(error)}") from error


def _score(ticks: int, events: Events) -> Score:
    tempo, signatures = _conductor(ticks, events)
    instruments = instruments_of(events)
    if not instruments:
        raise ValueError("it has no notes")
    notes = sum(len(instrument.pitch) for instrument in instruments)
    if notes > MAX_NOTES:
        raise ValueError(f"it has {notes} notes, more than {MAX_NOTES}")
    found = [_track(index, one, tempo, ticks) for index, one in enumerate(instruments)]
    end = max(track.end_seconds.max() for track in found)
    if not end <= MAX_SECONDS:
        raise ValueError(f"it claims to last {end / 3600:.0f} hours")
    measures = _measures(signatures, max(t.end_beat.max() for t in found))
    return Score(found, measures, tempo, events)


def _conductor(ticks: int, events: Events) -> tuple[TempoMap, dict[float, float]]:
    """Tempi and metres, on whatever track they stand: MIDI wants them on the first, not all heed
    it. Metres are the beat of a change and the length of its measures."""
    meta = sorted(events.meta, key=lambda one: one[2])
    tempi, signatures = [(0, 500_000)], {0.0: 4.0}
    for _, _, tick, kind, content in meta:
        if kind == TEMPO:
            tempo = int.from_bytes(content[:3])
            if len(content) < 3 or tempo == 0:
                raise ValueError("it has a tempo of no length")
            if tick == 0:
                tempi = [(0, tempo)]
            elif tempo != tempi[-1][1]:
                tempi.append((tick, tempo))
        elif kind == METRE:
            numerator, power = content[:2] if len(content) >= 2 else (0, 0)
            if numerator == 0 or power > 6:
                raise ValueError(f"it has a time signature of {numerator}/{2**power}")
            signatures[tick / ticks] = 4 * numerator / 2**power
    tick, tempo = np.array(tempi).T
    bpm = 6e7 / tempo
    durations = np.diff(tick) * (60 / (bpm * ticks))[:-1]
    return TempoMap(tick / ticks, np.cumsum(np.append(0.0, durations)), bpm), signatures


def _track(index: int, instrument: Instrument, tempo: TempoMap, ticks: int) -> Track:
    name = instrument.name if not instrument.name.isspace() else ""
    name = name or pretty_midi.program_to_instrument_name(instrument.program)
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:40]
    beats = np.stack([instrument.start, instrument.end]) / ticks
    return Track(
        f"{index:02d}-{name}",
        instrument.program,
        instrument.is_drum,
        instrument.pitch,
        instrument.velocity,
        *beats,
        *tempo.seconds_at(beats),
        instrument.midi_track,
        instrument.channel,
    )


def _measures(signatures: dict[float, float], last: float) -> np.ndarray:
    """Downbeats in quarter notes to the end of the measure that holds ``last``, and that end.

    Their number is even: a last measure without a partner is followed by an empty one, so that a
    stem that ends early is cut like the whole song.
    """
    begins = sorted(beat for beat in signatures if beat < last)
    downbeats = []
    for begin, end in zip(begins, [*begins[1:], last], strict=True):
        count = int(np.ceil((end - begin) / signatures[begin] - 1e-9))
        if count + sum(map(len, downbeats)) > MAX_MEASURES:
            raise ValueError(f"it claims to have more than {MAX_MEASURES} measures")
        downbeats.append(begin + signatures[begin] * np.arange(count))
    length = signatures[begins[-1]]
    extra = 1 + sum(map(len, downbeats)) % 2
    downbeats.append(downbeats[-1][-1] + length * np.arange(1, extra + 1))
    return np.concatenate(downbeats)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
