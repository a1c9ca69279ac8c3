"""Metres, and rhythms written as text with one character per sixteenth note.

``-`` holds the note before, ``.`` is silence, anything else is an attack; so ``x---..x-`` is a
quarter note, an eighth rest and an eighth note.
"""

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple


class Note(NamedTuple):
    """A note: `start` and `length` in quarter notes, MIDI pitch, velocity 1 to 127."""

    start: float
    length: float
    pitch: int
    velocity: float = 80


@dataclass(frozen=True)
class Metre:
    """A time signature with its pulses grouped: the lengths of the groups in quarter notes."""

    numerator: int
    denominator: int
    groups: tuple[float, ...]

    @property
    def measure(self) -> float:
        """Length of a measure in quarter notes."""
        return self.numerator * 4 / self.denominator

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    def is_strong(self, position: float) -> bool:
        """Whether a position in the measure (quarter notes) begins a group of pulses."""
        edge = 0.0
        for group in self.groups:
            if abs(position - edge) < 0.01:
                return True
            edge += group
        return False


METRES = {
    "4/4": Metre(4, 4, (2, 2)),
    "3/4": Metre(3, 4, (3,)),
    "6/8": Metre(6, 8, (1.5, 1.5)),
    "2/4": Metre(2, 4, (2,)),
    "5/4": Metre(5, 4, (3, 2)),
}

# Rhythms of a tune within a group of pulses, by its length in quarter notes and its motion.
CELLS = {
    2: {
        "calm": ("x-------", "x---x---", "x---x---", "x-----x-", "x---x-x-"),
        "moving": ("x---x-x-", "x-x-x---", "x-x-x-x-", "x--xx---", "x-----x-", "..x-x-x-"),
        "busy": ("x-x-x-x-", "x-xxx-x-", "xxx-x-x-", "x--xx-x-", "x-xxxxxx", ".xx-x-xx"),
    },
    3: {
        "calm": ("x-----------", "x-------x---", "x---x---x---", "x-------x-x-"),
        "moving": ("x---x---x-x-", "x---x-x-x---", "x-----x-x---", "x-x-x-x-x---"),
        "busy": ("x-x-x-x-x-x-", "x-xxx-x-x---", "x---xxxxx-x-", "x--xx-x-x-xx"),
    },
    1.5: {
        "calm": ("x-----", "x-----", "x---x-"),
        "moving": ("x---x-", "x-x-x-", "x--xx-", "x-----"),
        "busy": ("x-x-x-", "x-xxx-", "x--xx-", "xxx-x-"),
    },
}


@lru_cache(maxsize=4096)
def attacks(pattern: str) -> tuple[tuple[float, float, str], ...]:
    """The (start, length, symbol) of each attack in a pattern, in quarter notes."""
    found: list[list] = []
    sounding = False
    for index, symbol in enumerate(pattern):
        if symbol == "-" and sounding:
            found[-1][1] += 0.25
        elif symbol not in "-.":
            found.append([index / 4, 0.25, symbol])
        sounding = symbol != "."
    return tuple((start, length, symbol) for start, length, symbol in found)


def fit(pattern: str, measure: float) -> str:
    """A pattern, cut or repeated to fill a measure (quarter notes)."""
    size = round(measure * 4)
    return (pattern * (size // len(pattern) + 1))[:size]


def tune_rhythm(metre: Metre, motion: str, rng: Random) -> str:
    """The rhythm of one measure of a tune: one cell per group of pulses."""
    return "".join(rng.choice(CELLS[group][motion]) for group in metre.groups)
