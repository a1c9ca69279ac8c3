"""What a player plays in a section: a part for each role, in the manner of the instrument."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from .harmony import Chord, Key, Span, fretted, nearest, step, voicing
from .melody import answers, chord_at, counter_line, parallel, thinned
from .patterns import (
    ACCENTS,
    ALBERTI,
    ARPEGGIO,
    BASS,
    COMPING,
    LEFT_HAND,
    PICKING,
    STRUMMING,
    pattern_for,
)
from .players import Player
from .rhythm import CELLS, Metre, Note, attacks, fit


@dataclass
class Scene:
    """All that a part is made from: one player in one section of one song."""

    player: Player
    spans: list[Span]
    tune: list[Note]
    key: Key
    metre: Metre
    feel: str
    rng: Random
    register: int = 0  # octaves up or down in which the player takes its part
    memory: dict = field(default_factory=dict)  # the last voicing by range, for voice leading

    def measures(self) -> list[float]:
        """The start of each measure, in quarter notes."""
        count = round((self.spans[-1].end - self.spans[0].start) / self.metre.measure)
        return [self.spans[0].start + i * self.metre.measure for i in range(count)]

    def voiced(self, chord: Chord, voices: int, low: int, high: int, wide: bool = False):
        """The chord in `voices` voices, led from the voicing before it in the same range."""
        before = self.memory.get((voices, low, high), ())
        found = voicing(chord, voices, low, high, before, wide)
        self.memory[voices, low, high] = found
        return found


def figure(
    scene: Scene, patterns: list[str], voice: Callable[[Chord], tuple[int, ...]], loud: float = 72
) -> list[Note]:
    """Chords set to rhythm patterns, one a measure.

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
    """A pattern a measure: one that stays, another now and then, and a fill at the end."""
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
    """A line moved by octaves to lie around the player's centre, within the player's range."""
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


# --- lines -------------------------------------------------------------------------------------


def tune(scene: Scene) -> list[Note]:
    """The tune, as plain or as moving as the player likes it, sometimes in two voices."""
    notes = thinned(scene.tune, scene.player.shortest)
    if scene.rng.random() < 0.25:
        notes = thinned(notes, 0.5 if scene.player.shortest < 0.5 else 1.0)
    lead = placed(scene, notes)
    if scene.rng.random() < scene.player.double:
        octaves = scene.player.family in ("Piano", "Strings", "Organ") and scene.rng.random() < 0.4
        second = (
            [n._replace(pitch=n.pitch - 12, velocity=n.velocity - 6) for n in lead]
            if octaves
            else parallel(lead, scene.spans)
        )
        lead = lead + [n for n in second if n.pitch >= scene.player.low]
    return lead


def harmony(scene: Scene) -> list[Note]:
    """A parallel voice under the tune."""
    notes = thinned(scene.tune, max(scene.player.shortest, 0.5))
    return placed(scene, parallel(notes, scene.spans, scene.rng.choice((1, 1, 2))))


def counter(scene: Scene) -> list[Note]:
    """A slower second line against the tune."""
    line = counter_line(scene.spans, scene.key, scene.metre, scene.tune, scene.rng)
    return placed(scene, line)


def response(scene: Scene) -> list[Note]:
    """Answers in the holes of the tune, over long notes of its own where there are none."""
    notes = answers(scene.spans, scene.key, scene.tune, scene.rng)
    return placed(scene, notes) if len(notes) >= 8 else counter(scene)


def arpeggio(scene: Scene) -> list[Note]:
    """Broken chords, one note at a time."""
    low = max(scene.player.low, scene.player.centre - 10)
    high = min(scene.player.high, scene.player.centre + 12)
    return figure(
        scene,
        varied(scene, ARPEGGIO, 0.5),
        lambda chord: scene.voiced(chord, 5, low, high),
        70,
    )


def riff(scene: Scene) -> list[Note]:
    """A figure of a measure or two that comes back over each chord, in the minor pentatonic."""
    rng, metre = scene.rng, scene.metre
    motion = rng.choice(("moving", "busy"))
    shapes = []
    for _ in range(2):
        rhythm = "".join(rng.choice(CELLS[group][motion]) for group in metre.groups)
        steps = [0] + [rng.choice((0, 0, 1, 2, -1, 3, 4)) for _ in range(24)]
        shapes.append((rhythm, steps))
    notes = []
    for bar, start in enumerate(scene.measures()):
        rhythm, steps = shapes[bar % 2 if rng.random() < 0.8 else 0]
        for (offset, length, _), degree in zip(attacks(rhythm), steps, strict=False):
            chord = chord_at(scene.spans, start + offset).chord
            minor = (chord.third - chord.root) % 12 == 3
            blues = (
                (0, 3, 5, 7, 10) if minor or scene.feel in ("funk", "blues") else (0, 2, 4, 7, 9)
            )
            tones = tuple((chord.root + i) % 12 for i in blues)
            low = max(scene.player.low, min(scene.player.centre - 8, 52))
            root = nearest(low + 4, (chord.root,))
            pitch = step(root, degree, tones)
            notes.append(Note(start + offset, min(length, rng.choice((0.5, 1.0))), pitch, 84))
    return placed(scene, notes, centre=max(min(scene.player.centre, 60), scene.player.low + 10))


def bass(scene: Scene) -> list[Note]:
    """A bass line: roots, fifths and octaves in the feel of the song, steps to the next chord."""
    player, rng = scene.player, scene.rng
    floor = player.low if player.family in ("Bass", "Brass") else max(player.low, 33)
    patterns = varied(scene, BASS, 0.35)
    if player.hold >= 1 and rng.random() < 0.6:  # bowed: plain roots and fifths
        patterns = [fit(rng.choice(("R-------5-------", "R-----------5---")), scene.metre.measure)
                    for _ in patterns]  # fmt: skip
    notes = []
    for start, pattern in zip(scene.measures(), patterns, strict=True):
        current = None
        for offset, length, symbol in attacks(pattern):
            span = chord_at(scene.spans, start + offset)
            following = chord_at(scene.spans, span.end)
            changed, current = span is not current, span
            root = nearest(floor + 7, (span.chord.bass,))
            if root < floor:
                root += 12
            pitch = _degree("R" if changed else symbol, root, span, following, scene)
            notes.append(Note(start + offset, min(length, span.end - start - offset), pitch, 86))
    return [n._replace(pitch=n.pitch + 12 * (n.pitch < player.low)) for n in notes]


def _degree(symbol: str, root: int, span: Span, following: Span, scene: Scene) -> int:
    chord = span.chord
    scale = scene.key.scale(chord)
    if symbol == "5":
        fifth = step(root, 1, (chord.fifth,))
        return fifth - 12 if scene.rng.random() < 0.4 and fifth - 12 >= scene.player.low else fifth
    if symbol == "8":
        return root + 12
    if symbol == "3":
        return step(root, 1, (chord.third,))
    if symbol == "6":
        return step(step(root, 1, (chord.fifth,)), 1, scale)
    if symbol == "2":
        return step(root, 1, scale)
    if symbol == "a":  # approach the next root by a semitone or a scale step
        goal = nearest(root, (following.chord.bass,))
        return (
            goal + scene.rng.choice((-1, 1)) if scene.rng.random() < 0.6 else step(goal, -1, scale)
        )
    return root


# --- chords ------------------------------------------------------------------------------------


def pad(scene: Scene) -> list[Note]:
    """Held chords; what stays between two chords is mostly tied by an organ, less by strings."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((3, 3, 4)) if player.family != "Pipe" else 2
    middle = min(max(player.centre - 4, 58), 70) + rng.choice((-3, 0, 4))
    low, high = max(player.low, middle - 10), min(player.high, middle + 11)
    wide = rng.random() < 0.4
    notes = []
    for span in scene.spans:
        chord = scene.voiced(span.chord, voices, low, high, wide)
        notes += [Note(span.start, span.end - span.start, p, 62) for p in chord]
    if rng.random() < {"Organ": 0.8, "Strings": 0.45}.get(player.family, 0.15):
        notes = tied(notes)
    if player.family in ("Organ", "Strings") and rng.random() < 0.3:
        for span in scene.spans:
            root = nearest(46, (span.chord.bass,))
            notes.append(Note(span.start, span.end - span.start, max(root, player.low), 60))
    return notes


def comp(scene: Scene) -> list[Note]:
    """Chords in rhythm around middle C."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((3, 3, 4))
    middle = rng.choice((60, 63, 66)) if player.family != "Reed" else 62
    low, high = max(player.low, middle - 9), min(player.high, middle + 10)
    wide = rng.random() < 0.25
    return figure(
        scene, varied(scene, COMPING), lambda c: scene.voiced(c, voices, low, high, wide), 74
    )


def stabs(scene: Scene) -> list[Note]:
    """Short chords on few beats, in close harmony."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((2, 3, 3, 4))
    low, high = max(player.low, player.centre - 9), min(player.high, player.centre + 9)
    return figure(
        scene, varied(scene, ACCENTS, 0.5), lambda c: scene.voiced(c, voices, low, high), 92
    )


def repeated(scene: Scene) -> list[Note]:
    """Repeated eighths or sixteenths of a chord: the engine of an orchestra."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((1, 2, 3))
    low, high = max(player.low, player.centre - 12), min(player.high, player.centre + 6)
    cell = rng.choice(("x-x-x-x-", "x-x-x-x-", "x-xxx-xx", "xxxxxxxx", "..x-..x-"))
    patterns = [fit(cell, scene.metre.measure) for _ in scene.measures()]
    return figure(
        scene, patterns, lambda c: scene.voiced(c, max(voices, 2), low, high)[-voices:], 66
    )


def chorale(scene: Scene) -> list[Note]:
    """The tune in close harmony: a section in three or four voices, moving together."""
    player, rng = scene.player, scene.rng
    lead = placed(scene, thinned(scene.tune, 0.5), player.centre + 4)
    notes = list(lead)
    for below in range(1, rng.choice((2, 3, 3)) + (player.family == "Organ")):
        notes += [n for n in parallel(lead, scene.spans, below) if n.pitch >= player.low]
    return notes


def hymn(scene: Scene) -> list[Note]:
    """Four voices: the tune in plain notes, two inner voices, the bass of the chords."""
    player = scene.player
    soprano = placed(scene, thinned(scene.tune, 1.0), 71)
    notes = list(soprano)
    for note in soprano:
        span = chord_at(scene.spans, note.start)
        alto = step(note.pitch - 2, -1, span.chord.tones)
        tenor = step(alto - 1, -1, span.chord.tones)
        root = nearest(46, (span.chord.bass,))
        notes += [note._replace(pitch=p, velocity=70) for p in {alto, tenor} if p >= player.low]
        if root >= player.low and root < tenor:
            notes.append(note._replace(pitch=root, velocity=74))
    return tied(notes) if player.family == "Organ" and scene.rng.random() < 0.5 else notes


def fanfare(scene: Scene) -> list[Note]:
    """Calls on the tones of the chord, in one to three voices."""
    player, rng = scene.player, scene.rng
    cells = ("x--xx---", "x-xxx---", "x---x--x", "x-xxx-x-", "x-------")
    notes = []
    contour = [rng.choice((-1, 0, 0, 1, 1, 2)) for _ in range(16)]
    for start in scene.measures():
        pitch = nearest(player.centre - 3, chord_at(scene.spans, start).chord.tones)
        rhythm = fit(rng.choice(cells) + rng.choice(cells), scene.metre.measure)
        for (offset, length, _), move in zip(attacks(rhythm), contour, strict=False):
            tones = chord_at(scene.spans, start + offset).chord.tones[:3]
            pitch = step(nearest(pitch, tones), move, tones)
            if pitch > player.centre + 10:
                pitch = nearest(player.centre - 4, tones)
            notes.append(Note(start + offset, length, pitch, 92))
    lead = placed(scene, notes)
    for below in range(1, rng.choice((1, 2, 3))):
        lead += [n for n in parallel(notes, scene.spans, below) if n.pitch >= player.low]
    return lead


# --- guitar and keyboards ----------------------------------------------------------------------


def strum(scene: Scene) -> list[Note]:
    """Chord shapes of six strings: all of them down, the upper ones up."""
    fret = scene.rng.choice((0, 0, 0, 2, 3, 5))
    return figure(scene, varied(scene, STRUMMING), lambda c: fretted(c, fret), 78)


def picking(scene: Scene) -> list[Note]:
    """Fingerpicked chord shapes: the thumb on the bass strings, fingers above, all ringing."""
    fret = scene.rng.choice((0, 0, 0, 2, 5))
    notes = figure(scene, varied(scene, PICKING), lambda c: fretted(c, fret), 72)
    return [
        note._replace(
            length=min(note.length * 2, chord_at(scene.spans, note.start).end - note.start)
        )
        for note in notes
    ]


def power_chords(scene: Scene) -> list[Note]:
    """Root, fifth and octave on the low strings."""

    def voice(chord: Chord) -> tuple[int, ...]:
        root = nearest(46, (chord.root,))
        root += 12 if root < scene.player.low else 0
        fifth = step(root, 1, (chord.fifth,))
        return (root, fifth, root + 12)

    return figure(scene, varied(scene, COMPING, 0.4), voice, 86)


def left_hand(scene: Scene) -> list[Note]:
    """An accompaniment below middle C: octaves, oom-pah, broken chords."""
    rng = scene.rng
    floor = max(scene.player.low, 33)

    def voice(chord: Chord) -> tuple[int, ...]:
        root = nearest(floor + 8, (chord.bass,))
        return (root, *(p for p in scene.voiced(chord, 3, 48, 64) if p > root))

    return figure(scene, varied(scene, LEFT_HAND, 0.25), voice, 68 + rng.choice((0, 4)))


def two_hands(scene: Scene) -> list[Note]:
    """Accompaniment in the left hand; chords or the tune in the right."""
    rng = scene.rng
    if rng.random() < 0.5:
        right = figure(scene, varied(scene, COMPING), lambda c: scene.voiced(c, 3, 57, 76), 74)
    else:
        right = placed(scene, thinned(scene.tune, 0.5), 74)
        if rng.random() < 0.4:
            right += parallel(right, scene.spans)
    if rng.random() < 0.3:
        floor = max(scene.player.low, 28)
        left = []
        for span in scene.spans:
            root = nearest(floor + 7, (span.chord.bass,))
            left += [Note(span.start, span.end - span.start, p, 72) for p in (root, root + 12)]
    else:
        left = left_hand(scene)
    return right + left


def alberti(scene: Scene) -> list[Note]:
    """Broken chords under the tune: the left hand of a sonatina."""
    below = figure(scene, varied(scene, ALBERTI), lambda c: scene.voiced(c, 3, 48, 66), 62)
    return below + placed(scene, scene.tune, 76)
