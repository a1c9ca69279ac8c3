"""The parts that an instrument may play in a role, with their weights."""

from collections.abc import Callable
from random import Random

from . import chords, lines
from .parts import Scene
from .players import Player

Part = Callable[[Scene], list]


def rest(scene: Scene) -> list:
    """No notes: the player rests."""
    return []


ROLES: dict[str, dict[str, dict[Part, float]]] = {
    "lead": {
        "any": {lines.tune: 8, lines.response: 1, lines.counter: 1, rest: 1},
        "Piano": {lines.tune: 3, chords.alberti: 2, chords.two_hands: 2, lines.arpeggio: 1},
        "Strings": {lines.tune: 8, lines.counter: 1, chords.repeated: 1},
        "Guitar": {lines.tune: 7, lines.response: 1, lines.arpeggio: 1, chords.picking: 1},
        "Organ": {
            lines.tune: 4, chords.tune_over_chords: 4, chords.chorale: 1, chords.hymn: 1,
        },
        "Brass": {lines.tune: 8, lines.fanfare: 2, lines.counter: 1, rest: 1},
    },
    "second": {
        "any": {
            lines.counter: 4, lines.response: 3, lines.harmony: 2, lines.tune: 3,
            lines.arpeggio: 1, rest: 1.5,
        },
        "Strings": {
            lines.counter: 4, lines.harmony: 2, lines.tune: 2, chords.repeated: 2, rest: 1,
        },
        "Guitar": {lines.counter: 2, lines.response: 3, chords.picking: 2, lines.tune: 2, rest: 1},
        "Brass": {
            lines.counter: 3, lines.response: 2, lines.harmony: 2, lines.tune: 2, lines.fanfare: 2,
            chords.stabs: 1, rest: 1.5,
        },
    },
    "comp": {
        "any": {chords.comp: 3, lines.arpeggio: 3, chords.repeated: 1, lines.counter: 1},
        "Piano": {
            chords.two_hands: 5, chords.comp: 2, lines.arpeggio: 1, chords.left_hand: 1,
            chords.alberti: 1,
        },
        "Guitar": {chords.strum: 4, chords.picking: 4, chords.comp: 2, lines.arpeggio: 1},
        "Organ": {chords.pad: 4, chords.comp: 3, chords.hymn: 1, chords.tune_over_chords: 1},
        "Brass": {chords.comp: 4, chords.stabs: 1, lines.counter: 1},
    },
    "pad": {
        "any": {chords.pad: 5, lines.counter: 1, chords.chorale: 1},
        "Strings": {
            chords.pad: 5, lines.counter: 2, chords.repeated: 1, chords.chorale: 1, lines.tune: 1,
        },
        "Organ": {chords.pad: 6, chords.comp: 1, chords.hymn: 1},
        "Brass": {chords.pad: 4, chords.chorale: 2, chords.stabs: 1, lines.counter: 1},
        "Piano": {chords.pad: 3, chords.two_hands: 1, lines.arpeggio: 1},
    },
    "bass": {
        "any": {lines.bass: 10, lines.riff: 0.5},
        "Piano": {lines.bass: 2, chords.left_hand: 3},
    },
    "hits": {
        "any": {chords.stabs: 3, chords.chorale: 3, chords.pad: 1, lines.riff: 1, rest: 1},
        "Brass": {
            chords.stabs: 4, chords.chorale: 3, lines.fanfare: 1.5, chords.pad: 1, lines.riff: 0.5,
            rest: 1,
        },
        "Strings": {chords.stabs: 2, chords.chorale: 2, chords.repeated: 2, chords.pad: 1},
    },
    "riff": {
        "any": {lines.riff: 6, chords.comp: 1, lines.response: 1},
        "Guitar": {lines.riff: 4, chords.power_chords: 3, lines.response: 1, chords.strum: 0.5},
        "Reed": {lines.riff: 6, lines.response: 1, rest: 1},
    },
    "hymn": {
        "any": {chords.hymn: 6, chords.chorale: 2, chords.pad: 2},
        "Piano": {chords.hymn: 3, chords.two_hands: 2},
    },
}  # fmt: skip


def part_for(role: str, player: Player, rng: Random) -> Part:
    """A part of the player in a role, drawn by weight."""
    options = ROLES[role].get(player.family) or ROLES[role]["any"]
    return rng.choices(list(options), list(options.values()))[0]
