"""Repaired files and labelled copies of damaged ones are valid to mido, an independent reader."""

import io
import random

import mido
import pandas as pd
import pytest
from midi_bytes import END, GS_RESET, XG_ON, bank, chunk, file_of, gs_rhythm, header, part, seeds

from camil.labelling.labelled_files import write_labelled
from camil.midi.repair import readable, repair
from camil.midi.score import read_midi, score_of

DAMAGED = [data for data in seeds() if readable(data).warnings]


def with_mido(data):
    return mido.MidiFile(file=io.BytesIO(data))


def note_ons(midi):
    return sum(m.type == "note_on" and m.velocity > 0 for track in midi.tracks for m in track)


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_repaired_file_is_valid_to_mido(data):
    repaired = repair(data)
    midi = with_mido(repaired.data)
    notes = sum(len(part.pitch) for part in score_of(data, strict=False).tracks)
    assert note_ons(midi) >= notes > 0
    assert all(track[-1].type == "end_of_track" for track in midi.tracks)
    assert readable(repaired.data).data == repaired.data


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_offsets_in_repaired_file_map_to_equal_bytes_of_the_damaged_file(data):
    repaired = repair(data)
    ends = [begin for begin, _ in repaired.pieces[1:]] + [repaired.pieces[-1][0] + 1]
    for (begin, original), end in zip(repaired.pieces, ends, strict=True):
        assert repaired.origin(begin) == original
        size = min(end - begin, 3)
        if original > 14:  # the header is corrected, not copied
            assert repaired.data[begin : begin + size] == data[original : original + size]


def labelled(tmp_path, data, *predicted):
    (tmp_path / "a.mid").write_bytes(data)
    names = [part.name for part in read_midi(tmp_path / "a.mid", strict=False).tracks]
    tracks = pd.DataFrame({"track": names, "predicted": list(predicted)})
    write_labelled(tmp_path / "a.mid", tracks, tmp_path / "b.mid")
    return (tmp_path / "b.mid").read_bytes()


def programs(midi):
    return [(m.channel, m.program) for track in midi.tracks for m in track
            if m.type == "program_change"]  # fmt: skip


def test_labelled_copy_of_damaged_file_is_valid_and_labelled(tmp_path):
    data = b"\xef\xbb\xbf" + header(3) + chunk(part(0, 4, 5) + bytes([0, 0x90, 60, 200]) + END, 7)
    copy = with_mido(labelled(tmp_path, data, "Pipe"))
    assert programs(copy) == [(0, 73)]
    assert note_ons(copy) == 4


@pytest.mark.parametrize("program", [5, None])
@pytest.mark.parametrize("trailing", [b"", b"LIST\4\0\0\0abcd"])
def test_labelled_copy_of_riff_file_has_right_sizes(tmp_path, program, trailing):
    midi = file_of(part(0, 4, program))
    body = b"RMIDdata" + len(midi).to_bytes(4, "little") + midi
    body += bytes(len(midi) % 2 if trailing else 0) + trailing
    copy = labelled(tmp_path, b"RIFF" + len(body).to_bytes(4, "little") + body, "Reed")
    size = int.from_bytes(copy[16:20], "little")
    assert programs(with_mido(copy[20 : 20 + size])) == [(0, 71)]
    assert int.from_bytes(copy[4:8], "little") == len(copy) - 8
    assert copy[20 + size + (size % 2 if trailing else 0) :] == trailing
    (found,) = read_midi(tmp_path / "b.mid").tracks
    assert found.program == 71


def test_drums_by_xg_and_gs_messages_keep_their_programs(tmp_path):
    for kit in (XG_ON + bank(3, 127) + part(3, 4, 8), GS_RESET + gs_rhythm(3, 1) + part(3, 4, 8)):
        data = file_of(b"\0" + kit + part(4, 5, 8))
        assert programs(with_mido(labelled(tmp_path, data, "Pipe", "Reed"))) == [(3, 8), (4, 71)]


def test_labelled_part_of_another_bank_plays_bank_0(tmp_path):
    data = file_of(bank(3, 127, 1) + part(3, 4, 8))
    copy = with_mido(labelled(tmp_path, data, "Reed"))
    assert programs(copy) == [(3, 71)]
    selected = [m.value for m in copy.tracks[0] if m.type == "control_change"]
    assert selected == [0, 0]
    assert labelled(tmp_path, data, "uncertain") == data


def test_part_with_program_of_another_track_gets_its_own_if_labels_differ(tmp_path):
    data = file_of(part(2, 4, 0), part(2, 5))
    with pytest.warns(UserWarning, match="share channel 3"):
        copy = labelled(tmp_path, data, "Reed", "Bass")
    assert programs(with_mido(copy)) == [(2, 71), (2, 33)]
    assert programs(with_mido(labelled(tmp_path, data, "Reed", "Reed"))) == [(2, 71)]


@pytest.mark.parametrize("seed", range(30))
def test_faults_at_random_positions_cost_only_themselves(seed):
    draw = random.Random(seed)
    events = [bytes([0, 0xC0 | c, 40 + c]) for c in range(3)]
    for _ in range(60):
        on = bytes([0x90 | draw.randrange(3), draw.randrange(40, 90)])
        time = draw.choice((b"\0", b"\x30", b"\x81\x70"))
        events += [time + on + b"\x50", b"\x60" + bytes([on[0] - 16]) + on[1:] + b"\x40"]
    expected = score_of(file_of(b"".join(events)))
    for index in sorted(draw.sample(range(4, len(events), 2), draw.randrange(1, 12)), reverse=True):
        high, channel = draw.randrange(128, 256), draw.randrange(16)
        fault = draw.choice([
            bytes([0, 0x90 | channel, 60, high]), bytes([0, 0x80 | channel, high, 0]),
            bytes([0, 0xB0 | channel, 7, high]), bytes([0, 0xC0 | channel, high]),
            bytes([0, draw.choice((0xF4, 0xF5, 0xF9, 0xFD))]),
            b"\0\xff\x51\3\0\0\0", b"\0\xff\x58\4\0\2\x18\x08",
        ])  # fmt: skip
        events.insert(index, fault)
    data = file_of(b"", b"".join(events))
    with pytest.raises(ValueError, match="track 2, offset"):
        score_of(data)
    score = score_of(data, strict=False)
    assert len(score.tracks) == len(expected.tracks)
    for found, wanted in zip(score.tracks, expected.tracks, strict=True):
        assert found.program == wanted.program
        for name in ("pitch", "velocity", "start_beat", "end_beat"):
            assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
