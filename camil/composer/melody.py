"""Tunes from motifs, and lines that answer and accompany them."""

from itertools import pairwise
from random import Random

from .harmony import Key, Span, nearest, step
from .rhythm import Metre, Note, attacks, tune_rhythm

# The motifs of a section's measures: a motif, its return over other chords, a new one, a close.
PLANS = ("abac", "abac", "aabc", "abab", "abcd", "aaba")
LOWEST, HIGHEST = 62, 82  # range of a tune; players move it by octaves


def chord_at(spans: list[Span], time: float) -> Span:
    """The span that sounds at a time (quarter notes); the last one beyond the end."""
    for span in spans:
        if time < span.end - 0.01:
            return span
    return spans[-1]


def compose_tune(spans: list[Span], key: Key, metre: Metre, motion: str, rng: Random) -> list[Note]:
    """A tune over the chords of a section.

    A motif is a rhythm and a contour in scale steps; each return keeps both and fits the pitches
    to its chords, so that strong and long notes are chord tones. Every fourth measure ends on a
    long note, as a singer would breathe there.
    """
    begin, measures = spans[0].start, round((spans[-1].end - spans[0].start) / metre.measure)
    plan = rng.choice(PLANS)
    motifs = {letter: _motif(tune_rhythm(metre, motion, rng), rng) for letter in sorted(set(plan))}
    pitch = nearest(rng.uniform(66, 76), spans[0].chord.tones)
    notes = []
    for bar in range(measures):
        rhythm, contour = motifs[plan[bar % len(plan)]]
        if bar % 4 == 3 or bar == measures - 1:
            rhythm = _close(metre, last=bar == measures - 1, rng=rng)
            contour = tuple(rng.choice((-2, -1, -1, 1)) for _ in range(8))
        start = begin + bar * metre.measure
        for (offset, length, _), interval in zip(attacks(rhythm), contour, strict=False):
            chord = chord_at(spans, start + offset).chord
            pitch = _next_pitch(pitch, interval, key.scale(chord))
            if metre.is_strong(offset) or length >= 1:
                pitch = nearest(pitch, chord.tones)
            if not notes or pitch != notes[-1].pitch or rng.random() < 0.5:
                played = pitch
            else:
                played = pitch = step(pitch, rng.choice((-1, 1)), key.scale(chord))
            loud = 84 + 8 * metre.is_strong(offset) + 0.6 * (played - 70)
            notes.append(Note(start + offset, length, played, loud))
    return notes


def _motif(rhythm: str, rng: Random) -> tuple[str, tuple[int, ...]]:
    leap = rng.choice((2, 3, 4, 5))
    steps = [rng.choice((-1, -1, 1, 1, 1, -2, 2, 0)) for _ in range(24)]
    # One leap, followed by a step back.
    index = rng.randrange(4)
    steps[index : index + 2] = [leap, -1] if rng.random() < 0.6 else [-leap, 1]
    return rhythm, tuple(steps)


def _next_pitch(pitch: int, interval: int, scale: tuple[int, ...]) -> int:
    moved = step(nearest(pitch, scale), interval, scale)
    if not LOWEST <= moved <= HIGHEST:
        moved = step(nearest(pitch, scale), -interval, scale)
    return min(max(moved, LOWEST - 2), HIGHEST + 2)


def _close(metre: Metre, last: bool, rng: Random) -> str:
    size = round(metre.measure * 4)
    if last or metre.measure < 3:
        held = max(size - 4, 4)
        return "x" + "-" * (held - 1) + "." * (size - held)
    lead = rng.choice(("", "x-x-", "x---"))
    rest = rng.choice((2, 4))
    return lead + "x" + "-" * (size - len(lead) - rest - 1) + "." * rest


def counter_line(
    spans: list[Span], key: Key, metre: Metre, tune: list[Note], rng: Random
) -> list[Note]:
    """A slower second line: it moves where the tune holds, by step, below it and against it."""
    pitch = nearest(rng.uniform(60, 67), spans[0].chord.tones)
    notes = []
    motion = rng.choice(("calm", "calm", "moving"))
    for bar in range(round((spans[-1].end - spans[0].start) / metre.measure)):
        start = spans[0].start + bar * metre.measure
        busy = sum(start <= note.start < start + metre.measure for note in tune) > 5
        rhythm = tune_rhythm(metre, "calm" if busy else motion, rng)
        for offset, length, _ in attacks(rhythm):
            chord = chord_at(spans, start + offset).chord
            rising = _rises(tune, start + offset)
            interval = rng.choice((-1, -1, -2, 1)) if rising else rng.choice((1, 1, 2, -1))
            scale = key.scale(chord)
            pitch = step(nearest(pitch, scale), interval, scale)
            if metre.is_strong(offset) or length >= 1:
                pitch = nearest(pitch, chord.tones)
            if not 54 <= pitch <= 76:
                pitch = nearest(65, chord.tones)
            notes.append(Note(start + offset, length, pitch, 72))
    return notes


def _rises(tune: list[Note], time: float) -> bool:
    around = [note.pitch for note in tune if abs(note.start - time) <= 1]
    return len(around) > 1 and around[-1] > around[0]


def answers(spans: list[Span], key: Key, tune: list[Note], rng: Random) -> list[Note]:
    """Short runs in the rests of a tune: call and response."""
    notes = []
    ends = [note.start for note in tune[1:]] + [spans[-1].end]
    for note, following in zip(tune, ends, strict=True):
        hole = following - note.start
        if hole < 1.5 or rng.random() < 0.1:
            continue
        unit = rng.choice((0.25, 0.5, 0.5)) if hole >= 2 else 0.25
        count = min(int((hole - 0.5) / unit), rng.choice((3, 4, 5, 6)))
        start = following - count * unit if rng.random() < 0.5 else note.start + 0.5
        span = chord_at(spans, start)
        pitch = nearest(note.pitch + rng.choice((-8, -5, 4, 7)), span.chord.tones)
        direction = rng.choice((-1, 1))
        for index in range(count):
            time = start + index * unit
            chord = chord_at(spans, time).chord
            if index == count - 1:
                pitch = nearest(pitch, chord.tones)
            length = unit if index < count - 1 else min(1.0, following - time)
            notes.append(Note(time, length, pitch, 82 + 2 * index))
            turn = direction if rng.random() < 0.85 else -direction
            pitch = step(pitch, turn, key.scale(chord))
    return notes


def parallel(notes: list[Note], spans: list[Span], below: int = 1) -> list[Note]:
    """A harmony voice: chord tones at a number of chord steps (3 semitones or more) below."""
    found = []
    for note in notes:
        tones = chord_at(spans, note.start).chord.tones
        pitch = note.pitch - 2
        for _ in range(below):
            pitch = step(pitch, -1, tones)
        found.append(note._replace(pitch=pitch, velocity=note.velocity - 8))
    return found


def thinned(notes: list[Note], shortest: float) -> list[Note]:
    """A simplified line: notes shorter than ``shortest`` are joined to the note before."""
    found: list[Note] = []
    for note in notes:
        joins = found and note.start - (found[-1].start + found[-1].length) < 0.3
        off_beat = note.length < shortest and note.start % 1 > 0.01
        if joins and (found[-1].length < shortest or off_beat):
            found[-1] = found[-1]._replace(length=note.start + note.length - found[-1].start)
        else:
            found.append(note)
    return found


def decorated(notes: list[Note], spans: list[Span], key: Key, rng: Random) -> list[Note]:
    """A varied repetition: some long notes move to a neighbour note, some short ones are cut."""
    found = []
    for note in notes:
        if note.length >= 1 and rng.random() < 0.35:
            half = note.length / 2
            scale = key.scale(chord_at(spans, note.start + half).chord)
            neighbour = step(nearest(note.pitch, scale), rng.choice((-1, 1)), scale)
            found += [
                note._replace(length=half),
                Note(note.start + half, half, neighbour, note.velocity - 6),
            ]
        elif note.length > 0.5 or rng.random() > 0.12:
            found.append(note)
    return found


def with_runs(
    notes: list[Note], spans: list[Span], key: Key, often: float, rng: Random
) -> list[Note]:
    """Some leaps of a line filled with quick scale notes, taken from the end of the note before."""
    found = []
    for note, following in zip(notes, [*notes[1:], None], strict=True):
        leap = following.pitch - note.pitch if following else 0
        joined = following and following.start - note.start - note.length < 0.3
        if not joined or abs(leap) < 3 or note.length < 0.5 or rng.random() > often:
            found.append(note)
            continue
        direction = 1 if leap > 0 else -1
        scale = key.scale(chord_at(spans, note.start).chord)
        path = [step(note.pitch, direction, scale)]
        while (following.pitch - path[-1]) * direction > 0:
            path.append(step(path[-1], direction, scale))
        path = path[:-1][-int(note.length / 2 / 0.25) - 1 :]
        kept = note.length - 0.25 * len(path)
        if kept < 0.25:
            found.append(note)
            continue
        found.append(note._replace(length=kept))
        found += [
            Note(note.start + kept + 0.25 * i, 0.25, pitch, note.velocity - 4)
            for i, pitch in enumerate(path)
        ]
    return found


def struck_again(notes: list[Note], often: float, rng: Random) -> list[Note]:
    """Split some long notes of a line into two or three of the same pitch, as in brass parts."""
    found = []
    for note in notes:
        if note.length < 1 or note.length > 3 or rng.random() > often:
            found.append(note)
            continue
        cuts = rng.choice(((0.0, 0.5), (0.0, 0.75), (0.0, 0.5, 0.75)))
        edges = [*(note.length * cut for cut in cuts), note.length]
        found += [
            note._replace(start=note.start + begin, length=end - begin)
            for begin, end in pairwise(edges)
        ]
    return found
