"""Standard MIDI Files: from bytes to arrays of events.

At Python's own speed this would be the slowest step for a folder of MIDI files. So where an event
would end, if one began here, is reckoned for every byte of a track at once; then only the chain
from event to event is left to follow.
"""

import struct
from dataclasses import dataclass

import numpy as np

NAME, PORT, TEMPO, METRE = 0x03, 0x21, 0x51, 0x58  # the meta events that are kept

_PADDING = 16  # zeros behind the file: what begins near its end ends somewhere
# Bytes of an event from its status on, by its first byte; without status they count as two data
# bytes (first row), or as one (second). Meta and system exclusive events tell their own length.
_LENGTH = np.full((2, 256), 3, np.int32)
_LENGTH[:, 0xC0:0xE0] = 2
_LENGTH[:, 0xF0:] = 1
_LENGTH[:, [0xF1, 0xF3]] = 2
_LENGTH[:, 0xF2] = 3
_LENGTH[0, :0x80], _LENGTH[1, :0x80] = 2, 1
# Whether the next event, if it has no status, has one data byte.
_ONE = np.zeros((2, 256), np.int32)
_ONE[1] = 1
_ONE[1, 0x80:0xF0] = 0
_ONE[:, 0xC0:0xE0] = 1
_STEP = 2 * _LENGTH + _ONE
_TELLS_LENGTH = np.zeros(256, bool)
_TELLS_LENGTH[[0xF0, 0xF7, 0xFF]] = True
_UNDEFINED = np.zeros(256, bool)
_UNDEFINED[[0xF4, 0xF5, 0xF9, 0xFD]] = True


@dataclass
class Events:
    """The channel events of a file, track after track, and the meta events that are kept.

    The arrays are `(events,)`: track (from 0), absolute tick, status byte (kind and channel) and
    the two data bytes; `place` and `body` are where in the file the event (with its time) and its
    data bytes begin. `meta` lists (index of the next channel event, track, tick, type, content),
    `spans` where in the file each track's events begin and end.
    """

    track: np.ndarray
    tick: np.ndarray
    status: np.ndarray
    first: np.ndarray
    second: np.ndarray
    place: np.ndarray
    body: np.ndarray
    meta: list[tuple[int, int, int, int, bytes]]
    spans: list[tuple[int, int]]


def read_events(data: bytes) -> tuple[int, Events]:
    """Read the content of a file.

    Returns:
        Ticks per quarter note, and the events.

    Raises:
        ValueError: if it is not a whole and valid MIDI file.
    """
    if data[:4] != b"MThd":
        raise ValueError(_what_else(data))
    if len(data) < 14:
        raise ValueError("it ends in the middle of its header (truncated?)")
    size, kind, count, ticks = struct.unpack(">IHHh", data[4:14])
    if kind == 2 and count > 1:
        raise ValueError("it is of format 2: patterns that are played apart, not one song")
    if ticks <= 0:
        frames = "in SMPTE frames" if ticks else "in no unit at all"
        raise ValueError(f"its time is {frames}, not in ticks per quarter note: it has no measures")
    spans, position = [], 8 + size
    for number in range(1, count + 1):
        kind = b""
        while kind != b"MTrk":  # chunks of other kinds are to be passed over
            if position + 8 > len(data):
                raise ValueError(f"it announces {count} tracks and ends before number {number}")
            kind, size = struct.unpack(">4sI", data[position : position + 8])
            begin, position = position + 8, position + 8 + size
        if position > len(data):
            raise ValueError(f"it ends in the middle of track {number} (truncated?)")
        spans.append((begin, position))
    if not any(end > begin for begin, end in spans):
        raise ValueError("it has no events")
    return ticks, _decode(data, spans)


def _what_else(data: bytes) -> str:
    if not data:
        return "it is empty"
    for begin, name in ((b"PK", "a ZIP archive"), (b"\x1f\x8b", "a gzip archive"),
                        (b"RIFF", "MIDI in a RIFF file"), (b"<", "a web page")):  # fmt: skip
        if data.lstrip().startswith(begin):
            return f"it does not begin like a MIDI file: it is {name}"
    if data[:200].isascii() and b"\0" not in data[:200]:
        return "it does not begin like a MIDI file: it is text"
    return "it does not begin like a MIDI file"


def _decode(data: bytes, spans: list[tuple[int, int]]) -> Events:
    raw = np.frombuffer(data + bytes(_PADDING), np.uint8)
    starts, counts = _event_starts(raw, len(data), spans)
    track = np.repeat(np.arange(len(spans)), counts)
    begins = np.repeat(np.cumsum(counts) - counts, counts)  # of each event, its track's first
    delta, at, _ = _variable_length(raw, starts)
    tick = np.cumsum(delta)
    tick = tick - (tick - delta)[begins]
    status = raw[at]
    spoken = (status >= 0x80) & (status < 0xF0)
    latest = np.maximum.accumulate(np.where(spoken, np.arange(len(at)), -1))
    running = status < 0x80
    lost = np.flatnonzero(running & (latest < begins))
    if len(lost):
        raise ValueError(f"track {track[lost[0]] + 1} has data where an event should begin")
    status = np.where(running, status[latest], status)

    channel = np.flatnonzero(status < 0xF0)
    body = at[channel] + ~running[channel]
    two = (status[channel] < 0xC0) | (status[channel] >= 0xE0)
    first, second = raw[body], np.where(two, raw[body + 1], 0)
    wrong = np.flatnonzero((first | second) > 0x7F)
    if len(wrong):
        raise ValueError(f"track {track[channel[wrong[0]]] + 1} has a data byte above 127")

    metas = np.flatnonzero(status == 0xFF)
    kind = raw[at[metas] + 1]
    metas = metas[np.isin(kind, (NAME, PORT, TEMPO, METRE))]
    length, begin, _ = _variable_length(raw, at[metas] + 2)
    places = (np.searchsorted(channel, metas), track[metas], tick[metas], raw[at[metas] + 1])
    meta = [
        (*place, data[a : a + n])
        for *place, a, n in zip(*(one.tolist() for one in (*places, begin, length)), strict=True)
    ]
    at = starts[channel]
    return Events(
        track[channel], tick[channel], status[channel], first, second, at, body, meta, spans
    )


def _event_starts(
    raw: np.ndarray, size: int, spans: list[tuple[int, int]]
) -> tuple[np.ndarray, list[int]]:
    """Where the events of all tracks begin, and how many each track has."""
    following = _following(raw, size)
    eighth = following
    for _ in range(3):
        eighth = eighth.take(eighth)
    # Only every eighth event is gone to one by one, and from there to the seven behind it at once.
    table, gone_to, counts = memoryview(eighth), [], []
    for begin, end in spans:
        state, limit, before = 2 * begin, 2 * end, len(gone_to)
        while state < limit:
            gone_to.append(state)
            state = table[state]
        counts.append(len(gone_to) - before)
    states = np.empty((len(gone_to), 8), np.int64)
    states[:, 0] = gone_to
    for number in range(1, 8):
        states[:, number] = following.take(states[:, number - 1])
    ends = np.array([end for _, end in spans])
    inside = states < 2 * np.repeat(ends, counts)[:, None]
    number = np.repeat(np.arange(len(spans)), counts)
    counts = np.bincount(number, inside.sum(axis=1), len(spans)).astype(np.int64)
    states = states[inside]
    last = states[np.cumsum(counts)[counts > 0] - 1]
    for number, state in zip(np.flatnonzero(counts), following[last] >> 1, strict=True):
        if state > size + 1:
            raise ValueError(f"track {number + 1} has an event that MIDI does not know")
        if state > ends[number]:
            raise ValueError(f"track {number + 1} ends in the middle of an event (truncated?)")
    return states >> 1, counts.tolist()


def _following(raw: np.ndarray, size: int) -> np.ndarray:
    """For an event that begins at each byte, where the next one begins.

    Returns:
        `(2 * size + 6,)`: for each byte if an event without status has two data bytes there, and
        if it has one. The same is told of the next event: its place is doubled, and one added if
        it has one data byte. Behind the last byte there is no going on.
    """
    place = np.arange(size + 1, dtype=np.int32)
    body = raw[: size + 1]
    state = np.empty((size + 1, 2), np.int32)
    for row in (0, 1):
        np.add(2 * place, _STEP[row].take(body), out=state[:, row])
    long = np.flatnonzero(_TELLS_LENGTH.take(body))
    length, begin, whole = _variable_length(raw, np.minimum(long + 1 + (body[long] == 0xFF), size))
    after = np.where(whole, np.minimum(begin + length, size + 1), size + 2)
    state[long] = 2 * after[:, None] + (0, 1)
    state[_UNDEFINED.take(body)] = 2 * (size + 2)
    # Before the event stands its time, a number that ends with the first byte below 0x80.
    low = np.where(body < 0x80, place, size - 1)
    time_ends = np.minimum.accumulate(low[::-1])[::-1][:size]
    following = state.view(np.int64)[:, 0].take(time_ends + 1).view(np.int32)
    return np.append(following, np.arange(2 * size, 2 * (size + 3), dtype=np.int32))


def _variable_length(raw: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, ...]:
    """Numbers of variable length: their values, where they end, whether they are valid (they have
    at most four bytes)."""
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
