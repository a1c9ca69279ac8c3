"""Perform a written part: breath, touch, ornaments, strums, swing and small timing errors."""

from itertools import groupby
from random import Random

from .harmony import Key, Span, step
from .melody import chord_at
from .players import Player
from .rhythm import Metre, Note

SHORTEST = 0.06  # quarter notes
TIMING_SPREAD = 0.006  # standard deviation of an attack, in seconds
STRUM_PER_STRING = (0.007, 0.016)  # seconds


def perform(
    notes: list[Note],
    player: Player,
    spans: list[Span],
    key: Key,
    metre: Metre,
    tempo: float,
    swing: float,
    rng: Random,
) -> list[Note]:
    """Perform a part; times remain in quarter notes.

    Args:
        tempo: quarter notes per minute, to convert timing errors in seconds to quarter notes.
        swing: position of the second eighth in a beat: 0.5 is straight, 0.67 a triplet.
    """
    notes = sorted(note for note in notes if player.low <= note.pitch <= player.high)
    if player.breath:
        notes = _breathe(notes, player.breath)
    notes = _ornament(notes, player, spans, key, rng)
    touch = player.hold * rng.choice((0.85, 1.0, 1.0, 1.05))
    beats_per_second = tempo / 60
    per_string = rng.uniform(*STRUM_PER_STRING) * beats_per_second
    strummed = player.family == "Guitar" or player.name == "Harp"
    end = spans[-1].end
    played = []
    for start, together in groupby(sorted(notes), key=lambda note: note.start):
        chord = list(together)
        shift = rng.gauss(0, TIMING_SPREAD) * beats_per_second
        if (
            strummed and len(chord) > 2 and start % 1 > 0.01
        ):  # an up-stroke: from the top and softer
            chord = [note._replace(velocity=note.velocity - 8) for note in reversed(chord)]
        for string, note in enumerate(chord):
            late = string * per_string if strummed else rng.gauss(0, 0.003) * beats_per_second
            begin = max(_swung(start, swing) + shift + late, 0.0)
            finish = _swung(start, swing) + shift
            length = note.length * touch * rng.uniform(0.94, 1.04)
            finish = min(_swung(start + length, swing) + rng.gauss(0, 0.01), end - 0.01)
            metric = 4 if metre.is_strong(start % metre.measure) else 0
            velocity = min(max(round(note.velocity + metric + rng.gauss(0, 4)), 20), 122)
            played.append(Note(begin, max(finish - begin, SHORTEST), note.pitch, velocity))
    return released(played)


def released(notes: list[Note]) -> list[Note]:
    """Shorten notes so that each ends before the next one of its pitch, by start and pitch."""
    found = []
    upcoming: dict[int, float] = {}
    for note in sorted(notes, reverse=True):
        again = upcoming.get(note.pitch)
        if again is not None and note.start + note.length > again - 0.01:
            if again - note.start < SHORTEST:
                continue
            note = note._replace(length=again - note.start - 0.01)
        upcoming[note.pitch] = note.start
        found.append(note)
    return found[::-1]


def _swung(time: float, swing: float) -> float:
    beat, inside = divmod(time, 1)
    if inside < 0.5:
        return beat + inside * swing / 0.5
    return beat + swing + (inside - 0.5) * (1 - swing) / 0.5


def _breathe(notes: list[Note], capacity: float) -> list[Note]:
    """Shorten a long note or remove a short one when the player needs to breathe."""
    found = []
    inhaled = last_end = notes[0].start if notes else 0.0
    for start, together in groupby(notes, key=lambda note: note.start):
        chord = list(together)
        if start - last_end >= 0.25:
            inhaled = start
        end = start + max(note.length for note in chord)
        if end - inhaled > capacity * 0.6 and end - start >= 0.75:
            pause = 0.5 if end - start >= 1.5 else 0.3
            end -= pause
            chord = [note._replace(length=min(note.length, end - start)) for note in chord]
        elif end - inhaled > capacity * 1.5:
            continue
        last_end = end
        found += chord
    return found


def _ornament(
    notes: list[Note], player: Player, spans: list[Span], key: Key, rng: Random
) -> list[Note]:
    """Add grace notes from below, mordents and trills to long single notes."""
    if not player.grace:
        return notes
    counts: dict[float, int] = {}
    for note in notes:
        counts[note.start] = counts.get(note.start, 0) + 1
    found = []
    for note in notes:
        alone = counts[note.start] == 1
        if not alone or note.length < 0.5 or rng.random() > player.grace:
            found.append(note)
            continue
        scale = key.scale(chord_at(spans, note.start).chord)
        trills = player.family in ("Pipe", "Strings") or player.name in ("Harpsichord", "Oboe")
        if trills and note.length >= 1 and rng.random() < 0.4:
            found += _trill(note, step(note.pitch, 1, scale))
        elif rng.random() < 0.5:
            grace = (
                note.pitch - 1
                if player.family in ("Guitar", "Bass")
                else step(note.pitch, rng.choice((-1, 1)), scale)
            )
            found.append(Note(note.start, 0.12, grace, note.velocity - 10))
            found.append(note._replace(start=note.start + 0.12, length=note.length - 0.12))
        else:
            upper = step(note.pitch, 1, scale)
            found.append(note._replace(length=0.125))
            found.append(Note(note.start + 0.125, 0.125, upper, note.velocity - 8))
            found.append(note._replace(start=note.start + 0.25, length=note.length - 0.25))
    return [note for note in found if player.low <= note.pitch <= player.high]


def _trill(note: Note, upper: int) -> list[Note]:
    turns = int(min(note.length, 2.0) / 0.125) // 2 * 2
    shake = [
        Note(note.start + i * 0.125, 0.125, (note.pitch, upper)[i % 2], note.velocity - 6)
        for i in range(turns)
    ]
    rest = note.length - turns * 0.125
    tail = note._replace(start=note.start + turns * 0.125, length=rest)
    return shake + ([tail] if rest > SHORTEST else [])
