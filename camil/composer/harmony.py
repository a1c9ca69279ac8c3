"""Keys, chords written as Roman numerals, and voicings with minimal motion."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
QUALITIES = {
    "": (0, 4, 7),
    "6": (0, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 2),
    "maj7": (0, 4, 7, 11),
    "add9": (0, 4, 7, 2),
    "sus4": (0, 5, 7),
    "+": (0, 4, 8),
    "m": (0, 3, 7),
    "m6": (0, 3, 7, 9),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 7, 10, 2),
    "°": (0, 3, 6),
    "°7": (0, 3, 6, 9),
    "ø7": (0, 3, 6, 10),
}
_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_NUMERAL = re.compile(r"([b#]?)([IV]+|[iv]+)([^/]*)(?:/([357]))?$")


@dataclass(frozen=True)
class Chord:
    """A chord as pitch classes: ``tones[0]`` is the root, ``bass`` the lowest note."""

    tones: tuple[int, ...]
    bass: int

    @property
    def root(self) -> int:
        return self.tones[0]

    @property
    def third(self) -> int:
        return self.tones[1]

    @property
    def fifth(self) -> int:
        return self.tones[2]


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class, C is 0) and one of ``MODES``."""

    tonic: int
    mode: str

    def __str__(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"

    def chord(self, numeral: str) -> Chord:
        """The chord of a Roman numeral such as ``ii7``, ``bVI``, ``viiø7`` or ``I/3``.

        Degrees and accidentals count from the major scale in every mode; small numerals are minor
        chords; ``/3`` ``/5`` ``/7`` name the chord tone in the bass.

        Raises:
            ValueError: if the numeral cannot be read.
        """
        found = _NUMERAL.match(numeral)
        if not found or found[2].upper() not in _DEGREES:
            raise ValueError(f"not a Roman numeral: {numeral!r}")
        accidental, degree, suffix, inversion = found.groups()
        if degree.islower() and not suffix.startswith(("°", "ø")):
            suffix = "m" + suffix
        shift = {"b": -1, "#": 1, "": 0}[accidental]
        root = self.tonic + _DEGREES[degree.upper()] + shift
        tones = tuple((root + interval) % 12 for interval in QUALITIES[suffix])
        return Chord(tones, tones[int(inversion or 1) // 2])

    def scale(self, chord: Chord) -> tuple[int, ...]:
        """The key's scale altered to contain the chord: over E7 in A minor, G# replaces G."""
        return _chord_scale(self, chord)


@dataclass(frozen=True)
class Span:
    """A chord with its start and end, in quarter notes from the start of the song."""

    start: float
    end: float
    chord: Chord


@lru_cache(maxsize=4096)
def _chord_scale(key: Key, chord: Chord) -> tuple[int, ...]:
    scale = {(key.tonic + step) % 12 for step in MODES[key.mode]}
    for tone in chord.tones:
        if tone in scale:
            continue
        raised = tone == chord.third and (tone - chord.root) % 12 == 4
        neighbour = (tone - 1 if raised else tone + 1) % 12
        if neighbour not in chord.tones:
            scale.discard(neighbour)
        scale.add(tone)
    return tuple(sorted(scale))


def nearest(pitch: float, pitch_classes: tuple[int, ...]) -> int:
    """The pitch nearest to `pitch` whose pitch class is among `pitch_classes`; ties go down."""
    middle = round(pitch)
    around = (p for p in range(middle - 6, middle + 7) if p % 12 in pitch_classes)
    return min(around, key=lambda p: (abs(p - pitch), p))


def step(pitch: int, steps: int, pitch_classes: tuple[int, ...]) -> int:
    """The pitch that is ``steps`` scale (or chord) steps above ``pitch``; below if negative."""
    direction = 1 if steps > 0 else -1
    for _ in range(abs(steps)):
        pitch += direction
        while pitch % 12 not in pitch_classes:
            pitch += direction
    return pitch


@lru_cache(maxsize=65536)
def voicing(
    chord: Chord, voices: int, low: int, high: int, before: tuple[int, ...] = (), wide: bool = False
) -> tuple[int, ...]:
    """The chord in ``voices`` voices between ``low`` and ``high``, ascending, close to ``before``.

    ``wide`` lowers the second voice from above by an octave. Without a previous voicing, the middle
    of the range is preferred.
    """
    tones = _essential(chord, voices)
    candidates = []
    for bottom in range(low, high + 1):
        if bottom % 12 not in tones:
            continue
        notes = [bottom]
        while len(notes) < voices:
            notes.append(step(notes[-1], 1, tones))
        if wide and voices >= 3:
            notes[-2] -= 12
            notes.sort()
        if notes[0] >= low and notes[-1] <= high:
            candidates.append(tuple(notes))
    if not candidates:  # the range is too narrow for a close voicing: use the tones that fit
        return tuple(p for p in range(low, high + 1) if p % 12 in tones)[:voices]
    middle = (low + high) / 2

    def motion(notes):
        drift = abs(sum(notes) / len(notes) - middle)
        if len(before) != len(notes):
            return drift
        return sum(abs(a - b) for a, b in zip(notes, before, strict=True)) + 0.3 * drift

    return min(candidates, key=motion)


def _essential(chord: Chord, voices: int) -> tuple[int, ...]:
    """The tones of a chord in ``voices`` voices: the fifth and then the root are omitted first."""
    tones = list(chord.tones)
    for spare in (chord.fifth, chord.root):
        if len(tones) > max(voices, 2):
            tones.remove(spare)
    return tuple(tones)


@lru_cache(maxsize=4096)
def fretted(chord: Chord, fret: int) -> tuple[int, ...]:
    """The chord on a guitar in standard tuning, in the position of ``fret``.

    One note per string, within four frets (with open strings at the nut), from the lowest string
    that can play the bass note upward.
    """
    notes = []
    for string in (40, 45, 50, 55, 59, 64):
        wanted = chord.tones if notes else (chord.bass,)
        reach = (string + f for f in range(fret, fret + 5))
        played = next((p for p in reach if p % 12 in wanted), None)
        if played is not None and (not notes or played > notes[-1]):
            notes.append(played)
        if not notes and string == 50:
            break
    return tuple(notes) if len(notes) >= 3 else voicing(chord, 4, 48, 72)


def spans(progression: str, key: Key, start: float, measure: float) -> list[Span]:
    """Chords in time: measures are separated by spaces, chords within a measure by commas."""
    found = []
    for index, bar in enumerate(progression.split()):
        numerals = bar.split(",")
        # In uneven measures the chord changes on the second strong beat: 5/4 is three and two.
        edges = [measure * i / len(numerals) for i in range(len(numerals) + 1)]
        if measure == 5 and len(numerals) == 2:
            edges[1] = 3.0
        if measure == 3 and len(numerals) == 2:
            edges[1] = 1.5
        origin = start + index * measure
        for numeral, (begin, end) in zip(numerals, pairwise(edges), strict=True):
            found.append(Span(origin + begin, origin + end, key.chord(numeral)))
    return found
