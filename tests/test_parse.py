import io
import os
import random
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest

from camil.midi.parse import read_events
from camil.midi.score import MidiError, read_midi
from camil.midi.segments import segments_of


def random_file(seed, tracks=3, events=300):
    """Notes that overlap, end twice, never end or begin where they end, on few keys and channels,
    with changes of program and name. Every channel of a track has a program from the start."""
    draw = random.Random(seed)
    midi = mido.MidiFile(ticks_per_beat=96)
    for _ in range(tracks):
        track = mido.MidiTrack()
        for channel in (0, 1):
            track.append(mido.Message("program_change", program=5, channel=channel))
        for _ in range(events):
            time = draw.choice((0, 0, 0, 1, 24, 200))
            about = {"channel": draw.choice((0, 1, 9)), "time": time}
            kind = draw.random()
            if kind < 0.48:
                velocity = draw.choice((0, 64, 100))
                track.append(
                    mido.Message("note_on", note=draw.randrange(60, 64), velocity=velocity, **about)
                )
            elif kind < 0.9:
                track.append(mido.Message("note_off", note=draw.randrange(60, 64), **about))
            elif kind < 0.93:
                program = draw.choice((0, 25, 73))
                track.append(mido.Message("program_change", program=program, **about))
            elif kind < 0.95:
                track.append(mido.Message("aftertouch", value=3, **about))
            elif kind < 0.97:
                track.append(mido.Message("sysex", data=[1, 2, 3], time=time))
            elif kind < 0.98:
                track.append(mido.MetaMessage("track_name", name=draw.choice("abc"), time=time))
            else:
                track.append(mido.MetaMessage("lyrics", text="la" * 70, time=time))
        midi.tracks.append(track)
    tempo = mido.MetaMessage("set_tempo", tempo=draw.randrange(300_000, 900_000), time=100)
    midi.tracks[0].append(tempo)
    return midi


def assert_same_notes(path):
    reference = pretty_midi.PrettyMIDI(str(path))
    score = read_midi(path)
    assert len(score.tracks) == len(reference.instruments)
    for track, instrument in zip(score.tracks, reference.instruments, strict=True):
        assert (track.program, track.is_drum) == (instrument.program, instrument.is_drum)
        notes = sorted(instrument.notes, key=lambda note: (note.start, note.pitch))
        expected = np.array([(n.pitch, n.velocity, n.start, n.end) for n in notes]).T
        np.testing.assert_array_equal(track.pitch, expected[0])
        np.testing.assert_array_equal(track.velocity, expected[1])
        np.testing.assert_allclose(track.start_seconds, expected[2], rtol=0, atol=1e-9)
        np.testing.assert_allclose(track.end_seconds, expected[3], rtol=0, atol=1e-9)
    return reference


@pytest.mark.parametrize("seed", range(12))
def test_overlapping_notes_equal_those_of_pretty_midi(tmp_path, seed):
    random_file(seed).save(tmp_path / "a.mid")
    assert_same_notes(tmp_path / "a.mid")


def test_notes_of_real_files_equal_those_of_pretty_midi():
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    files = sorted(Path(os.environ["CAMIL_SHARED"], "data", "midi").rglob("*.mid"))
    for path in random.Random(1).sample(files, 20):
        # pretty_midi ignores tempi on later tracks, programs of other tracks, and part modes.
        drums = all(part.is_drum == (part.channel == 9) for part in read_midi(path).tracks)
        if drums and not any(tempo_on_later_tracks(path)) and not lacks_programs(path):
            assert_same_notes(path)


def lacks_programs(path):
    """Whether a note begins on a channel of a track without a program change before."""
    for track in mido.MidiFile(path, clip=True).tracks:
        stated = set()
        for event in track:
            if event.type == "program_change":
                stated.add(event.channel)
            elif event.type == "note_on" and event.channel != 9 and event.channel not in stated:
                return True
    return False


def tempo_on_later_tracks(path):
    for track in mido.MidiFile(path, clip=True).tracks[1:]:
        for event in track:
            yield event.type == "set_tempo"


def test_running_status_continues_after_meta_and_exclusive_events():
    body = bytes([0, 0x90, 60, 64, 0, 0xFF, 1, 2, 65, 66, 0, 62, 64])
    body += bytes([0, 0xF0, 2, 1, 0xF7, 96, 60, 0, 0, 62, 0])
    body += bytes([0, 0xC0, 5, 0, 6, 0, 0xFF, 0x2F, 0])  # a program change without status
    (ticks, events) = read_events(header(1) + b"MTrk" + len(body).to_bytes(4) + body)
    assert ticks == 96
    assert events.first.tolist() == [60, 62, 60, 62, 5, 6]
    assert events.tick.tolist() == [0, 0, 96, 96, 96, 96]
    assert [hex(status) for status in events.status.tolist()] == ["0x90"] * 4 + ["0xc0"] * 2


def header(tracks, ticks=96):
    return b"MThd" + (6).to_bytes(4) + (1).to_bytes(2) + tracks.to_bytes(2) + ticks.to_bytes(2)


def chunk(kind, body):
    return kind + len(body).to_bytes(4) + body


NOTE = bytes([0, 0x90, 60, 64, 96, 60, 0])


def test_chunks_of_other_kinds_are_skipped():
    data = header(1) + chunk(b"XFIH", b"something") + chunk(b"MTrk", NOTE)
    assert read_events(data)[1].first.tolist() == [60, 60]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"MThx" + bytes(20), "does not begin like a MIDI file, but with the bytes 4d 54 68 78"),
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"RIFF" + bytes(20), "it is a RIFF file without MIDI"),
        (b"404 not found", "it is text"),
        (
            header(2) + chunk(b"MTrk", NOTE),
            "track 2, offset 29: the file ends before this track of 2",
        ),
        (
            header(1) + chunk(b"MTrk", NOTE)[:-2],
            "track 1, offset 18: .* declares 7 bytes, .* ends after 5",
        ),
        (
            header(1) + chunk(b"MTrk", NOTE[:-1]),
            "track 1, offset 26: .* ends in the middle of an event",
        ),
        (
            header(1) + chunk(b"MTrk", bytes([0, 60, 64])),
            "track 1, offset 23: the data byte 60 stands where an event should",
        ),
        (
            header(1) + chunk(b"MTrk", bytes([0, 0x90, 200, 64])),
            "track 1, offset 24: the pitch 200 is above 127",
        ),
        (
            header(1) + chunk(b"MTrk", bytes([0, 0xF5, 0, 0])),
            "track 1, offset 23: the status byte 0xF5 is undefined",
        ),
        (
            header(1, ticks=0) + chunk(b"MTrk", NOTE),
            "offset 12: time is in 0 ticks per quarter note",
        ),
        (header(1, ticks=0xE728) + chunk(b"MTrk", NOTE), "offset 12: time is in SMPTE frames"),
        (header(1) + chunk(b"MTrk", b""), "no events"),
    ],
)
def test_damaged_file_raises_error_with_track_offset_and_value(data, reason):
    with pytest.raises(ValueError, match=reason):
        read_events(data)


def mutations(good, draw):
    """A copy with flipped bits, changed bytes, a piece removed or doubled, or without its end."""
    bad = bytearray(good)
    kind = draw.randrange(5)
    for _ in range(draw.choice((1, 2, 8))):
        offset = draw.randrange(len(bad))
        if kind == 0:
            bad[offset] ^= 1 << draw.randrange(8)
        elif kind == 1:
            bad[offset] = draw.choice((0, 0x7F, 0x80, 0xC0, 0xF0, 0xFF, draw.randrange(256)))
        elif kind == 2:
            del bad[offset : offset + draw.randrange(1, 9)]
            bad = bad or bytearray(1)
        elif kind == 3:
            bad[offset:offset] = bad[offset : offset + draw.randrange(1, 40)]
        else:
            del bad[max(offset, 1) :]
    return bytes(bad)


def test_three_thousand_damaged_files_raise_only_midi_error(tmp_path):
    draw = random.Random(11)
    goods = []
    for seed in range(6):
        file = io.BytesIO()
        random_file(seed, tracks=2, events=40).save(file=file)
        goods.append(file.getvalue())
    path = tmp_path / "a.mid"
    read = 0
    for _ in range(3000):
        path.write_bytes(mutations(draw.choice(goods), draw))
        try:
            score = read_midi(path)
        except MidiError:
            continue
        read += 1
        for track in score.tracks:
            segments_of(track, score, max_segments=4)
    assert 100 < read < 2900


def test_half_a_million_events_are_read_or_refused_quickly(tmp_path):
    on, off = bytes([0, 0x90, 60, 64]), bytes([1, 60, 0])
    (tmp_path / "a.mid").write_bytes(header(1) + chunk(b"MTrk", (on + off) * 250_000))
    with pytest.raises(MidiError, match="the file has 250000 notes, more than 200000"):
        read_midi(tmp_path / "a.mid")
    (tmp_path / "b.mid").write_bytes(header(1) + chunk(b"MTrk", (on + off) * 1_000_000))
    with pytest.raises(MidiError, match="larger than 4 MB"):
        read_midi(tmp_path / "b.mid")
