"""Two-measure segments of tracks, and piano rolls of segments."""

from dataclasses import dataclass

import numpy as np

from camil.midi.score import Score, Track

STEPS_PER_QUARTER = 24
SEGMENT_STEPS = 192  # two measures of 4/4
NOTE_COLUMNS = ["pitch", "step", "length", "velocity"]  # columns of segments.parquet
LOWEST_PITCH = 24  # C1
PITCHES = 84  # C1 to B7


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


def segments_of(
    track: Track,
    score: Score,
    max_segments: int | None = None,
    min_notes: int = 2,
    repeats: bool = False,
) -> list[Segment]:
    """Cut a track into pairs of measures, not overlapping, from the first downbeat of the file.

    A pair is two consecutive measures of any metre; the part of a pair beyond 192 steps is cut off,
    in the notes and in the audio. Onsets and ends are rounded to the nearest step, so a note less
    than half a step before the barline belongs to the next segment. Notes held from before begin at
    step 0; notes end with the segment and last at least one step. Notes outside C1..B7 are dropped.

    Args:
        track: a track of the score.
        max_segments: largest number of segments, evenly spaced through the track; None for all.
        min_notes: segments with fewer notes are dropped.
        repeats: whether to keep segments whose pitches, steps and lengths equal those of an earlier
            segment of the track.

    Returns:
        The segments in the order of time.

    Example:
        >>> score = read_midi("song.mid")
        >>> segments_of(score.tracks[0], score, max_segments=4)  # four, from start to end
    """
    starts, ends = score.measures[:-2:2], score.measures[2::2]
    ends = np.minimum(ends, starts + SEGMENT_STEPS / STEPS_PER_QUARTER)
    half = 0.5 / STEPS_PER_QUARTER
    # Notes before `first` have ended, and notes from `last` on have not begun.
    first = np.searchsorted(np.maximum.accumulate(track.end_beat), starts - half)
    last = np.searchsorted(track.start_beat, ends)
    notes, bounds = _notes_between(track, starts, ends, first, last)

    spans = np.flatnonzero(np.diff(bounds) >= min_notes).tolist()
    if not repeats:
        compared = np.ascontiguousarray(notes[:3].T)  # (notes, 3); repeats have equal bytes
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
    """The piano roll of one segment.

    Returns:
        ``(84, 192)`` float32, 1 where a note sounds. Row 0 is C1, row 83 is B7; a column is a 24th
        of a quarter note.
    """
    roll = np.zeros((PITCHES, SEGMENT_STEPS), np.float32)
    for pitch, step, length in zip(segment.pitch, segment.step, segment.length, strict=True):
        roll[pitch - LOWEST_PITCH, step : step + length] = 1
    return roll


def _notes_between(
    track: Track, starts: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """The notes from ``first`` to ``last`` that sound in each span.

    Returns:
        Pitch, step, length, velocity ``(4, notes)``, span after span, and the index of the first
        note of each span.
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
    # By span, step, pitch and length. Sorting one key is faster than sorting by four.
    key = ((span * SEGMENT_STEPS + notes[1]) * 128 + notes[0]) * (SEGMENT_STEPS + 1) + notes[2]
    notes = notes[:, np.argsort(key, kind="stable")]
    return notes, np.searchsorted(span, np.arange(len(starts) + 1)).tolist()


def _steps(beats) -> np.ndarray:
    # Halves are always rounded up, regardless of floating-point errors: resolutions such as 480
    # ticks per quarter note give many halves.
    return np.floor(beats * STEPS_PER_QUARTER + 0.5 + 1e-6).astype(np.int64)
