"""Chordal parts: pads, comping, hymns, strums, two hands. Each returns the notes of a scene."""

from .harmony import Chord, fretted, nearest, step
from .melody import chord_at, parallel, thinned
from .parts import Scene, figure, placed, tied, varied
from .patterns import ACCENTS, ALBERTI, COMPING, LEFT_HAND, PICKING, STRUMMING
from .rhythm import Note, fit


def pad(scene: Scene) -> list[Note]:
    """Held chords; common tones of two chords are often tied by an organ, less often by strings."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((3, 3, 4)) if player.family != "Pipe" else 2
    middle = min(max(player.centre - 4, 58), 70) + rng.choice((-3, 0, 4))
    reach = (
        15 if player.family == "Strings" else 11
    )  # strings in open position, others in close position
    low, high = max(player.low, middle - reach), min(player.high, middle + reach)
    wide = rng.random() < (0.75 if player.family == "Strings" else 0.2)
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


def tune_over_chords(scene: Scene) -> list[Note]:
    """The tune in one hand over held chords in the other."""
    held = []
    for span in scene.spans:
        chord = scene.voiced(span.chord, 3, 48, 65)
        held += [Note(span.start, span.end - span.start, p, 62) for p in chord]
    lead = placed(scene, thinned(scene.tune, scene.player.shortest), 76)
    return (tied(held) if scene.player.family == "Organ" else held) + lead


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
    """Repeated eighths or sixteenths of a chord, as in an orchestra."""
    player, rng = scene.player, scene.rng
    voices = rng.choice((1, 2, 3))
    low, high = max(player.low, player.centre - 12), min(player.high, player.centre + 6)
    cell = rng.choice(("x-x-x-x-", "x-x-x-x-", "x-xxx-xx", "xxxxxxxx", "..x-..x-"))
    patterns = [fit(cell, scene.metre.measure) for _ in scene.measures()]
    return figure(
        scene, patterns, lambda c: scene.voiced(c, max(voices, 2), low, high)[-voices:], 66
    )


def chorale(scene: Scene) -> list[Note]:
    """The tune in close harmony: a section in three or four parallel voices."""
    player, rng = scene.player, scene.rng
    lead = placed(scene, thinned(scene.tune, 0.5), player.centre + 4)
    notes = list(lead)
    for below in range(1, rng.choice((2, 3, 3)) + (player.family == "Organ")):
        notes += [n for n in parallel(lead, scene.spans, below) if n.pitch >= player.low]
    return notes


def hymn(scene: Scene) -> list[Note]:
    """Four voices: the simplified tune, two inner voices and the bass of the chords."""
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


def strum(scene: Scene) -> list[Note]:
    """Strummed chords: down-strokes over all six strings, up-strokes over the upper ones."""
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
    lowest = max(scene.player.low, 33)

    def voice(chord: Chord) -> tuple[int, ...]:
        root = nearest(lowest + 8, (chord.bass,))
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
        lowest = max(scene.player.low, 28)
        left = []
        for span in scene.spans:
            root = nearest(lowest + 7, (span.chord.bass,))
            left += [Note(span.start, span.end - span.start, p, 72) for p in (root, root + 12)]
    else:
        left = left_hand(scene)
    return right + left


def alberti(scene: Scene) -> list[Note]:
    """Broken chords under the tune: the left hand of a sonatina."""
    below = figure(scene, varied(scene, ALBERTI), lambda c: scene.voiced(c, 3, 48, 66), 62)
    return below + placed(scene, scene.tune, 76)
