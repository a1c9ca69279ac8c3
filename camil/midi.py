"""From a MIDI file to tracks, measures and two-measure segments of notes.

Musical time is counted in quarter notes ("beats") from the start of the file, whatever the metre:
a measure of 6/8 is three beats long. Notes and audio share one tempo map, so they agree in time.
"""

import stat
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pretty_midi

from camil.notes import Instrument, instruments_of
from camil.smf import METRE, TEMPO, Events, read_events

INSTRUMENTS = ("Guitar", "Piano", "Bass", "Strings", "Organ", "Brass", "Pipe", "Reed")
STEPS_PER_QUARTER = 24
SEGMENT_STEPS = 192  # two measures of 4/4
NOTE_COLUMNS = ["pitch", "step", "length", "velocity"]  # of segments.parquet
LOWEST_PITCH = 24  # C1
PITCHES = 84  # C1 to B7

# Limits beyond which a file is damaged rather than music; they bound the memory and time it costs.
MAX_BYTES = 4_000_000
MAX_SECONDS = 3 * 3600
MAX_MEASURES = 20_000
MAX_NOTES = 200_000

_FAMILIES = (
    (range(0, 8), "Piano"),
    (range(16, 24), "Organ"),
    (range(24, 32), "Guitar"),
    (range(32, 40), "Bass"),
    (range(40, 56), "Strings"),  # solo strings, then ensembles, choirs and orchestra hit
    (range(56, 64), "Brass"),
    (range(64, 72), "Reed"),
    (range(72, 80), "Pipe"),
)
# General MIDI program (0..127) to one of the eight classes; other programs are absent.
INSTRUMENT_OF_PROGRAM = {program: name for programs, name in _FAMILIES for program in programs}


class MidiError(ValueError):
    """A MIDI file that cannot be read; the message names the file and the reason."""


@dataclass
class Segment:
    """Two measures of one track.

    Attributes:
        start_beat, end_beat: quarter notes from the start of the file.
        start_seconds, end_seconds: the same span in seconds.
        bpm: quarter notes per minute, mean over the span.
        pitch, step, length, velocity: integer arrays ``(notes,)``, sorted by step and pitch. Steps
            are 24ths of a quarter note from ``start_beat``, pitches are MIDI note numbers.
    """

    start_beat: float
    end_beat: float
    start_seconds: float
    end_seconds: float
    bpm: float
    pitch: np.ndarray
    step: np.ndarray
    length: np.ndarray
    velocity: np.ndarray


@dataclass
class Track:
    """The notes that one program plays on one channel of one MIDI track.

    ``name`` is unique in the file. The arrays are ``(notes,)``, sorted by start and pitch, in MIDI
    note numbers, velocities 1..127, quarter notes and seconds. ``midi_track`` (from 0) and
    ``channel`` (0 to 15) tell where in the file they stand.
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
    """A MIDI file: its tracks, and ``measures``, the position in quarter notes of each downbeat and
    of the end of the last measure; measures come in pairs, the last may be empty. ``events`` are
    those of the file, among them all that is neither note nor tempo."""

    tracks: list[Track]
    measures: np.ndarray
    tempo: TempoMap
    events: Events

    def seconds_at(self, beat) -> np.ndarray:
        """Seconds of positions in quarter notes, both from the start of the file."""
        return self.tempo.seconds_at(beat)


def read_midi(path: str | PathLike) -> Score:
    """Read a MIDI file: its tracks, its measures and its tempi.

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


def segments_of(
    track: Track,
    score: Score,
    max_segments: int | None = None,
    min_notes: int = 2,
    repeats: bool = False,
) -> list[Segment]:
    """Cut a track into pairs of measures, not overlapping, from the first downbeat of the file.

    A pair is two consecutive measures whatever their metre; what a pair has beyond 192 steps is cut
    off, in the notes and in the audio. Onsets and ends are rounded to the nearest step, so a note a
    hair before the barline begins the new segment; notes held over from before begin at step 0;
    notes end with the segment and last at least one step. Notes outside C1..B7 are dropped.

    Args:
        max_segments: keep at most so many, evenly spaced through the track; ``None`` keeps all.
        min_notes: segments with fewer notes are dropped.
        repeats: keep what exactly repeats (the same pitches, steps and lengths) an earlier segment
            of the track; dropped otherwise.

    Example:
        >>> score = read_midi("song.mid")
        >>> segments_of(score.tracks[0], score, max_segments=4)  # four, from start to end
    """
    starts, ends = score.measures[:-2:2], score.measures[2::2]
    ends = np.minimum(ends, starts + SEGMENT_STEPS / STEPS_PER_QUARTER)
    half = 0.5 / STEPS_PER_QUARTER
    # Before `first` every note has ended, from `last` on none has begun.
    first = np.searchsorted(np.maximum.accumulate(track.end_beat), starts - half)
    last = np.searchsorted(track.start_beat, ends)
    notes, bounds = _notes_between(track, starts, ends, first, last)

    spans = np.flatnonzero(np.diff(bounds) >= min_notes).tolist()
    if not repeats:
        compared = np.ascontiguousarray(notes[:3].T)  # (notes, 3): repeats have the same bytes
        content = {compared[bounds[i] : bounds[i + 1]].tobytes(): i for i in reversed(spans)}
        spans = sorted(content.values())
    if max_segments is not None and len(spans) > max_segments:
        spans = [spans[i] for i in np.linspace(0, len(spans) - 1, max_segments).round().astype(int)]
    begin, end = starts[spans], ends[spans]
    begin_seconds, end_seconds = score.seconds_at(begin), score.seconds_at(end)
    bpm = 60 * (end - begin) / (end_seconds - begin_seconds)
    columns = (column.tolist() for column in (begin, end, begin_seconds, end_seconds, bpm))
    return [
        Segment(*column, *notes[:, bounds[i] : bounds[i + 1]])
        for i, *column in zip(spans, *columns, strict=True)
    ]


def piano_roll(segment: Segment) -> np.ndarray:
    """The piano roll of one segment: `(84, 192)` of float32, 1 where a note sounds.

    Row 0 is C1, row 83 is B7; a column is a 24th of a quarter note.
    """
    roll = np.zeros((PITCHES, SEGMENT_STEPS), np.float32)
    for pitch, step, length in zip(segment.pitch, segment.step, segment.length, strict=True):
        roll[pitch - LOWEST_PITCH, step : step + length] = 1
    return roll


def _notes_between(
    track: Track, starts: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """The notes that sound in each span, of those from ``first`` to ``last``.

    Returns:
        Pitch, step, length, velocity ``(4, notes)``, span after span, and where each span begins.
    """
    counts = np.maximum(last - first, 0)
    span = np.repeat(np.arange(len(starts)), counts)
    note = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    start = starts[span]
    on, off = _steps(track.start_beat[note] - start), _steps(track.end_beat[note] - start)
    end = _steps(ends - starts)[span]
    pitch = track.pitch[note]
    sounds = (on < end) & ((on >= 0) | (off > 0))
    sounds &= (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + PITCHES)
    on = np.maximum(on, 0)
    length = np.maximum(np.minimum(off, end) - on, 1)
    notes = np.stack([pitch, on, length, track.velocity[note]])[:, sounds]
    span = span[sounds]
    # By span, step, pitch and length; one key is sorted sooner than four, and all but in order.
    key = ((span * SEGMENT_STEPS + notes[1]) * 128 + notes[0]) * (SEGMENT_STEPS + 1) + notes[2]
    notes = notes[:, np.argsort(key, kind="stable")]
    return notes, np.searchsorted(span, np.arange(len(starts) + 1)).tolist()


def _steps(beats) -> np.ndarray:
    # Halves always round up, and not as floating point happens to fall: ticks of 1/480 give many.
    return np.floor(beats * STEPS_PER_QUARTER + 0.5 + 1e-6).astype(np.int64)


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
