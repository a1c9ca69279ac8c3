"""MIDI files built byte by byte, and checks of how they are read."""

import re
from collections import Counter

import pytest

from camil.midi.score import score_of

END = b"\x00\xff\x2f\x00"
GS_RESET = bytes.fromhex("f00a41104212 40007f0041f7")
XG_ON = bytes.fromhex("f0084310 4c00007e00f7")
GM2_ON = bytes.fromhex("f0057e7f0903f7")


def notes(channel, pitches, status_off=0x80):
    """Each pitch for 240 ticks, one after the other."""
    return b"".join(
        bytes([0, 0x90 | channel, pitch, 80, 0x81, 0x70, status_off | channel, pitch, 64])
        for pitch in pitches
    )


def part(channel, count, program=None):
    change = b"" if program is None else bytes([0, 0xC0 | channel, program])
    return change + notes(channel, [60 + i % 24 for i in range(count)])


def chunk(body, size=None):
    return b"MTrk" + (len(body) if size is None else size).to_bytes(4) + body


def header(tracks, division=480, kind=1):
    fields = kind.to_bytes(2) + tracks.to_bytes(2) + division.to_bytes(2)
    return b"MThd" + (6).to_bytes(4) + fields


def file_of(*bodies, tracks=None, division=480):
    return header(tracks or len(bodies), division) + b"".join(chunk(b + END) for b in bodies)


def meta(kind, content):
    return bytes([0, 0xFF, kind, len(content)]) + content


def sysex(hexadecimal):
    body = bytes.fromhex(hexadecimal)
    return bytes([0, 0xF0, len(body)]) + body


def gs_rhythm(channel, mode):
    block = 0 if channel == 9 else channel + 1 if channel < 9 else channel
    body = [0x40, 0x10 | block, 0x15, mode]
    return bytes([0, 0xF0, 10, 0x41, 0x10, 0x42, 0x12, *body, -sum(body) % 128, 0xF7])


def bank(channel, msb, lsb=0):
    return bytes([0, 0xB0 | channel, 0, msb, 0, 0xB0 | channel, 32, lsb])


def found(score):
    """Number of notes by program, "drums", or "-" where no General MIDI program is stated."""
    count = Counter()
    for track in score.tracks:
        name = track.program if track.labelled else "-"
        count["drums" if track.is_drum else name] += len(track.pitch)
    return dict(count)


def assert_repaired(data, parts, fault, warnings=None):
    """The strict reading raises with the fault, the lenient one warns of it and has the parts."""
    with pytest.raises(ValueError, match=fault):
        score_of(data)
    score = score_of(data, strict=False)
    assert found(score) == parts
    assert any(re.search(fault, str(one)) for one in score.warnings)
    if warnings is not None:
        assert len(score.warnings) == warnings


def assert_read(data, parts):
    """Both readings have the parts, without a warning."""
    for strict in (True, False):
        score = score_of(data, strict)
        assert found(score) == parts
        assert score.warnings == []


def seeds():
    """Valid and damaged files of every kind, to start fuzzing from."""
    flute, kit = part(0, 6, 73), part(10, 4, 0)
    yield file_of(flute)
    yield file_of(meta(0x51, b"\7\xa1\x20") + meta(0x58, b"\3\2\x18\x08") + flute, part(0, 4))
    yield file_of(bytes([0, 0xC4, 21]), part(4, 5), meta(3, b"\x83t\x83\x8b") + part(9, 4))
    yield file_of(b"\0" + XG_ON + bank(10, 127) + kit)
    yield file_of(b"\0" + GM2_ON + bank(10, 120) + kit)
    yield file_of(b"\0" + GS_RESET + gs_rhythm(10, 1) + kit + bank(3, 127) + part(3, 2, 24))
    yield file_of(sysex("43104c08030702f7") + part(3, 2, 0), meta(0x21, b"\1") + part(3, 2))
    yield file_of(
        bytes([0, 0xC0, 73]) + bytes([0, 0x90, 60, 80, 96, 60, 0, 0, 62, 200, 96, 64, 80])
    )
    yield file_of(flute + bytes([0, 0xF4, 1]) + flute + bytes.fromhex("ffffffffff00") + flute[3:])
    yield file_of(flute, division=0xE728)
    yield file_of(flute, tracks=4)[:-9]
    yield b"\xef\xbb\xbf" + header(2) + chunk(flute + END, 9) + chunk(flute + END + b"\0\0", 2**31)
    midi = file_of(flute)
    yield (
        b"RIFF"
        + (12 + len(midi)).to_bytes(4, "little")
        + b"RMIDdata"
        + (len(midi).to_bytes(4, "little") + midi)
    )
    yield file_of(b"".join(bytes([96, 0x90, 60 + i % 3, 80]) for i in range(9)))
