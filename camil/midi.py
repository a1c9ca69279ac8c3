"""From a MIDI file to tracks, measures and two-measure segments of notes.

Musical time is counted in quarter notes ("beats") from the start of the file, whatever the metre:
a measure of 6/8 is three beats long. Notes and audio share one tempo map, so they agree in time.
"""

import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import mido
import numpy as np
import pretty_midi

INSTRUMENTS = ("Guitar", "Piano", "Bass", "Strings", "Organ", "Brass", "Pipe", "Reed")
STEPS_PER_QUARTER = 24
SEGMENT_STEPS = 192  # two measures of 4/4
LOWEST_PITCH = 24  # C1
PITCHES = 84  # C1 to B7

# Limits beyond which a file is damaged rather than music; they bound the memory and time it costs.
MAX_BYTES = 4_000_000
MAX_SECONDS = 3 * 3600
MAX_MEASURES = 20_000

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
    note numbers, velocities 1..127, quarter notes and seconds.
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

    def beat_at(self, second) -> np.ndarray:
        """The inverse of `seconds_at`."""
        i = np.searchsorted(self.second, second, side="right") - 1
        return self.beat[i] + (second - self.second[i]) * self.bpm[i] / 60


@dataclass
class Score:
    """A MIDI file: its tracks, and ``measures``, the position in quarter notes of each downbeat and
    of the end of the last measure; measures come in pairs, the last may be empty."""

    tracks: list[Track]
    measures: np.ndarray
    tempo: TempoMap

    def seconds_at(self, beat) -> np.ndarray:
        """Seconds of positions in quarter notes, both from the start of the file."""
        return self.tempo.seconds_at(beat)


def read_midi(path: str | PathLike) -> Score:
    """Read a MIDI file.

    A file without tempo plays at 120, one without time signature is in 4/4, as MIDI defines. A
    change of time signature starts a new measure even where the old one is not full.

    Raises:
        MidiError: if the file cannot be read, or claims to be what no music is (longer than three
            hours, for example).
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            midi = pretty_midi.PrettyMIDI(mido_object=_with_one_conductor(mido.MidiFile(path)))
        return _score(midi)
    except Exception as error:  # the parsers raise whatever a damaged byte leads them to
        raise MidiError(f"{path} cannot be read: {_reason(error)}") from error


def segments_of(
    track: Track, score: Score, max_segments: int | None = None, min_notes: int = 2
) -> list[Segment]:
    """Cut a track into pairs of measures, not overlapping, from the first downbeat of the file.

    A pair is two consecutive measures whatever their metre; what a pair has beyond 192 steps is cut
    off, in the notes and in the audio. Onsets and ends are rounded to the nearest step, so a note a
    hair before the barline begins the new segment; notes held over from before begin at step 0;
    notes end with the segment and last at least one step. Notes outside C1..B7 are dropped.

    Args:
        max_segments: keep at most so many, evenly spaced through the track; ``None`` keeps all.
        min_notes: segments with fewer notes are dropped, and so are exact repeats (the same
            pitches, steps and lengths) of an earlier segment of the track.
    """
    starts, ends = score.measures[:-2:2], score.measures[2::2]
    ends = np.minimum(ends, starts + SEGMENT_STEPS / STEPS_PER_QUARTER)
    half = 0.5 / STEPS_PER_QUARTER
    # Before `first` every note has ended, from `last` on none has begun.
    first = np.searchsorted(np.maximum.accumulate(track.end_beat), starts - half)
    last = np.searchsorted(track.start_beat, ends)

    kept: dict[bytes, tuple] = {}
    for start, end, a, b in zip(starts, ends, first, last, strict=True):
        notes = _notes_between(track, slice(a, b), start, end) if b - a >= min_notes else ()
        if len(notes) and notes.shape[1] >= min_notes:
            kept.setdefault(notes[:3].tobytes(), (start, end, notes))
    spans = list(kept.values())
    if max_segments is not None and len(spans) > max_segments:
        spans = [spans[i] for i in np.linspace(0, len(spans) - 1, max_segments).round().astype(int)]
    return [_segment(score, start, end, notes) for start, end, notes in spans]


def piano_roll(segment: Segment) -> np.ndarray:
    """The piano roll of one segment: `(84, 192)` of float32, 1 where a note sounds."""
    roll = np.zeros((PITCHES, SEGMENT_STEPS), np.float32)
    for pitch, step, length in zip(segment.pitch, segment.step, segment.length, strict=True):
        roll[pitch - LOWEST_PITCH, step : step + length] = 1
    return roll


def _notes_between(track: Track, near: slice, start: float, end: float) -> np.ndarray:
    """Pitch, step, length, velocity ``(4, notes)`` of the notes that sound in ``[start, end)``."""
    on, off, last = (
        _steps(beat - start) for beat in (track.start_beat[near], track.end_beat[near], end)
    )
    pitch = track.pitch[near]
    sounds = (on < last) & ((on >= 0) | (off > 0))
    sounds &= (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + PITCHES)
    on = np.maximum(on, 0)
    length = np.maximum(np.minimum(off, last) - on, 1)
    notes = np.stack([pitch, on, length, track.velocity[near]])[:, sounds]
    return notes[:, np.lexsort((notes[2], notes[0], notes[1]))]


def _steps(beats) -> np.ndarray:
    # Halves always round up, and not as floating point happens to fall: ticks of 1/480 give many.
    return np.floor(beats * STEPS_PER_QUARTER + 0.5 + 1e-6).astype(np.int64)


def _segment(score: Score, start: float, end: float, notes: np.ndarray) -> Segment:
    start_seconds, end_seconds = (float(score.seconds_at(beat)) for beat in (start, end))
    bpm = 60 * (end - start) / (end_seconds - start_seconds)
    return Segment(float(start), float(end), start_seconds, end_seconds, float(bpm), *notes)


def _with_one_conductor(midi: mido.MidiFile) -> mido.MidiFile:
    """Move tempi and time signatures of later tracks to the first, where pretty_midi looks."""
    if midi.ticks_per_beat <= 0:
        raise ValueError("its time is in SMPTE frames or empty, not in ticks per quarter note")
    if not any(midi.tracks):
        raise ValueError("it has no events")
    midi.tracks = [track for track in midi.tracks if track]
    meta = ("set_tempo", "time_signature")
    if any(event.type in meta for track in midi.tracks[1:] for event in track):
        conductor = mido.MidiTrack()
        for track in midi.tracks:
            time = 0
            for event in track:
                time += event.time
                if event.type in meta:
                    conductor.append(event.copy(time=time))
        conductor.sort(key=lambda event: event.time)
        previous = 0
        for event in conductor:
            event.time, previous = event.time - previous, event.time
        midi.tracks.insert(0, conductor)
    return midi


def _score(midi: pretty_midi.PrettyMIDI) -> Score:
    if not any(instrument.notes for instrument in midi.instruments):
        raise ValueError("it has no notes")
    end = midi.get_end_time()
    if not end <= MAX_SECONDS:
        raise ValueError(f"it claims to last {end / 3600:.0f} hours")
    second, bpm = midi.get_tempo_changes()
    beat = np.concatenate([[0.0], np.cumsum(np.diff(second) * bpm[:-1] / 60)])
    tempo = TempoMap(_on_ticks(beat, midi.resolution), second, bpm)
    tracks = [_track(index, one, tempo, midi) for index, one in enumerate(midi.instruments)]
    last = max(track.end_beat.max(initial=0) for track in tracks)
    return Score(tracks, _measures(midi, tempo, last), tempo)


def _track(index: int, instrument, tempo: TempoMap, midi) -> Track:
    name = instrument.name if not instrument.name.isspace() else ""
    name = name or pretty_midi.program_to_instrument_name(instrument.program)
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:40]
    notes = np.array(
        [(note.pitch, note.velocity, note.start, note.end) for note in instrument.notes]
    ).reshape(-1, 4)
    notes = notes[np.lexsort((notes[:, 0], notes[:, 2]))].T
    pitch, velocity = notes[:2].astype(np.int64)
    beats = _on_ticks(tempo.beat_at(notes[2:]), midi.resolution)
    return Track(
        f"{index:02d}-{name}", int(instrument.program), instrument.is_drum, pitch, velocity,
        *beats, *notes[2:],
    )  # fmt: skip


def _on_ticks(beat: np.ndarray, resolution: int) -> np.ndarray:
    return np.rint(beat * resolution) / resolution


def _measures(midi: pretty_midi.PrettyMIDI, tempo: TempoMap, last: float) -> np.ndarray:
    """Downbeats in quarter notes to the end of the measure that holds ``last``, and that end.

    Their number is even: a last measure without a partner is followed by an empty one, so that a
    stem that ends early is cut like the whole song.
    """
    changes = {0.0: 4.0}  # beat of a change: length of its measures
    for signature in midi.time_signature_changes:
        if signature.denominator > 64:
            raise ValueError(
                f"it has a time signature of {signature.numerator}/{signature.denominator}"
            )
        beat = float(_on_ticks(tempo.beat_at(signature.time), midi.resolution))
        changes[beat] = 4 * signature.numerator / signature.denominator
    begins = sorted(beat for beat in changes if beat < last)
    downbeats = []
    for begin, end in zip(begins, [*begins[1:], last], strict=True):
        count = int(np.ceil((end - begin) / changes[begin] - 1e-9))
        if count + sum(map(len, downbeats)) > MAX_MEASURES:
            raise ValueError(f"it claims to have more than {MAX_MEASURES} measures")
        downbeats.append(begin + changes[begin] * np.arange(count))
    length = changes[begins[-1]]
    extra = 1 + sum(map(len, downbeats)) % 2
    downbeats.append(downbeats[-1][-1] + length * np.arange(1, extra + 1))
    return np.concatenate(downbeats)


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it ends in the middle of an event (truncated?)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
