"""Repair the bytes of a damaged MIDI file.

`repair` rewrites a file that `read_events` refuses, so that it can be read: leading bytes are
dropped, lengths of tracks are taken from the end-of-track events and the following chunks,
unreadable events are skipped, and incomplete ones are left out. Each repair leaves a warning.

After an unreadable event, reading continues where most of the next events are valid. The end of the
event by its status byte is tried first, then every later byte.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from camil.midi.container import Header, is_chunk_name, midi_content
from camil.midi.event import (
    UNDEFINED,
    Unreadable,
    end_of_time,
    is_end_of_track,
    read_event,
    read_number,
    time_bytes,
)
from camil.midi.faults import MidiWarning
from camil.midi.parse import read_events

_MAX_FAULTS = 2000  # a file with more is not MIDI rather than damaged
_SEARCHED = 64  # bytes after an unreadable event that are tried
_PROBED = 8  # events that are read ahead from there
_NO_EVENT = _PROBED + 1  # faults where no event begins
_TOLERATED = 1  # faults after a position that was searched
_MAX_TICKS = 2**28 - 1  # the longest time in four bytes
_SKIPPED = "the event was skipped"
_TRACK = b"MTrk"


@dataclass
class Repaired:
    """A valid file.

    Attributes:
        data: its content.
        warnings: the repairs.
        pieces: offsets in ``data`` where copied pieces begin, with their offsets in the file.
    """

    data: bytes
    warnings: list[MidiWarning] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def origin(self, offset: int) -> int:
        """The offset in the damaged file of an offset in ``data``."""
        index = bisect_right(self.pieces, offset, key=lambda piece: piece[0]) - 1
        begin, original = self.pieces[index] if index >= 0 else (0, 0)
        return original + offset - begin


def repair(data: bytes) -> Repaired:
    """Build a valid file from the readable content of a damaged one.

    Raises:
        ValueError: if it is not a MIDI file, has no tracks, or has too many faults.
    """
    return _Repair(data).run()


def readable(data: bytes) -> Repaired:
    """The file itself if it is valid, else the repaired one.

    Raises:
        ValueError: if it cannot be repaired.
    """
    try:
        read_events(data, frames=True)
    except ValueError:
        return repair(data)
    return Repaired(data)


def _last_four(data: bytes, at: int) -> int:
    """The number in the four bytes before an offset, seven bits in each."""
    return sum((data[at - 1 - index] & 0x7F) << 7 * index for index in range(4))


class _Repair:
    def __init__(self, data: bytes):
        self.data, self.out = data, bytearray()
        self.warnings: list[MidiWarning] = []
        self.pieces: list[tuple[int, int]] = []
        self.number = 0  # number of the current track, from 1

    def run(self) -> Repaired:
        header = self._header()
        end, declared = header.end, header.tracks or 0xFFFF
        position, found = header.chunks, 0
        while found < declared:
            kind, size = self.data[position : position + 4], self.data[position + 4 : position + 8]
            after = position + 8 + int.from_bytes(size)
            if kind == _TRACK and len(size) == 4:
                found += 1
                self.number = found
                position = self._track(position + 8, after, end, last=found == declared)
            elif len(size) == 4 and is_chunk_name(kind) and self._begins_chunk(after, end):
                position = after
            else:
                skipped, position = position, self.data.find(_TRACK, position, max(end - 4, 0))
                if position < 0:
                    break
                self.number = found + 1
                done = f"{position - skipped:,} bytes were skipped"
                self._warn("no chunk begins here", done, skipped)
        self.number = 0
        if not found:
            raise ValueError(f"the header declares {header.tracks} tracks, but the file has none")
        if found != header.tracks:
            fault = f"the header declares {header.tracks} tracks, but the file has {found}"
            self._warn(fault, "these were read", header.offset + 10)
        self.out[10:12] = found.to_bytes(2)
        return Repaired(bytes(self.out), self.warnings, self.pieces)

    def _header(self) -> Header:
        data = self.data
        offset = max(data.find(b"MThd\0\0\0\6"), data.find(b"MThd") * (b"MThd\0\0\0\6" not in data))
        if offset < 0:
            return Header.read(data)  # raises with the reason
        header = Header.read(data, offset)
        if offset != midi_content(data)[0]:
            self._warn(f"{offset:,} bytes precede the header", "they were skipped", 0)
        if not (header.chunks < header.end and is_chunk_name(data[header.chunks :][:4])):
            size = header.chunks - offset - 8
            self._warn(f"the header declares {size:,} bytes", "6 were read", offset + 4)
            header = Header(**vars(header) | {"chunks": offset + 14})
        self._copy(offset, offset + 14)
        self.out[4:8] = (6).to_bytes(4)
        return header

    def _begins_chunk(self, position: int, end: int) -> bool:
        chunk = self.data[position : position + 4]
        return position == end or (position < end and is_chunk_name(chunk))

    def _track(self, begin: int, declared: int, end: int, last: bool) -> int:
        """Write a track; returns where the next chunk begins."""
        data, limit = self.data, declared
        credible = self._begins_chunk(declared, end)
        if not credible:
            following = data.find(_TRACK, begin, end)
            limit = following if following >= 0 else end
        start = len(self.out)
        self.out += _TRACK + bytes(4)
        stop, ended = self._events(begin, limit)
        if not ended:
            self.out += b"\0\xff\x2f\0"
        self.out[start + 4 : start + 8] = (len(self.out) - start - 8).to_bytes(4)
        if credible and not (ended and not last and data[stop : stop + 4] == _TRACK):
            stop = declared
        if declared > end or stop > declared or (stop != declared and not (last and ended)):
            fault = f"the track declares {declared - begin:,} bytes"
            self._warn(fault, f"{stop - begin:,} bytes were read", begin - 4)
        return stop

    def _events(self, position: int, limit: int) -> tuple[int, bool]:
        """Write the events of a track up to its end-of-track event.

        Returns:
            The offset after it, and whether there is one.
        """
        data, running, copied = self.data, 0, position
        carried = None  # ticks that the next event has to add to its own, after a gap
        while position < limit:
            try:
                end, at, status = read_event(data, position, limit, running)
            except Unreadable as fault:
                self._copy(copied, position)
                ticks = max(read_number(data, position, limit)[0], 0)
                carried = (carried or 0) + ticks
                position, running = self._resume(fault, position, limit, running)
                copied = position
                continue
            if at - position > 4:
                fault = f"a time has {at - position} bytes, {data[position:at][:16].hex(' ')}"
                self._copy(copied, position)
                ticks = 0 if data[position : at - 4].strip(b"\x80") else _last_four(data, at)
                self._warn(fault, f"the time was read as {ticks} ticks", position)
                carried = (carried or 0) + ticks
            elif carried is not None:
                carried += read_number(data, position, limit)[0]
            if carried is not None:  # the first event after a gap: write its time and status
                self.out += time_bytes(min(carried, _MAX_TICKS))
                if data[at] < 0x80:
                    self.out.append(status)
                copied, carried = at, None
            running = status if status < 0xF0 else running
            position = end
            if is_end_of_track(data, at):
                self._copy(copied, end)
                return end, True
        self._copy(copied, min(position, limit))
        return min(position, limit), False

    def _resume(self, fault: Unreadable, position: int, limit: int, running: int):
        """Warn of an unreadable event; returns where reading goes on and the running status."""
        kept = fault.status if 0x80 <= fault.status < 0xF0 else running
        end = fault.end
        if fault.status in UNDEFINED:  # it may have data bytes
            ends = [fault.at + 1 + size for size in range(3)]
            end = min(ends, key=lambda one: self._plausibility_key(one, limit, kept))
        if end is not None and self._faults_after(end, limit, kept) < _NO_EVENT:
            self._warn(fault.what, _SKIPPED, fault.offset)
            return end, kept
        for candidate in range(fault.at + 1, min(fault.at + 1 + _SEARCHED, limit)):
            if self._faults_after(candidate, limit, 0, inside=end is None) <= _TOLERATED:
                done = f"{candidate - position} bytes were skipped"
                self._warn(fault.what, done, fault.offset)
                return candidate, running
        if end is not None:
            self._warn(fault.what, _SKIPPED, fault.offset)
            return end, kept
        done = f"the last {limit - position:,} bytes of the track were left out"
        self._warn(fault.what, done, fault.offset)
        return limit, running

    def _plausibility_key(
        self, position: int, limit: int, running: int
    ) -> tuple[bool, bool, bool, int]:
        """Rank of a position as the start of an event; the smallest is the most likely.

        The items are whether no event begins there, whether it has no status byte, whether its time
        is longer than 14,335 ticks, and the number of faults after it.
        """
        faults = self._faults_after(position, limit, running)
        at = end_of_time(self.data, position, limit)
        follows = self.data[at] if at < limit else 0xFF
        long = self.data[position : position + 1] >= b"\xf0"
        return faults == _NO_EVENT, follows < 0x80, long, faults

    def _faults_after(self, position: int, limit: int, running: int, inside: bool = False) -> int:
        """The number of faults in the events that follow, up to the end of the track.

        Faults occur in series, so those in events with a status byte are counted. Others, as an
        overrun of the track, make the number large: no event begins at this position. With
        ``inside``, so does an end of the bytes, because the position may be inside an incomplete
        event.
        """
        faults = 0
        for _ in range(_PROBED):
            if position >= limit:
                return faults if position == limit and not inside else _NO_EVENT
            try:
                position, at, status = read_event(self.data, position, limit, running)
            except Unreadable as fault:
                if fault.end is None or not fault.status:
                    return _NO_EVENT
                position, at, status = fault.end, fault.at, fault.status
                faults += 1
            if is_end_of_track(self.data, at):
                return faults
            running = status if status < 0xF0 else running
        return faults

    def _copy(self, begin: int, end: int) -> None:
        if end > begin:
            self.pieces.append((len(self.out), begin))
            self.out += self.data[begin:end]

    def _warn(self, what: str, done: str, offset: int) -> None:
        if len(self.warnings) >= _MAX_FAULTS:
            raise ValueError(f"the file has more than {_MAX_FAULTS:,} faults")
        self.warnings.append(MidiWarning(what, done, self.number, offset))
