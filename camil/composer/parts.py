"""Elements of parts: the scene of a player in a section, patterns, octave placement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from .harmony import Chord, Key, Span, voicing
from .melody import chord_at
from .patterns import pattern_for
from .players import Player
from .rhythm import Metre, Note, attacks, fit


@dataclass
class Scene:
    """The input of a part: one player in one section of one song."""

    player: Player
    spans: list[Span]
    tune: list[Note]
    key: Key
    metre: Metre
    feel: str
    rng: Random
    register: int = 0  # octaves by which the player moves the part
    memory: dict = field(default_factory=dict)  # the last voicing by range, for voice leading

    def measures(self) -> list[float]:
        """The start of each measure, in quarter notes."""
        count = round((self.spans[-1].end - self.spans[0].start) / self.metre.measure)
        return [self.spans[0].start + i * self.metre.measure for i in range(count)]

    def voiced(self, chord: Chord, voices: int, low: int, high: int, wide: bool = False):
        """The chord in ``voices`` voices, close to the previous voicing in the same range."""
        before = self.memory.get((voices, low, high), ())
        found = voicing(chord, voices, low, high, before, wide)
        self.memory[voices, low, high] = found
        return found


def figure(
    scene: Scene, patterns: list[str], voice: Callable[[Chord], tuple[int, ...]], loud: float = 72
) -> list[Note]:
    """Chords in rhythm patterns, one per measure.

    A digit plays that voice of the chord from below (modulo their number), ``b`` the lowest,
    ``c`` all but the lowest, ``t`` the upper three, any other letter all of them.
    """
    notes = []
    for start, pattern in zip(scene.measures(), patterns, strict=True):
        for offset, length, symbol in attacks(pattern):
            span = chord_at(scene.spans, start + offset)
            pitches = voice(span.chord)
            if symbol.isdigit():
                pitches = pitches[int(symbol) % len(pitches) :][:1]
            elif symbol == "b":
                pitches = pitches[:1]
            elif symbol == "c":
                pitches = pitches[1:]
            elif symbol == "t":
                pitches = pitches[-3:]
            length = min(length, span.end - start - offset)
            accent = 6 if scene.metre.is_strong(offset) else 0
            notes += [Note(start + offset, length, p, loud + accent) for p in pitches]
    return notes


def varied(scene: Scene, table: dict, often: float = 0.3) -> list[str]:
    """One pattern per measure: mostly the same, sometimes another, and a fill at the end."""
    options = pattern_for(table, scene.feel, scene.metre)
    home = scene.rng.choice(options)
    size = len(scene.measures())
    chosen = [
        scene.rng.choice(options) if scene.rng.random() < often else home for _ in range(size)
    ]
    chosen[-1] = scene.rng.choice(options)
    return [fit(pattern, scene.metre.measure) for pattern in chosen]


def tied(notes: list[Note]) -> list[Note]:
    """Notes of the same pitch that follow each other without a gap become one."""
    found: list[Note] = []
    last: dict[int, int] = {}
    for note in sorted(notes):
        index = last.get(note.pitch)
        if index is not None:
            before = found[index]
            if abs(before.start + before.length - note.start) < 0.01 and before.length < 8:
                found[index] = before._replace(length=before.length + note.length)
                continue
        last[note.pitch] = len(found)
        found.append(note)
    return found


def placed(scene: Scene, notes: list[Note], centre: int | None = None) -> list[Note]:
    """A line moved by octaves to the player's centre, within the player's range."""
    if not notes:
        return []
    player = scene.player
    centre = (player.centre if centre is None else centre) + 12 * scene.register
    mean = sum(note.pitch for note in notes) / len(notes)
    shift = 12 * round((centre - mean) / 12)
    found = []
    for note in notes:
        pitch = note.pitch + shift
        while pitch > player.high:
            pitch -= 12
        while pitch < player.low:
            pitch += 12
        found.append(note._replace(pitch=pitch))
    return found
