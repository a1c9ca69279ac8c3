"""Damaged and unusual MIDI files of the kinds that people report, built byte by byte.

Each kind is tried with several values and positions. ``CAMIL_SHARED`` adds the files of a folder
with the expected result of each.
"""

import csv
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from midi_bytes import (
    END,
    assert_read,
    assert_repaired,
    chunk,
    file_of,
    found,
    header,
    meta,
    notes,
    part,
)

from camil.midi.score import MidiError, read_midi, score_of

EVENTS = {
    "velocity": bytes([0, 0x93, 60, 200]),
    "pitch": bytes([0, 0x93, 130, 70]),
    "controller value": bytes([0, 0xB3, 7, 255]),
    "controller number": bytes([0, 0xB3, 250, 1]),
    "program": bytes([0, 0xC7, 180]),
    "channel pressure": bytes([0, 0xD3, 0x90]),
    "pitch bend": bytes([0, 0xE3, 0, 0xF0]),
    "key pressure": bytes([0, 0xA3, 60, 0x81]),
}


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("position", [0, 3, 8])
def test_event_with_data_byte_above_127_is_skipped(name, position):
    body = part(3, position, 73) + EVENTS[name] + notes(3, [70] * (8 - position))
    offset = 22 + len(part(3, position, 73)) + 2 + (name in ("velocity", "controller value"))
    offset += name in ("pitch bend", "key pressure")
    value = max(EVENTS[name][2:])
    fault = f"track 2, offset {offset + len(chunk(END)):,}: the {name} {value} is above 127"
    assert_repaired(file_of(b"", body), {73: 8}, fault, warnings=1)


def test_faults_close_to_each_other_skip_only_those_events():
    bad = bytes([0, 0x90, 60, 200, 0, 0x90, 61, 201])
    body = part(0, 1, 73) + bad + notes(0, [62]) + bad + notes(0, [63, 64])
    assert_repaired(file_of(body), {73: 4}, "the velocity 200 is above 127", warnings=4)


def test_bad_velocity_in_running_status_is_skipped():
    body = bytes([0, 0xC0, 73, 0, 0x90, 60, 80, 96, 60, 0, 0, 62, 200, 96, 64, 80, 96, 64, 0])
    score = score_of(file_of(body), strict=False)
    assert found(score) == {73: 2}
    assert score.tracks[0].start_beat.tolist() == pytest.approx([0, 192 / 480])


@pytest.mark.parametrize("status", [0xF4, 0xF5, 0xF9, 0xFD])
@pytest.mark.parametrize("data", [b"", b"\x01"])
def test_undefined_status_byte_is_skipped(status, data):
    body = part(0, 3, 73) + bytes([10, status]) + data + notes(0, [60] * 5)
    score = score_of(file_of(body), strict=False)
    assert_repaired(file_of(body), {73: 8}, f"the status byte 0x{status:X} is undefined", 1)
    assert score.tracks[0].start_beat[3] == pytest.approx((3 * 240 + 10) / 480)


def test_bytes_without_status_at_the_start_are_skipped():
    body = bytes([0, 60, 80]) + part(0, 5, 73)
    assert_repaired(file_of(body), {73: 5}, "the data byte 60 stands where an event should begin")


@pytest.mark.parametrize(
    ("time", "ticks"),
    [
        ("8080808000", 0),
        ("8080808105", 133),
        ("8fffffff7f", 0),
        ("81ffffffffffffffff7f", 0),
        ("80808080808080800a", 10),
    ],
)
@pytest.mark.parametrize("position", [0, 4])
def test_time_of_more_than_four_bytes_is_read_or_zero(time, ticks, position):
    time = bytes.fromhex(time)
    body = part(0, position, 73) + (bytes([0, 0xC0, 73]) if not position else b"")
    body += time + notes(0, [60] * 4)[1:]
    fault = f"a time has {len(time)} bytes, {time.hex(' ')}"
    assert_repaired(file_of(body), {73: position + 4}, fault, warnings=1)
    score = score_of(file_of(body), strict=False)
    assert score.tracks[0].start_beat[position] == pytest.approx((position * 240 + ticks) / 480)


@pytest.mark.parametrize("size", [0, 9, 30, 43, 2**16, 2**32 - 1])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_wrong_track_length_is_corrected(size, position):
    bodies = [part(channel, 8, 40 + channel) + END for channel in range(3)]
    sizes = [size if number == position else None for number in range(3)]
    data = header(3) + b"".join(chunk(*one) for one in zip(bodies, sizes, strict=True))
    with pytest.raises(ValueError, match="track"):
        score_of(data)
    score = score_of(data, strict=False)
    assert found(score) == {40: 8, 41: 8, 42: 8}
    fault = f"track {position + 1}, offset .*: the track declares {size:,} bytes"
    assert any(re.search(fault, str(one)) for one in score.warnings)


def test_track_length_that_covers_the_next_track_is_corrected():
    first, second = part(0, 8, 40) + END, part(1, 8, 41) + END
    for left in (0, 40):
        data = header(2) + chunk(first, len(first) + 8 + len(second) - left) + chunk(second)
        with pytest.raises(ValueError, match="track 2"):
            score_of(data)
        assert found(score_of(data, strict=False)) == {40: 8, 41: 8}


@pytest.mark.parametrize("missing", range(1, 60))
def test_truncated_file_has_its_complete_events(missing):
    data = file_of(part(0, 8, 73), part(1, 8, 40))
    cut = data[:-missing]
    with pytest.raises(ValueError, match=r"track 2.*declares"):
        score_of(cut)
    score = score_of(cut, strict=False)
    whole = max(0, 8 - max(0, missing - 4 + 8) // 9)
    assert found(score) == {73: 8, 40: whole} if whole else {73: 8}
    assert score.warnings


@pytest.mark.parametrize("declared", [0, 2, 5, 999])
def test_missing_tracks_are_reported(declared):
    data = header(declared) + chunk(part(0, 8, 73) + END)
    score = score_of(data, strict=False)
    assert found(score) == {73: 8}
    assert f"the header declares {declared} tracks, but the file has 1" in str(score.warnings[0])
    with pytest.raises(ValueError, match="declares" if declared else "no events"):
        score_of(data)


METRES = ["", "04", "0002", "0402 1808".replace("04", "00", 1), "0408", "0221", "01ff", "0340"]


@pytest.mark.parametrize("content", METRES)
@pytest.mark.parametrize("position", [0, 5])
def test_invalid_time_signature_is_ignored(content, position):
    event = meta(0x58, bytes.fromhex(content))
    body = part(0, position, 73) + event + notes(0, [60] * (8 - position))
    assert_repaired(file_of(body), {73: 8}, "track 1, offset .*: the time signature", warnings=1)
    assert score_of(file_of(body), strict=False).measures.tolist() == [0, 4, 8]


@pytest.mark.parametrize(("numerator", "power", "length"), [(64, 7, 2), (17, 5, 2.125), (3, 0, 12)])
def test_odd_valid_time_signature_is_read(numerator, power, length):
    data = file_of(meta(0x58, bytes([numerator, power, 24, 8])) + part(0, 8, 73)[3:])
    for strict in (True, False):
        assert score_of(data, strict).measures[1] == pytest.approx(length)


@pytest.mark.parametrize("content", ["000000", "", "07", "07a1"])
@pytest.mark.parametrize("position", [0, 8])
def test_invalid_tempo_is_ignored(content, position):
    event = meta(0x51, bytes.fromhex(content))
    body = (
        bytes([0, 0xC5, 73]) + notes(5, [60] * position) + event + notes(5, [61] * (8 - position))
    )
    assert_repaired(file_of(b"", body), {73: 8}, "track 2, offset .*: the tempo", warnings=1)
    assert score_of(file_of(b"", body), strict=False).tempo.bpm.tolist() == [120]


@pytest.mark.parametrize(
    "leading", [b"\xef\xbb\xbf", b"\0\x08song.mid" + bytes(118), b"HTTP\r\n" * 90]
)
def test_bytes_before_the_header_are_skipped(leading):
    fault = f"offset {len(leading)}, after bytes that are not MIDI"
    data = leading + file_of(part(0, 8, 73))
    with pytest.raises(ValueError, match=fault):
        score_of(data)
    score = score_of(data, strict=False)
    assert found(score) == {73: 8}
    assert (
        str(score.warnings[0])
        == f"offset 0: {len(leading)} bytes precede the header; they were skipped"
    )


@pytest.mark.parametrize("info", [b"", b"LIST\x05\0\0\0title\0"])
@pytest.mark.parametrize("count", [7, 8])
def test_riff_container_is_read(info, count):
    midi = file_of(part(0, count, 73))
    body = b"RMID" + info + b"data" + len(midi).to_bytes(4, "little") + midi
    for trailing in (b"", b"\0" * (len(midi) % 2) + b"LIST\x02\0\0\0ab"):
        data = b"RIFF" + (len(body + trailing)).to_bytes(4, "little") + body + trailing
        assert_read(data, {73: count})


def test_channel_without_note_offs_ends_notes_at_the_next_of_their_pitch():
    plain = part(2, 8, 40)
    on = b"".join(bytes([0x81, 0x70, 0x91, 60 + i % 4, 80]) for i in range(8))
    data = file_of(plain, bytes([0, 0xC1, 73]) + on + b"\x83\x60\xff\x01\x01x")
    fault = "track 2, offset .*: channel 2 has 8 notes and no note-off"
    assert_repaired(data, {40: 8, 73: 8}, fault, warnings=1)
    flute = score_of(data, strict=False).tracks[-1]
    assert flute.end_beat[:4].tolist() == pytest.approx(flute.start_beat[4:].tolist())
    assert flute.end_beat[4:].tolist() == pytest.approx([8 * 0.5 + 1] * 4)


def test_single_notes_without_note_off_are_ignored():
    stray = bytes([0, 0x95, 70, 80])
    assert_read(file_of(part(0, 8, 73) + stray), {73: 8})


@pytest.mark.parametrize(
    ("frames", "per_frame", "ticks"),
    [(25, 40, 500), (24, 4, 48), (30, 80, 1200), (29, 100, 1498.5)],
)
def test_smpte_time_is_read_at_120(frames, per_frame, ticks):
    data = file_of(
        meta(0x51, b"\x03\x00\x00") + part(0, 8, 73), division=(256 - frames) << 8 | per_frame
    )
    assert_repaired(data, {73: 8}, "SMPTE frames", warnings=1)
    score = score_of(data, strict=False)
    assert not score.has_measures
    assert score.tracks[0].start_seconds[1] == pytest.approx(240 / ticks / 2, rel=1e-4)


@pytest.mark.parametrize(
    "padding", [b"\0" * 5, b"\xff" * 7, b"\x90\x3c", b"\0\x90\x3c\x40\x10\x3c\0", b"\xf4"]
)
def test_bytes_after_the_end_of_a_track_are_padding(padding):
    first, second = part(0, 8, 73) + END + padding, part(1, 8, 40) + END
    assert_read(header(2) + chunk(first) + chunk(second), {73: 8, 40: 8})
    assert_read(header(2) + chunk(second) + chunk(first), {73: 8, 40: 8})


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"MThd", b"text" * 20, b"PK\3\4", b"RIFF" + bytes(20)]
)
def test_other_files_are_refused(data):
    for strict in (True, False):
        with pytest.raises(ValueError, match=r"^the file "):
            score_of(data, strict)


def test_faults_of_several_kinds_in_one_file_are_repaired():
    first = meta(0x58, b"\x00\x02\x18\x08") + part(0, 4, 73) + EVENTS["velocity"] + notes(0, [60])
    second = bytes([0, 0xC1, 40]) + bytes.fromhex("ffffffffff00") + notes(1, [60, 62, 64])[1:]
    data = b"\xef\xbb\xbf" + header(4) + chunk(first + END, 12) + chunk(second + END, 2**31)
    data = data[:-6]
    score = score_of(data, strict=False)
    assert found(score) == {73: 5, 40: 2}
    assert len(score.warnings) >= 6
    offsets = [one.offset for one in score.warnings if "velocity" in one.what]
    assert data[offsets[0]] == 200
    (metre,) = [one.offset for one in score.warnings if "signature" in one.what]
    assert data[metre : metre + 3] == b"\x00\xff\x58"


def test_file_with_too_many_faults_is_refused():
    body = part(0, 8, 73) + EVENTS["velocity"] * 3000
    with pytest.raises(ValueError, match="more than 2,000 faults"):
        score_of(file_of(body), strict=False)


def hard_cases():
    if "CAMIL_SHARED" not in os.environ:
        return []
    with open(Path(os.environ["CAMIL_SHARED"], "data", "hard_midi", "cases.csv")) as file:
        return list(csv.DictReader(file))


def test_files_of_the_shared_folder_are_read_as_listed():
    cases = hard_cases()
    if not cases:
        pytest.skip("CAMIL_SHARED does not name a folder with hard_midi")
    for case in cases:
        path = Path(os.environ["CAMIL_SHARED"], "data", "hard_midi", case["file"])
        parts = Counter()
        for expected in case["parts"].split():
            name, count = expected.split(":")
            key = int(name) if name.isdigit() else "drums" if name == "drums" else "-"
            parts[key] += int(count)
        for reading in ("strict", "lenient"):
            if case[reading] == "refused":
                with pytest.raises(MidiError):
                    read_midi(path, strict=reading == "strict")
                continue
            score = read_midi(path, strict=reading == "strict")
            assert found(score) == dict(parts), case["file"]
            assert bool(score.warnings) == (case["warns"] == "yes" and reading == "lenient")
            assert score.tracks[0].name.endswith(case["name"])
