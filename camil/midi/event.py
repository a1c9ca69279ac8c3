"""Read one event of a MIDI track, with the reason if it is not valid."""

from camil.midi.faults import data_byte_fault

UNDEFINED = (0xF4, 0xF5, 0xF9, 0xFD)  # status bytes without a meaning in MIDI
_MAX_TIME = 16  # bytes; underflows of audio workstations have up to ten
_TWO_BYTES = {0xF1, 0xF3}
CUT = "the track ends in the middle of an event (truncated?)"


class Unreadable(Exception):
    """An event that is not valid.

    Attributes:
        what: the fault.
        offset: offset of the byte at fault.
        at: offset of the first byte after the time.
        status: the status byte of the event, 0 in running status.
        end: where the event ends by its status byte; None if that is unknown or after the track.
    """

    def __init__(self, what: str, offset: int, at: int, status: int = 0, end: int | None = None):
        super().__init__(what)
        self.what, self.offset, self.at, self.status, self.end = what, offset, at, status, end


def read_event(data: bytes, position: int, limit: int, running: int) -> tuple[int, int, int]:
    """Read one event.

    Args:
        data: a MIDI file.
        position: offset of the event, its time included.
        limit: offset after the track.
        running: running status, 0 without one.

    Returns:
        The offset after the event, the offset of its first byte after the time, and its status.

    Raises:
        Unreadable: if it is not valid. A time of up to 16 bytes is accepted.
    """
    longest = min(position + _MAX_TIME, limit)
    at = end_of_time(data, position, longest)
    if at >= limit:
        raise Unreadable(CUT, position, at)
    if at > longest:
        raise Unreadable(f"a time has more than {_MAX_TIME} bytes", position, longest)
    status = own = data[at]
    body = at + 1
    if status < 0x80:
        if not running:
            fault = f"the data byte {status} stands where an event should begin"
            raise Unreadable(fault, at, at, 0, at + 1)
        status, body, own = running, at, 0
    if status < 0xF0:
        end = body + (1 if 0xC0 <= status < 0xE0 else 2)
        if end > limit:
            raise Unreadable(CUT, position, at, own)
        first, second = data[body], data[end - 1]
        if first > 0x7F or second > 0x7F:
            fault = data_byte_fault(status, first, second)
            raise Unreadable(fault, body + (first < 0x80), at, own, end)
        return end, at, status
    if status in UNDEFINED:
        raise Unreadable(f"the status byte 0x{status:X} is undefined", at, at, own, at + 1)
    if status in (0xF0, 0xF7, 0xFF):
        size, end = read_number(data, body + (status == 0xFF), limit)
        if size < 0:
            raise Unreadable("the length of an event is unreadable", body, at, own)
        end += size
    else:
        end = body + (2 if status == 0xF2 else int(status in _TWO_BYTES))
    if end > limit:
        raise Unreadable(CUT, position, at, own)
    return end, at, status


def end_of_time(data: bytes, position: int, limit: int) -> int:
    """The offset after the time of an event; after the limit if the time does not end before."""
    while position < limit and data[position] >= 0x80:
        position += 1
    return position + 1


def is_end_of_track(data: bytes, at: int) -> bool:
    """Whether the event whose first byte after the time is at this offset is an end of track."""
    return data[at] == 0xFF and data[at + 1] == 0x2F


def read_number(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """A number of variable length and the offset after it; the number is -1 if it is not valid."""
    value = 0
    for at in range(position, min(position + 4, limit)):
        value = value << 7 | data[at] & 0x7F
        if data[at] < 0x80:
            return value, at + 1
    return -1, min(position + 4, limit)


def time_bytes(ticks: int) -> bytes:
    """A time as a number of variable length."""
    found = [ticks & 0x7F]
    while ticks := ticks >> 7:
        found.append(ticks & 0x7F | 0x80)
    return bytes(reversed(found))
