"""A song from a seed: form, harmony, tune, instrumentation and MIDI file."""

from dataclasses import dataclass
from random import Random

import pretty_midi

from .harmony import Key, Span, spans
from .melody import compose_tune, decorated
from .parts import Scene
from .performance import perform, released
from .players import PLAYERS, Player
from .rhythm import METRES, Metre, Note, attacks, fit
from .roles import part_for
from .styles import STYLES, Style

RESOLUTION = 480  # ticks per quarter note
# Letters are sections of four measures (small) or eight (capital).
FORMS = ("ABA", "AAB", "AABA", "ABAB", "abac", "ababca", "AbAb", "AbA", "aabAba", "ABC", "aBaB")
DRUMS = {  # (kick, snare, hi-hat) rhythms
    "rock": ("x---..x-x---....", "....x-......x-..", "x-x-x-x-x-x-x-x-"),
    "funk": ("x--x......x..x..", "....x..x.x..x...", "x-x-x-x-x-x-x-xx"),
    "swing": ("x...............", "....x.......x...", "x---x-x-x---x-x-"),
    "blues": ("x-......x-x-....", "....x-......x-..", "x-x-x-x-x-x-x-x-"),
    "latin": ("x-....x-x-....x-", "x-..x-....x-x-..", "x-xxx-xxx-xxx-xx"),
    "march": ("x-......x-......", "..x-..xx..x-x-x-", "x-..x-..x-..x-.."),
    "plain": ("x---------------", "........x-......", "x---x---x---x---"),
}
DRUM_KEYS = (36, 38, 42)
# Other styles have a weight of 2.
STYLE_WEIGHTS = {"pop": 4, "rock": 3, "jazz": 3, "folk": 3, "chamber": 3, "march": 2}


@dataclass
class Composition:
    """A song as a MIDI file in memory, with its style, key, tempo, metre and chords.

    `chords` are the written chords in time; `tempo` is in quarter notes per minute.
    """

    midi: pretty_midi.PrettyMIDI
    style: str
    key: str
    tempo: int
    metre: str
    chords: list[Span]


def compose(seed: int, index: int) -> Composition:
    """Song number `index` of a corpus; the same two numbers always give the same song."""
    rng = Random(f"{seed}/{index}")
    name = rng.choices(list(STYLES), [STYLE_WEIGHTS.get(style, 2) for style in STYLES])[0]
    style = STYLES[name]
    metre = METRES[rng.choices(list(style.metres), list(style.metres.values()))[0]]
    key = Key(rng.randrange(12), rng.choice(style.modes))
    tempo = rng.randint(*style.tempo)
    sections = _sections(style, key, metre, rng)
    swing = rng.uniform(*style.swing)
    midi = pretty_midi.PrettyMIDI(resolution=RESOLUTION, initial_tempo=tempo)
    midi.time_signature_changes.append(
        pretty_midi.TimeSignature(metre.numerator, metre.denominator, 0)
    )
    for player, role in _ensemble(style, rng):
        notes = _track(player, role, sections, style, key, metre, tempo, swing, rng)
        program = rng.choice(player.programs)
        _add(midi, notes, program, player.name, tempo)
    if rng.random() < style.drums:
        _add(midi, _drums(style.feel, sections, metre, rng), 0, "Drums", tempo, is_drum=True)
    chords = [span for harmony, _ in sections for span in harmony]
    return Composition(midi, name, str(key), tempo, str(metre), chords)


def _sections(
    style: Style, key: Key, metre: Metre, rng: Random
) -> list[tuple[list[Span], list[Note]]]:
    """The chords and the tune of each section in order; a section that returns is decorated."""
    progressions = style.minor if key.mode in ("minor", "dorian") else style.major
    form, start, sections = rng.choice(FORMS), 0.0, []
    material: dict[str, tuple[str, int, str]] = {}
    for position, letter in enumerate(form):
        if letter not in material:
            halves = 2 if letter.isupper() else 1
            text = " ".join(rng.choice(progressions) for _ in range(halves))
            material[letter] = text, rng.getrandbits(32), rng.choice(style.motion)
        text, tune_seed, motion = material[letter]
        if position == len(form) - 1:  # the last section ends on the tonic
            home = "i" if key.mode in ("minor", "dorian") else "I"
            text = " ".join([*text.split()[:-1], home])
        harmony = spans(text, key, start, metre.measure)
        tune = compose_tune(harmony, key, metre, motion, Random(tune_seed))
        if letter in form[:position]:
            tune = decorated(tune, harmony, key, rng)
        sections.append((harmony, tune))
        start = harmony[-1].end
    return sections


def _ensemble(style: Style, rng: Random) -> list[tuple[Player, str]]:
    """Four to six different players, each with a role."""
    chosen: dict[str, str] = {}
    for seat in style.seats:
        options = {p: w for p, w in seat.players.items() if p not in chosen}
        if options and rng.random() < seat.chance:
            chosen[rng.choices(list(options), list(options.values()))[0]] = seat.role
    return [(PLAYERS[name], role) for name, role in chosen.items()]


def _track(
    player: Player,
    role: str,
    sections: list[tuple[list[Span], list[Note]]],
    style: Style,
    key: Key,
    metre: Metre,
    tempo: float,
    swing: float,
    rng: Random,
) -> list[Note]:
    """The notes of one player in the whole song; no two successive sections are silent."""
    notes: list[Note] = []
    rested = False
    for harmony, tune in sections:
        register = rng.choices((0, 1, -1), (8, 1, 1))[0]
        scene = Scene(player, harmony, tune, key, metre, style.feel, rng, register)
        written = part_for(role, player, rng)(scene)
        while not written and rested:
            written = part_for(role, player, rng)(scene)
        rested = not written
        notes += perform(written, player, harmony, key, metre, tempo, swing, rng)
    return released(notes)


def _drums(feel: str, sections: list, metre: Metre, rng: Random) -> list[Note]:
    notes = []
    for harmony, _ in sections:
        bars = round((harmony[-1].end - harmony[0].start) / metre.measure)
        for bar in range(bars):
            start = harmony[0].start + bar * metre.measure
            for pitch, rhythm in zip(DRUM_KEYS, DRUMS[feel], strict=True):
                for offset, _, _ in attacks(fit(rhythm, metre.measure)):
                    loud = round(rng.gauss(84 if pitch != 42 else 64, 5))
                    notes.append(Note(start + offset, 0.2, pitch, loud))
        notes.append(Note(harmony[0].start, 1.0, 49, 86))
    return released(notes)


def _add(
    midi: pretty_midi.PrettyMIDI,
    notes: list[Note],
    program: int,
    name: str,
    tempo: float,
    is_drum: bool = False,
) -> None:
    track = pretty_midi.Instrument(program, is_drum=is_drum, name=name)
    second = 60 / tempo
    track.notes = [
        pretty_midi.Note(
            int(note.velocity), note.pitch, note.start * second, (note.start + note.length) * second
        )
        for note in notes
    ]
    midi.instruments.append(track)
