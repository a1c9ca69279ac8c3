"""Melodic parts: tunes, answers, riffs, bass lines. Each returns the notes of a scene."""

from .harmony import Span, nearest, step
from .melody import answers, chord_at, counter_line, parallel, struck_again, thinned, with_runs
from .parts import Scene, figure, placed, varied
from .patterns import ARPEGGIO, BASS
from .rhythm import CELLS, Note, attacks, fit


def tune(scene: Scene) -> list[Note]:
    """The tune in the note lengths of the player, sometimes in two voices."""
    notes = thinned(scene.tune, scene.player.shortest)
    if scene.rng.random() < 0.25:
        notes = thinned(notes, 0.5 if scene.player.shortest < 0.5 else 1.0)
    lead = _idiomatic(scene, placed(scene, notes))
    if scene.rng.random() < scene.player.double:
        octaves = scene.player.family in ("Piano", "Strings", "Organ") and scene.rng.random() < 0.4
        second = (
            [n._replace(pitch=n.pitch - 12, velocity=n.velocity - 6) for n in lead]
            if octaves
            else parallel(lead, scene.spans)
        )
        lead = lead + [n for n in second if n.pitch >= scene.player.low]
    return lead


def _idiomatic(scene: Scene, line: list[Note]) -> list[Note]:
    """A line with the runs and repeated notes that are typical of the player."""
    player, rng = scene.player, scene.rng
    if player.runs:
        line = with_runs(line, scene.spans, scene.key, player.runs, rng)
    return struck_again(line, player.tongued, rng) if player.tongued else line


def harmony(scene: Scene) -> list[Note]:
    """A parallel voice under the tune."""
    notes = thinned(scene.tune, max(scene.player.shortest, 0.5))
    return placed(scene, parallel(notes, scene.spans, scene.rng.choice((1, 1, 2))))


def counter(scene: Scene) -> list[Note]:
    """A slower second line against the tune."""
    line = counter_line(scene.spans, scene.key, scene.metre, scene.tune, scene.rng)
    return _idiomatic(scene, placed(scene, line))


def response(scene: Scene) -> list[Note]:
    """Answers in the rests of the tune; a counter line if the tune has few rests."""
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
    """A figure of one or two measures, repeated over each chord in the minor pentatonic scale."""
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
    """A bass line: roots, fifths and octaves in the song's feel, with steps to the next chord."""
    player, rng = scene.player, scene.rng
    lowest = player.low if player.family in ("Bass", "Brass") else max(player.low, 33)
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
            root = nearest(lowest + 7, (span.chord.bass,))
            if root < lowest:
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
