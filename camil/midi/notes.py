"""Pair note-on and note-off events to notes, and group the notes to parts."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camil.midi.faults import Faults
from camil.midi.names import decode_name
from camil.midi.parse import NAME, Events
from camil.midi.programs import MAX_PARTS, programs_of

# A channel of a track with fewer notes may have them all without a note-off: stray hits, which are
# ignored. Files whose every channel lacks note-offs have no such limit.
MIN_UNENDED = 4


@dataclass
class Instrument:
    """The notes that one program plays on one channel of one MIDI track.

    Attributes:
        name: name of its MIDI track, decoded.
        program: 0 to 127.
        is_drum, labelled: see `camil.midi.score.Track`.
        pitch, velocity: ``(notes,)`` int64.
        start, end: ``(notes,)`` int64, ticks. Notes are sorted by start and pitch.
        midi_track: index of the MIDI track, from 0.
        channel: 0 to 15.
        begin: ``(notes,)`` indices of the note-on events.
        change: ``(notes,)`` indices of the program changes that select the program, -1 for none.
    """

    name: str
    program: int
    is_drum: bool
    labelled: bool
    pitch: np.ndarray
    velocity: np.ndarray
    start: np.ndarray
    end: np.ndarray
    midi_track: int
    channel: int
    begin: np.ndarray
    change: np.ndarray


class Notes(NamedTuple):
    """The notes of a file in the order of their ends; arrays are ``(notes,)``.

    Attributes:
        begin, end: indices of the events that begin and end each note. A note that ends with its
            track has the last channel event of the track as its end.
        end_tick: time of its end.
    """

    begin: np.ndarray
    end: np.ndarray
    end_tick: np.ndarray


def instruments_of(events: Events, notes: Notes) -> list[Instrument]:
    """The parts of a file, in the order in which their first notes end."""
    begin, end, end_tick = notes
    programs = programs_of(events, begin, end)
    line = events.track[begin] * 16 + (events.status[begin] & 0x0F)
    key = ((line * 128 + programs.program) * 2 + programs.is_drum) * 2 + programs.labelled
    pitch, start = events.first[begin], events.tick[begin]
    order = _sorted_by(key, start, pitch)
    key = key[order]
    bounds = np.append(np.flatnonzero(np.diff(key, prepend=-1)), len(key))
    if len(bounds) > MAX_PARTS + 1:
        raise ValueError(f"the file has {len(bounds) - 1:,} parts, more than {MAX_PARTS:,}")
    first = np.minimum.reduceat(order, bounds[:-1])
    columns = [pitch, events.second[begin], start, end_tick, begin, programs.change]
    columns = [column[order].astype(np.int64, copy=False) for column in columns]
    names = defaultdict(lambda: ([], []))  # by track: indices of the events after, texts
    for one in events.meta:
        if one.kind == NAME:
            names[one.track][0].append(one.index)
            names[one.track][1].append(one.content)
    instruments = []
    for index in np.argsort(first).tolist():
        selected = slice(bounds[index], bounds[index + 1])
        number, labelled = divmod(int(key[bounds[index]]), 2)
        number, is_drum = divmod(number, 2)
        number, program = divmod(number, 128)
        track, channel = divmod(number, 16)
        indices, texts = names[track]
        named = bisect_right(indices, end[first[index]])
        instruments.append(
            Instrument(
                decode_name(texts[named - 1]) if named else "",
                program,
                bool(is_drum),
                bool(labelled),
                *(column[selected] for column in columns[:4]),
                track,
                channel,
                *(column[selected] for column in columns[4:]),
            )
        )
    return instruments


def _sorted_by(key: np.ndarray, start: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Indices that sort by key, start and pitch; notes equal in all three keep their order."""
    if start.max() < 2**27 and key.max() < 2**29:
        return np.argsort(key << 34 | start << 7 | pitch, kind="stable")
    return np.lexsort((pitch, start, key))


def pair_notes(events: Events, faults: Faults) -> Notes:
    """Pair the note-on and note-off events of all tracks.

    As in pretty_midi, an end closes all sounding notes of its track, channel and pitch, except
    that a note struck at the same tick sounds on if an earlier one was closed, else it is ignored.
    Ends without a beginning and beginnings without an end are ignored.

    If a channel of a track has notes and no note-off at all, that is a fault. Each of its notes
    then ends where the next one of its pitch begins, or with the track.
    """
    kind = events.status & 0xF0
    on = (kind == 0x90) & (events.second > 0)
    off = (kind == 0x80) | (kind == 0x90) & (events.second == 0)
    chosen = np.flatnonzero(on | off)
    if not len(chosen):
        return Notes(chosen, chosen, chosen)
    key = events.track * 16 + (events.status & 0x0F)
    key = (key * 128 + events.first)[chosen]
    small = key.astype(np.uint16) if key.max() < 2**16 else key  # is sorted faster
    by_key = np.argsort(small, kind="stable")  # by track, channel and pitch, then in time
    chosen, key = chosen[by_key], key[by_key]
    tick, ends = events.tick[chosen], off[chosen]

    index = np.arange(len(chosen))
    none = len(chosen)
    next_end = np.minimum.accumulate(np.where(ends, index, none)[::-1])[::-1]
    begins = index[~ends]
    end = next_end[begins]
    valid = end < none
    begins, end = begins[valid], end[valid]
    valid = key[begins] == key[end]
    begins, end = begins[valid], end[valid]

    late = tick[begins] == tick[end]  # struck at the tick of the end
    if late.any():
        sounds_on = _sounds_on(key, tick, index[ends], begins, end)
        end_after = np.minimum(np.append(next_end, none)[end + 1], none - 1)
        again = late & sounds_on[end] & (key[end_after] == key[end]) & ends[end_after]
        again &= (tick[end_after] > tick[begins]) & (end_after > end)
        end = np.where(again, end_after, end)
        begins, end = begins[~late | again], end[~late | again]
    begin, end = chosen[begins], chosen[end]
    end_tick = events.tick[end]
    unended = _unended(events, chosen, key, ends, faults)
    if unended:
        pairs = zip((begin, end, end_tick), unended, strict=True)
        begin, end, end_tick = (np.concatenate(pair) for pair in pairs)
    by_end = np.argsort(end * len(events.status) + begin)
    return Notes(begin[by_end], end[by_end], end_tick[by_end])


def _unended(events: Events, chosen, key, ends, faults: Faults) -> Notes | None:
    """The notes on channels of tracks without note-offs; None if there are none.

    Args:
        chosen: ``(events,)`` indices of note-on and note-off events, sorted by ``key``.
        key: ``(events,)`` track, channel and pitch as one number.
        ends: ``(events,)`` True for note-offs.
    """
    line = key >> 7
    played, ended = np.bincount(line), np.bincount(line[ends], minlength=line[-1] + 1)
    silent = (ended == 0) & (played >= (MIN_UNENDED if ended.any() else 1))
    if not silent.any():
        return None
    for number in np.flatnonzero(silent).tolist():
        track, channel = divmod(number, 16)
        selected = chosen[line == number]
        fault = f"channel {channel + 1} has {len(selected)} notes and no note-off"
        done = "each note ends where the next one of its pitch begins, or with the track"
        faults.add(fault, done, track + 1, int(events.offset[selected.min()]))
    selected = np.flatnonzero(silent[line])
    begin, track = chosen[selected], events.track[chosen[selected]]
    last_event = np.searchsorted(events.track, track, side="right") - 1
    follows = np.append(key[selected][1:] == key[selected][:-1], False)
    end = np.where(follows, np.append(begin[1:], 0), last_event)
    end_tick = np.where(follows, events.tick[end], events.last_tick[track])
    lasts = end_tick > events.tick[begin]
    return Notes(begin[lasts], end[lasts], end_tick[lasts])


def _sounds_on(key, tick, ends, begins, end) -> np.ndarray:
    """For each end (by index), whether notes struck at the tick of the end sound on after it.

    They do if the end closes an older note: one struck since the previous end, or one that sounded
    on after the previous end. That is a chain from end to end, x[k] = a[k] or (b[k] and x[k-1]).
    """
    late = np.zeros(len(key), bool)
    older = np.zeros(len(key), bool)
    at_tick = tick[begins] == tick[end]
    late[end[at_tick]] = True
    older[end[~at_tick]] = True
    a = late[ends] & older[ends]
    before = np.append(-1, np.arange(len(ends) - 1))
    linked = (before >= 0) & (key[ends] == key[ends[before]]) & (tick[ends] > tick[ends[before]])
    b = late[ends] & linked
    step = np.arange(len(ends))
    last_true = np.maximum.accumulate(np.where(a, step, -1))
    last_break = np.maximum.accumulate(np.where(b, -1, step))
    sounds_on = np.zeros(len(key), bool)
    sounds_on[ends] = last_true >= last_break
    return sounds_on
