"""Errors and warnings about damaged MIDI files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

IGNORED = "the event was ignored"

# Names of the two data bytes of each kind of channel event.
_DATA_BYTES = {
    0x80: ("pitch", "velocity"),
    0x90: ("pitch", "velocity"),
    0xA0: ("pitch", "key pressure"),
    0xB0: ("controller number", "controller value"),
    0xC0: ("program", ""),
    0xD0: ("channel pressure", ""),
    0xE0: ("pitch bend", "pitch bend"),
}


class MidiError(ValueError):
    """A MIDI file that cannot be read; the message names the file and the reason."""


@dataclass(frozen=True)
class MidiWarning:
    """A fault that lenient reading repaired; ``str()`` is one sentence.

    Attributes:
        what: the fault, with the value found.
        done: the repair.
        track: number of the MIDI track, from 1; 0 if the fault is in no track.
        offset: position in bytes from the start of the file; -1 if the fault is at no position.
    """

    what: str
    done: str
    track: int = 0
    offset: int = -1

    def __str__(self) -> str:
        return f"{located(self.what, self.track, self.offset)}; {self.done}"


class Faults:
    """Handles faults: strict reading raises the first, lenient reading collects warnings.

    Attributes:
        strict: whether a fault raises.
        warnings: the faults so far.
        origin: converts an offset in the repaired bytes to one in the file.
    """

    def __init__(self, strict: bool):
        self.strict = strict
        self.warnings: list[MidiWarning] = []
        self.origin: Callable[[int], int] = lambda offset: offset

    def add(self, what: str, done: str, track: int = 0, offset: int = -1) -> None:
        """Report a fault.

        Raises:
            ValueError: in strict reading.
        """
        if self.strict:
            raise ValueError(located(what, track, offset))
        offset = self.origin(offset) if offset >= 0 else offset
        self.warnings.append(MidiWarning(what, done, track, offset))


def located(what: str, track: int = 0, offset: int = -1) -> str:
    """A fault with its track (from 1) and its offset in bytes."""
    where = [f"track {track}"] if track else []
    where += [f"offset {offset:,}"] if offset >= 0 else []
    return f"{', '.join(where)}: {what}" if where else what


def fail(what: str, track: int = 0, offset: int = -1) -> NoReturn:
    """Raise a ValueError with a located fault."""
    raise ValueError(located(what, int(track), int(offset))) from None


def data_byte_fault(status: int, first: int, second: int) -> str:
    """Description of a channel event with a data byte above 127."""
    names = _DATA_BYTES[status & 0xF0]
    name, value = (names[0], first) if first > 0x7F else (names[1], second)
    return f"the {name} {value} is above 127"
