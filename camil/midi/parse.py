"""Standard MIDI File parser: bytes to arrays of events.

The parser is vectorized, because a Python loop over events would be the slowest step for a folder
of MIDI files. For every byte of a file it computes where an event that began there would end; a
table look-up then follows the chain from event to event.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camil.midi.container import Header, is_chunk_name, track_spans
from camil.midi.event import CUT, UNDEFINED, Unreadable, end_of_time, read_event
from camil.midi.faults import data_byte_fault, fail

# The meta events that are kept.
NAME, DEVICE, PORT, TEMPO, METRE = 0x03, 0x09, 0x21, 0x51, 0x58
_END_OF_TRACK = 0x2F
# Manufacturers of the system exclusive events that are kept: Roland, Yamaha, universal.
_MANUFACTURERS = (0x41, 0x43, 0x7E)
_MAX_SYSEX = 64  # bytes; longer messages are bulk dumps
_MAX_OTHER = 100_000  # meta and system exclusive events per file; a file with more is not music
_PADDING = 16  # zeros after the file, so that an event near its end has an end
# Length of an event from its status on, by its first byte. An event in running status counts as
# two data bytes (row 0) or one (row 1). Meta and system exclusive events state their own length.
_LENGTH = np.full((2, 256), 3, np.int32)
_LENGTH[:, 0xC0:0xE0] = 2
_LENGTH[:, 0xF0:] = 1
_LENGTH[:, [0xF1, 0xF3]] = 2
_LENGTH[:, 0xF2] = 3
_LENGTH[0, :0x80], _LENGTH[1, :0x80] = 2, 1
# 1 if the next event, in running status, has one data byte.
_ONE = np.zeros((2, 256), np.int32)
_ONE[1] = 1
_ONE[1, 0x80:0xF0] = 0
_ONE[:, 0xC0:0xE0] = 1
_STEP = 2 * _LENGTH + _ONE
_STATES_LENGTH = np.zeros(256, bool)
_STATES_LENGTH[[0xF0, 0xF7, 0xFF]] = True
_UNDEFINED = np.zeros(256, bool)
_UNDEFINED[list(UNDEFINED)] = True


class Meta(NamedTuple):
    """A meta event: the index of the next channel event, track (from 0), tick, type, offset of its
    time in the file, content."""

    index: int
    track: int
    tick: int
    kind: int
    offset: int
    content: bytes


class SysEx(NamedTuple):
    """A system exclusive event: the index of the next channel event, track (from 0), tick, and
    content from the manufacturer on."""

    index: int
    track: int
    tick: int
    content: bytes


@dataclass
class Events:
    """The channel events of a file, track after track, and the other events that are kept.

    Attributes:
        track: ``(events,)`` track, from 0.
        tick: ``(events,)`` time in ticks from the start of the track.
        status: ``(events,)`` uint8, kind and channel.
        first, second: ``(events,)`` uint8 data bytes; the second is 0 where there is one.
        offset: ``(events,)`` offset in the file of the event, its time included.
        data_offset: ``(events,)`` offset in the file of its data bytes.
        meta: names, devices, ports, tempi and metres.
        sysex: messages of Roland, Yamaha and the universal ones.
        spans: where in the file the events of each track begin and end.
        last_tick: ``(tracks,)`` time of the last event of each track.
        frames: True if time is in SMPTE frames.
    """

    track: np.ndarray
    tick: np.ndarray
    status: np.ndarray
    first: np.ndarray
    second: np.ndarray
    offset: np.ndarray
    data_offset: np.ndarray
    meta: list[Meta]
    sysex: list[SysEx]
    spans: list[tuple[int, int]]
    last_tick: np.ndarray
    frames: bool = False


def read_events(data: bytes, frames: bool = False) -> tuple[float, Events]:
    """Read the content of a file.

    Args:
        data: the file, also in a RIFF container.
        frames: if True, accept time in SMPTE frames and read it at 120 quarter notes per minute.

    Returns:
        Ticks per quarter note, and the events.

    Raises:
        ValueError: if it is not a whole and valid MIDI file, with track, offset and value.
    """
    header = Header.read(data)
    if header.frames and not frames:
        fault = f"time is in SMPTE frames ({header.frames:g} per second), so there are no measures"
        fail(fault, offset=header.offset + 12)
    spans = track_spans(data, header)
    if not any(end > begin for begin, end in spans):
        raise ValueError("the file has no events")
    events = _decode(data, spans, header)
    events.frames = header.frames > 0
    return header.ticks, events


def _decode(data: bytes, spans: list[tuple[int, int]], header: Header) -> Events:
    raw = np.frombuffer(data + bytes(_PADDING), np.uint8)
    starts, counts, after = _event_starts(raw, len(data), spans)
    track = np.repeat(np.arange(len(spans)), counts)
    delta, at, valid = _variable_length(raw, starts)
    status = raw[at]
    special = np.flatnonzero(status >= 0xF0)
    whole = after == np.array([limit for _, limit in spans])
    kept = _events_until_end_of_track(raw, at, special, track, counts, whole)
    _check_ends(data, spans, header.end, kept, counts, after, starts)
    if (kept < counts).any():  # bytes after an end of track are padding
        first = np.cumsum(counts) - counts
        keep = np.arange(len(starts)) - np.repeat(first, counts) < np.repeat(abs(kept), counts)
        starts, track, delta, at, valid, status = (
            one[keep] for one in (starts, track, delta, at, valid, status)
        )
        counts, special = np.bincount(track, minlength=len(spans)), np.flatnonzero(status >= 0xF0)
    if not valid.all():
        begin = int(starts[np.argmin(valid)])
        time = data[begin : end_of_time(data, begin, len(data))]
        fault = f"a time has {len(time)} bytes, {time[:16].hex(' ')}"
        fail(fault, int(track[np.argmin(valid)]) + 1, begin)

    begins = np.repeat(np.cumsum(counts) - counts, counts)  # of each event, its track's first
    tick = np.cumsum(delta)
    tick = tick - (tick - delta)[begins]
    spoken = (status >= 0x80) & (status < 0xF0)
    latest = np.maximum.accumulate(np.where(spoken, np.arange(len(at)), -1))
    running = status < 0x80
    lost = np.flatnonzero(running & (latest < begins))
    if len(lost):
        fault = f"the data byte {raw[at[lost[0]]]} stands where an event should begin"
        fail(fault, track[lost[0]] + 1, at[lost[0]])
    status = np.where(running, status[latest], status)

    channel = np.flatnonzero(status < 0xF0)
    body = at[channel] + ~running[channel]
    two = (status[channel] < 0xC0) | (status[channel] >= 0xE0)
    first, second = raw[body], np.where(two, raw[body + 1], 0)
    wrong = np.flatnonzero((first | second) > 0x7F)
    if len(wrong):
        one = wrong[0]
        fault = data_byte_fault(status[channel[one]], int(first[one]), int(second[one]))
        fail(fault, track[channel[one]] + 1, body[one] + (first[one] < 0x80))

    meta, sysex = _other_events(data, raw, special, channel, starts, at, track, tick)
    last_tick = np.zeros(len(spans), np.int64)
    some = counts > 0
    last_tick[some] = tick[np.cumsum(counts)[some] - 1]
    kept = track[channel], tick[channel], status[channel], first, second, starts[channel], body
    return Events(*kept, meta, sysex, spans, last_tick)


def _events_until_end_of_track(raw, at, special, track, counts, whole) -> np.ndarray:
    """The number of events of each track up to its end of track, negative if it has none.

    That is its first end-of-track event, unless all bytes of its chunk are events (``whole``) and
    the last one is an end of track too.
    """
    ends = special[(raw[at[special]] == 0xFF) & (raw[at[special] + 1] == _END_OF_TRACK)]
    of_track = track[ends]
    ends = ends + 1 - (np.cumsum(counts) - counts)[of_track]
    kept = -counts
    kept[of_track[::-1]] = ends[::-1]
    closed = of_track[(ends == counts[of_track]) & whole[of_track]]
    kept[closed] = counts[closed]
    return kept


def _check_ends(data, spans, end, kept, counts, after, starts) -> None:
    """Raise if the last event of a track overruns it, or if the track continues after its chunk."""
    last = np.cumsum(counts) - 1
    for number, (first, limit) in enumerate(spans):
        if 0 < kept[number] < counts[number]:
            continue
        if after[number] > limit:
            try:
                read_event(data, int(starts[last[number]]), limit, 0x90)
            except Unreadable as fault:
                fail(fault.what, number + 1, fault.offset)
            fail(CUT, number + 1, int(starts[last[number]]))
        if kept[number] <= 0 and limit < end and not is_chunk_name(data[limit : limit + 4]):
            fault = f"the track declares {limit - first:,} bytes and continues after them"
            fail(fault, number + 1, limit)


def _other_events(data, raw, special, channel, starts, at, track, tick):
    """Meta and system exclusive events that are kept."""
    kind = raw[at[special] + 1]
    is_meta = raw[at[special]] == 0xFF
    wanted = is_meta & np.isin(kind, (NAME, DEVICE, PORT, TEMPO, METRE))
    wanted |= raw[at[special]] == 0xF0
    special, is_meta, kind = special[wanted], is_meta[wanted], kind[wanted]
    if len(special) > _MAX_OTHER:
        fail(f"the file has {len(special):,} meta and exclusive events, over {_MAX_OTHER:,}")
    length, begin, _ = _variable_length(raw, at[special] + 1 + is_meta)
    index = np.searchsorted(channel, special)
    columns = (index, track[special], tick[special], kind, starts[special], begin, length, is_meta)
    meta, sysex = [], []
    for *where, number, offset, a, n, flag in zip(*(c.tolist() for c in columns), strict=True):
        if flag:
            meta.append(Meta(*where, number, offset, data[a : a + n]))
        elif 0 < n <= _MAX_SYSEX and data[a] in _MANUFACTURERS:
            sysex.append(SysEx(*where, data[a : a + n]))
    return meta, sysex


def _event_starts(
    raw: np.ndarray, size: int, spans: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets of the events of all tracks, how many each track has, and the offset after the last
    of each (0 for a track without events)."""
    following = _following(raw, size)
    eighth = following
    for _ in range(3):
        eighth = eighth.take(eighth)
    # The loop visits every eighth event; the seven after each are then found all at once.
    table, visited, counts = memoryview(eighth), [], []
    for begin, end in spans:
        state, limit, before = 2 * begin, 2 * end, len(visited)
        while state < limit:
            visited.append(state)
            state = table[state]
        counts.append(len(visited) - before)
    states = np.empty((len(visited), 8), np.int64)
    states[:, 0] = visited
    for number in range(1, 8):
        states[:, number] = following.take(states[:, number - 1])
    ends = np.array([end for _, end in spans])
    inside = states < 2 * np.repeat(ends, counts)[:, None]
    number = np.repeat(np.arange(len(spans)), counts)
    counts = np.bincount(number, inside.sum(axis=1), len(spans)).astype(np.int64)
    states = states[inside]
    after = np.zeros(len(spans), np.int64)
    after[counts > 0] = following[states[np.cumsum(counts)[counts > 0] - 1]] >> 1
    return states >> 1, counts, after


def _following(raw: np.ndarray, size: int) -> np.ndarray:
    """The offset of the event after an event that begins at each byte.

    Returns:
        ``(2 * size + 6,)`` int32: for each byte, if an event in running status has two data bytes
        there, and if it has one. A value is twice the offset of the next event, plus one if that
        event, in running status, has one data byte. The last entries point to themselves.
    """
    offset = np.arange(size + 1, dtype=np.int32)
    body = raw[: size + 1]
    state = np.empty((size + 1, 2), np.int32)
    for row in (0, 1):
        np.add(2 * offset, _STEP[row].take(body), out=state[:, row])
    long = np.flatnonzero(_STATES_LENGTH.take(body))
    length, begin, valid = _variable_length(raw, np.minimum(long + 1 + (body[long] == 0xFF), size))
    after = np.where(valid, np.minimum(begin + length, size + 1), size + 2)
    state[long] = 2 * after[:, None] + (0, 1)
    state[_UNDEFINED.take(body)] = 2 * (size + 2)
    # An event begins with its time, a number that ends with the first byte below 0x80.
    low = np.where(body < 0x80, offset, size - 1)
    time_ends = np.minimum.accumulate(low[::-1])[::-1][:size]
    following = state.view(np.int64)[:, 0].take(time_ends + 1).view(np.int32)
    return np.append(following, np.arange(2 * size, 2 * (size + 3), dtype=np.int32))


def _variable_length(raw: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, ...]:
    """Numbers of variable length: their values, the offsets after them, and whether they are valid
    (at most four bytes)."""
    value, at = np.zeros(len(begin), np.int64), begin.astype(np.int64)
    more = np.ones(len(begin), bool)
    for _ in range(4):
        byte = raw[at]
        value = np.where(more, value << 7 | byte & 0x7F, value)
        at = at + more
        more &= byte >= 0x80
        if not more.any():
            break
    return value, at, ~more
