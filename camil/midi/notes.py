"""The notes in a MIDI file's events: what begins and ends each, and which program plays it."""

from dataclasses import dataclass

import numpy as np

from camil.midi.parse import NAME, Events


@dataclass
class Instrument:
    """What one program plays on one channel (0 to 15) of one track (from 0); `(notes,)`, sorted by
    start and pitch, times in ticks."""

    name: str
    program: int
    is_drum: bool
    pitch: np.ndarray
    velocity: np.ndarray
    start: np.ndarray
    end: np.ndarray
    midi_track: int
    channel: int


def instruments_of(events: Events) -> list[Instrument]:
    """In the order of their first notes' ends; a note belongs to the program that its channel has
    when it ends."""
    begin, end = pair_notes(events)
    count = len(events.status)
    line = events.track * 16 + (events.status & 0x0F)  # a channel of a track
    changes = np.flatnonzero(events.status & 0xF0 == 0xC0)
    # Numbers that grow with the line and, within it, with the place in the file.
    placed = np.sort(line[changes] * count + changes)
    latest = np.searchsorted(placed, line[end] * count + end) - 1
    change = np.append(placed, -1)[latest]
    known = (latest >= 0) & (change // count == line[end])
    program = np.where(known, events.first[change % count], 0).astype(np.int64)

    keys, first, which = np.unique(
        line[end] * 128 + program, return_index=True, return_inverse=True
    )
    pitch, start = events.first[begin], events.tick[begin]
    order = np.lexsort((pitch, start, which))
    columns = [pitch, events.second[begin], start, events.tick[end]]
    columns = [column[order].astype(np.int64, copy=False) for column in columns]
    bounds = np.append(0, np.cumsum(np.bincount(which))).tolist()
    instruments = []
    for index in np.argsort(first).tolist():
        notes = slice(bounds[index], bounds[index + 1])
        line_number, program_number = divmod(int(keys[index]), 128)
        track, channel = divmod(line_number, 16)
        names = [
            text for before, of, _, kind, text in events.meta
            if kind == NAME and of == track and before <= end[first[index]]
        ]  # fmt: skip
        instruments.append(
            Instrument(
                names[-1].decode("latin1") if names else "",
                program_number,
                channel == 9,
                *(column[notes] for column in columns),
                track,
                channel,
            )
        )
    return instruments


def pair_notes(events: Events) -> tuple[np.ndarray, ...]:
    """The notes of all tracks: indices `(notes,)` of the events that begin and end each.

    As pretty_midi has it, an end closes all notes of its track, channel and pitch that sound; but
    one that begins at the same tick goes on if an earlier one was closed, and is void otherwise.
    Ends without a beginning and beginnings without an end are passed over. Notes are in the order
    of their ends.
    """
    kind = events.status & 0xF0
    on = (kind == 0x90) & (events.second > 0)
    off = (kind == 0x80) | (kind == 0x90) & (events.second == 0)
    chosen = np.flatnonzero(on | off)
    if not len(chosen):
        return chosen, chosen
    key = events.track * 16 + (events.status & 0x0F)
    key = (key * 128 + events.first)[chosen]
    by_key = np.argsort(key, kind="stable")  # by track, channel and pitch, then in time
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
        goes_on = _goes_on(key, tick, index[ends], begins, end)
        end_after = np.minimum(np.append(next_end, none)[end + 1], none - 1)
        again = late & goes_on[end] & (key[end_after] == key[end]) & ends[end_after]
        again &= (tick[end_after] > tick[begins]) & (end_after > end)
        end = np.where(again, end_after, end)
        begins, end = begins[~late | again], end[~late | again]
    by_end = np.lexsort((chosen[begins], chosen[end]))
    return chosen[begins][by_end], chosen[end][by_end]


def _goes_on(key, tick, ends, begins, end) -> np.ndarray:
    """For each end (by index), whether notes struck at its very tick sound on after it.

    They do if an older note is closed by it: one struck since the end before, or one that went on
    there and is older by now. That is a chain from end to end, x[k] = a[k] or (b[k] and x[k-1]).
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
    goes_on = np.zeros(len(key), bool)
    goes_on[ends] = last_true >= last_break
    return goes_on
