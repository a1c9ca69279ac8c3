"""Which parts a role may ask of an instrument, and how often."""

from collections.abc import Callable
from random import Random

from . import parts
from .players import Player

Part = Callable[[parts.Scene], list]


def rest(scene: parts.Scene) -> list:
    """Nothing: the player counts measures."""
    return []


ROLES: dict[str, dict[str, dict[Part, float]]] = {
    "lead": {
        "any": {parts.tune: 8, parts.response: 1, parts.counter: 1, rest: 1},
        "Piano": {parts.tune: 3, parts.alberti: 2, parts.two_hands: 2, parts.arpeggio: 1},
        "Guitar": {parts.tune: 7, parts.response: 1, parts.arpeggio: 1, parts.picking: 1},
        "Organ": {parts.tune: 6, parts.chorale: 1, parts.hymn: 1},
        "Brass": {parts.tune: 8, parts.fanfare: 1.5, parts.counter: 1, rest: 1},
    },
    "second": {
        "any": {
            parts.counter: 4, parts.response: 3, parts.harmony: 2, parts.tune: 3,
            parts.arpeggio: 1, rest: 1.5,
        },
        "Guitar": {parts.counter: 2, parts.response: 3, parts.picking: 2, parts.tune: 2, rest: 1},
        "Brass": {
            parts.counter: 4, parts.response: 2, parts.harmony: 2, parts.tune: 2, parts.fanfare: 1,
            rest: 1.5,
        },
    },
    "comp": {
        "any": {parts.comp: 3, parts.arpeggio: 3, parts.repeated: 1, parts.counter: 1},
        "Piano": {
            parts.two_hands: 5, parts.comp: 2, parts.arpeggio: 1, parts.left_hand: 1,
            parts.alberti: 1,
        },
        "Guitar": {parts.strum: 4, parts.picking: 4, parts.comp: 2, parts.arpeggio: 1},
        "Organ": {parts.pad: 3, parts.comp: 4, parts.hymn: 1, parts.two_hands: 1},
        "Brass": {parts.comp: 4, parts.stabs: 1, parts.counter: 1},
    },
    "pad": {
        "any": {parts.pad: 5, parts.counter: 1, parts.chorale: 1},
        "Strings": {
            parts.pad: 5, parts.counter: 2, parts.repeated: 1, parts.chorale: 1, parts.tune: 1,
        },
        "Organ": {parts.pad: 6, parts.comp: 1, parts.hymn: 1},
        "Brass": {parts.pad: 4, parts.chorale: 2, parts.stabs: 1, parts.counter: 1},
        "Piano": {parts.pad: 3, parts.two_hands: 1, parts.arpeggio: 1},
    },
    "bass": {
        "any": {parts.bass: 10, parts.riff: 0.5},
        "Piano": {parts.bass: 2, parts.left_hand: 3},
    },
    "hits": {
        "any": {parts.stabs: 3, parts.chorale: 3, parts.pad: 1, parts.riff: 1, rest: 1},
        "Brass": {
            parts.stabs: 4, parts.chorale: 3, parts.fanfare: 1.5, parts.pad: 1, parts.riff: 0.5,
            rest: 1,
        },
        "Strings": {parts.stabs: 2, parts.chorale: 2, parts.repeated: 2, parts.pad: 1},
    },
    "riff": {
        "any": {parts.riff: 6, parts.comp: 1, parts.response: 1},
        "Guitar": {parts.riff: 4, parts.power_chords: 3, parts.response: 1, parts.strum: 0.5},
        "Reed": {parts.riff: 6, parts.response: 1, rest: 1},
    },
    "hymn": {
        "any": {parts.hymn: 6, parts.chorale: 2, parts.pad: 2},
        "Piano": {parts.hymn: 3, parts.two_hands: 2},
    },
}  # fmt: skip


def part_for(role: str, player: Player, rng: Random) -> Part:
    """A part that the role asks of the player, drawn by weight."""
    options = ROLES[role].get(player.family) or ROLES[role]["any"]
    return rng.choices(list(options), list(options.values()))[0]
