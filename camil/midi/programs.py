"""The program of each note: a General MIDI program, another bank's, or a drum kit.

A note belongs to the program that its channel has on its own MIDI track when the note ends. Where
the track states none before, the channel's program on another track of the same port counts, as a
player that merges tracks has it. Banks and system exclusive messages decide whether that program
is one of General MIDI, and whether a note plays drums (`standards`).
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from camil.midi.parse import DEVICE, PORT, Events
from camil.midi.standards import BANK_LSB, BANK_MSB, DRUM_CHANNEL, Standards, messages

MAX_PARTS = 1000  # a file with more is not music; bounds the time to read it


@dataclass
class Programs:
    """Program of each note; arrays are ``(notes,)``.

    Attributes:
        change: index of the program change that counts, -1 without one.
        program: 0 to 127; 0 without a program change.
        is_drum: whether the note is a drum sound.
        labelled: whether the file states a General MIDI program, or drums.
        banks: bank select events before each program change to a program outside General MIDI.
    """

    change: np.ndarray
    program: np.ndarray
    is_drum: np.ndarray
    labelled: np.ndarray
    banks: dict[int, tuple[int, ...]]


def programs_of(events: Events, begin: np.ndarray, end: np.ndarray) -> Programs:
    """The program of each note.

    Args:
        begin, end: ``(notes,)`` indices of the events that begin and end each note.
    """
    count, channel = len(events.status), events.status & 0x0F
    line = events.track * 16 + channel  # a channel of a track
    kind = events.status & 0xF0
    changes = np.flatnonzero(kind == 0xC0)
    # Numbers that grow with the line and, within it, with the position in the file.
    placed = np.sort(line[changes] * count + changes)
    latest = np.searchsorted(placed, line[end] * count + end) - 1
    change = np.append(placed, -1)[latest]
    own = (latest >= 0) & (change // count == line[end])
    change = np.where(own, change % count, -1)
    missing = np.flatnonzero(~own)
    if len(missing) and len(changes):
        address = ports_of(events)[events.track] * 16 + channel
        change[missing] = _of_other_tracks(events, line, address, changes, begin[missing])

    is_drum, labelled, banks = channel[end] == DRUM_CHANNEL, change >= 0, {}
    controls = np.flatnonzero(kind == 0xB0)
    banked = np.isin(events.first[controls], (BANK_MSB, BANK_LSB)) & (events.second[controls] > 0)
    found = [(one, sent) for one in events.sysex if (sent := messages(one.content))]
    if banked.any() or any(one.decides for _, sent in found for one in sent):
        port = ports_of(events)
        standards = Standards(events, found, line, port)
        other = [i for i, one in standards.selections.items() if not one.labelled]
        labelled &= ~np.isin(change, other)
        banks = {index: standards.selections[index].banks for index in other}
        address = port[events.track[begin]] * 16 + channel[begin]
        is_drum = _drums(standards, address, events.tick[begin], change)
    change[is_drum & ~own] = -1  # a drum part has the kit of its own track
    program = np.where(change >= 0, events.first[change], 0).astype(np.int64)
    return Programs(change, program, is_drum, labelled | is_drum, banks)


def _drums(standards: Standards, address, tick, change) -> np.ndarray:
    """Whether each note plays drums."""
    groups, which = np.unique(address * 2**32 + change + 1, return_inverse=True)
    is_drum = np.zeros(len(which), bool)
    for number, group in enumerate(groups.tolist()):
        members = np.flatnonzero(which == number)
        is_drum[members] = standards.drums(group >> 32, group % 2**32 - 1, tick[members])
    return is_drum


def ports_of(events: Events) -> np.ndarray:
    """``(tracks,)`` number of the port that each track plays on."""
    named = defaultdict(dict)
    for one in events.meta:
        if one.kind in (PORT, DEVICE):
            named[one.track][one.kind] = one.content
    keys = [tuple(sorted(named[track].items())) for track in range(len(events.spans))]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64)


def _of_other_tracks(events, line, address, changes, begin) -> np.ndarray:
    """The latest program change on the note's channel on other tracks, -1 if there is none."""
    found, numbers = np.full(len(begin), -1), np.unique(line[begin])
    if len(numbers) > MAX_PARTS:
        raise ValueError(f"the file has more than {MAX_PARTS:,} parts")
    for number in numbers.tolist():
        members = np.flatnonzero(line[begin] == number)
        others = changes[
            (address[changes] == address[begin[members[0]]]) & (line[changes] != number)
        ]
        others = others[np.argsort(events.tick[others], kind="stable")]
        latest = np.searchsorted(events.tick[others], events.tick[begin[members]], side="right") - 1
        found[members] = np.append(others, -1)[latest]
    return found
