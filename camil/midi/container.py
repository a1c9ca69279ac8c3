"""Header and chunks of a Standard MIDI File, bare or in a RIFF container."""

import struct
from dataclasses import dataclass

from camil.midi.faults import fail

_KNOWN_STARTS = (
    (b"PK", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"RIFF", "a RIFF file without MIDI"),
    (b"<", "a web page"),
)
_FRAMES = {24: 24.0, 25: 25.0, 29: 30 / 1.001, 30: 30.0}  # per second, by SMPTE format


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        offset: where it begins.
        end: where the MIDI content ends; the end of the file, but for a RIFF container.
        tracks: the number of tracks that it declares.
        ticks: ticks per quarter note; for SMPTE frames, at 120 quarter notes per minute.
        frames: SMPTE frames per second, 0 if time is in ticks per quarter note.
        chunks: offset of the first chunk after the header.
    """

    offset: int
    end: int
    tracks: int
    ticks: float
    frames: float
    chunks: int

    @classmethod
    def read(cls, data: bytes, offset: int | None = None) -> "Header":
        """Read the header at an offset, by default where a valid file has it.

        Raises:
            ValueError: if there is none, or no tracks can be read after it.
        """
        offset, end = (offset, len(data)) if offset is not None else midi_content(data)
        if data[offset : offset + 4] != b"MThd":
            raise ValueError(_not_midi(data))
        if end < offset + 14:
            raise ValueError(
                f"the file ends at offset {end}, in the middle of its header (truncated?)"
            )
        size, kind, count, division = struct.unpack(">IHHh", data[offset + 4 : offset + 14])
        if kind == 2 and count > 1:
            fault = "the file is of format 2: independent patterns, not one song"
            fail(fault, offset=offset + 8)
        if division == 0:
            fault = "time is in 0 ticks per quarter note, in no unit at all"
            fail(fault, offset=offset + 12)
        ticks, frames = float(division), 0.0
        if division < 0:
            per_frame, form = division & 0xFF, -(division >> 8)
            frames = _FRAMES.get(form, 0.0)
            if not frames or not per_frame:
                fault = f"time is in {per_frame} ticks per SMPTE frame of format {form}"
                fail(f"{fault}, which is not defined", offset=offset + 12)
            ticks = frames * per_frame / 2
        return cls(offset, end, count, ticks, frames, offset + 8 + size)


def midi_content(data: bytes) -> tuple[int, int]:
    """Offsets of the begin and the end of the MIDI content of a file."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return 0, len(data)
    position = 12
    while position + 8 <= len(data):
        kind, size = struct.unpack("<4sI", data[position : position + 8])
        if kind == b"data":
            return position + 8, min(position + 8 + size, len(data))
        position += 8 + size + size % 2
    return 0, len(data)


def track_spans(data: bytes, header: Header) -> list[tuple[int, int]]:
    """Offsets of the begin and the end of the events of each declared track.

    Raises:
        ValueError: if a track is missing or incomplete.
    """
    spans, position = [], header.chunks
    for number in range(1, header.tracks + 1):
        kind = b""
        while kind != b"MTrk":  # skip chunks of other kinds
            if position + 8 > header.end:
                fault = (
                    f"the file ends before this track of {header.tracks} that the header declares"
                )
                fail(fault, number, header.end)
            kind, size = struct.unpack(">4sI", data[position : position + 8])
            if not is_chunk_name(kind):
                fault = f"no chunk begins with {kind.hex(' ')}; is the chunk before it longer?"
                fail(fault, number, position)
            begin, position = position + 8, position + 8 + size
        if position > header.end:
            fault = (
                f"the track declares {size:,} bytes, and the file ends after "
                f"{header.end - begin:,} of them (truncated?)"
            )
            fail(fault, number, begin - 4)
        spans.append((begin, position))
    return spans


def is_chunk_name(name: bytes) -> bool:
    """True for four printable ASCII characters."""
    return len(name) == 4 and name.isascii() and name.decode("ascii").isprintable()


def _not_midi(data: bytes) -> str:
    if not data:
        return "the file is empty"
    for begin, name in _KNOWN_STARTS:
        if data.lstrip().startswith(begin):
            return f"the file does not begin like a MIDI file: it is {name}"
    offset = data.find(b"MThd")
    if offset > 0:
        return f"the MIDI header is at offset {offset:,}, after bytes that are not MIDI"
    if data[:200].isascii() and b"\0" not in data[:200]:
        return "the file does not begin like a MIDI file: it is text"
    return f"the file does not begin like a MIDI file, but with the bytes {data[:4].hex(' ')}"
