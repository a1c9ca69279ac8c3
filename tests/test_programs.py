"""The copies are read with mido, which shares nothing with the code that writes them."""

import os
import random
import warnings
from pathlib import Path

import mido
import pandas as pd
import pretty_midi
import pytest

from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.midi.score import read_midi
from camil.midi.write import PROGRAM, write_labelled


def note(track, channel, pitch, program=None, time=0, length=120):
    if program is not None:
        track.append(mido.Message("program_change", channel=channel, program=program))
    track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=80, time=time))
    track.append(mido.Message("note_off", channel=channel, note=pitch, time=length))


def saved(path, *tracks, kind=1):
    midi = mido.MidiFile(type=kind, ticks_per_beat=120)
    midi.tracks.extend(mido.MidiTrack(track) for track in tracks)
    midi.save(path)
    return path


def labelled(path, *predicted):
    """A copy with these labels, one a pitched part; and how each part of it plays."""
    names = [track.name for track in read_midi(path).tracks if not track.is_drum]
    tracks = pd.DataFrame({"track": names, "predicted": list(predicted)})
    copy = path.with_name("copy.mid")
    write_labelled(path, tracks, copy)
    return copy


def without_programs(path):
    """Tick and message of everything but program changes, track after track."""
    found = []
    for track in mido.MidiFile(path, clip=True).tracks:
        tick, messages = 0, []
        for message in track:
            tick += message.time
            if message.type != "program_change":
                messages.append((tick, message.copy(time=0)))
        found.append(messages)
    return found


def programs_of_notes(path, by_track=True):
    """Channel, pitch and the program it plays with, note after note, as a player goes along."""
    midi = mido.MidiFile(path, clip=True)
    found = []
    for track in midi.tracks if by_track else [mido.merge_tracks(midi.tracks)]:
        program = {}
        for message in track:
            if message.type == "program_change":
                program[message.channel] = message.program
            elif message.type == "note_on" and message.velocity:
                found.append((message.channel, message.note, program.get(message.channel)))
    return found


def test_labelled_parts_change_their_program_and_others_keep_it(tmp_path):
    flute, bass, oboe = [], [], []
    for track, (channel, program) in zip(
        (flute, bass, oboe), ((0, 12), (1, 33), (2, 88)), strict=True
    ):
        note(track, channel, 60, program)
        note(track, channel, 64)
    path = saved(tmp_path / "a.mid", flute, bass, oboe)
    copy = labelled(path, "Pipe", "not sure", "Reed")
    expected = [(0, 60, 73), (0, 64, 73), (1, 60, 33), (1, 64, 33), (2, 60, 71), (2, 64, 71)]
    assert programs_of_notes(copy) == expected
    assert without_programs(copy) == without_programs(path)


def test_a_part_that_is_labelled_as_what_it_is_keeps_its_very_program(tmp_path):
    track = []
    note(track, 0, 60, program=27)
    path = saved(tmp_path / "a.mid", track)
    assert labelled(path, "Guitar").read_bytes() == path.read_bytes()


def test_a_file_without_programs_gets_them_before_the_first_notes(tmp_path):
    track = [mido.MetaMessage("track_name", name="flute")]
    track.append(mido.Message("control_change", channel=3, control=7, value=90, time=10))
    note(track, 3, 60, time=200)
    note(track, 3, 62)
    path = saved(tmp_path / "a.mid", track)
    copy = labelled(path, "Pipe")
    assert programs_of_notes(copy) == [(3, 60, 73), (3, 62, 73)]
    assert without_programs(copy) == without_programs(path)
    (change,) = [
        (index, m)
        for index, m in enumerate(mido.MidiFile(copy).tracks[0])
        if m.type == "program_change"
    ]
    assert change[0] == 2
    assert change[1].time == 200


def test_a_first_note_in_running_status_gets_its_program_too(tmp_path):
    body = bytes([0, 0x90, 60, 0, 0x81, 0x00, 60, 64, 60, 60, 0, 0, 0xFF, 0x2F, 0])
    head = b"MThd" + bytes([0, 0, 0, 6, 0, 1, 0, 1, 0, 120])
    path = tmp_path / "a.mid"
    path.write_bytes(head + b"MTrk" + len(body).to_bytes(4) + body)
    copy = labelled(path, "Organ")
    assert programs_of_notes(copy) == [(0, 60, 16)]
    assert without_programs(copy) == without_programs(path)


def test_a_type_0_file_changes_programs_by_channel(tmp_path):
    track = []
    for channel, program in ((0, 0), (1, None), (9, 0)):
        note(track, channel, 60 + channel, program)
    note(track, 1, 65)
    path = saved(tmp_path / "a.mid", track, kind=0)
    copy = labelled(path, "Strings", "Bass")
    assert mido.MidiFile(copy).type == 0
    assert programs_of_notes(copy) == [(0, 60, 48), (1, 61, 33), (9, 69, 0), (1, 65, 33)]
    assert without_programs(copy) == without_programs(path)


def test_a_change_of_program_in_the_middle_makes_two_parts(tmp_path):
    track = []
    note(track, 0, 60, program=5)
    note(track, 0, 61, program=90)
    note(track, 0, 62, program=5)
    path = saved(tmp_path / "a.mid", track)
    copy = labelled(path, "Brass", "not sure")
    assert programs_of_notes(copy) == [(0, 60, 61), (0, 61, 90), (0, 62, 61)]


def test_a_first_note_before_the_first_program_is_a_part_too(tmp_path):
    track = []
    note(track, 0, 60)
    note(track, 0, 61, program=40)
    path = saved(tmp_path / "a.mid", track)
    assert programs_of_notes(labelled(path, "Reed", "Brass")) == [(0, 60, 71), (0, 61, 61)]


def test_programs_that_another_track_sets_up_are_heeded(tmp_path):
    setup = [mido.Message("program_change", channel=2, program=33)]
    setup.append(mido.Message("program_change", channel=2, program=34, time=300))
    notes = []
    note(notes, 2, 60, time=120)
    note(notes, 2, 62, time=300)
    path = saved(tmp_path / "a.mid", setup, notes)
    copy = labelled(path, "Pipe")
    assert programs_of_notes(copy, by_track=False) == [(2, 60, 73), (2, 62, 73)]
    kept = labelled(path, "not sure")
    assert kept.read_bytes() == path.read_bytes()


def test_drums_are_left_alone(tmp_path):
    track = []
    note(track, 9, 36, program=8)
    note(track, 0, 60, program=8)
    path = saved(tmp_path / "a.mid", track)
    assert programs_of_notes(labelled(path, "Organ")) == [(9, 36, 8), (0, 60, 16)]


def test_karaoke_tempi_controllers_and_what_nobody_knows_are_kept(tmp_path):
    words = [mido.MetaMessage("text", text="@KMIDI KARAOKE FILE")]
    words += [mido.MetaMessage("lyrics", text=text, time=60) for text in ("la ", "l\u00e0 ", "la")]
    words += [
        mido.MetaMessage("marker", text="chorus"),
        mido.MetaMessage("set_tempo", tempo=400_000),
    ]
    words += [
        mido.MetaMessage("time_signature", numerator=3),
        mido.UnknownMetaMessage(0x60, [1, 2]),
    ]
    tune = [mido.Message("sysex", data=[0x7E, 0x7F, 9, 1])]
    tune += [mido.Message("pitchwheel", channel=4, pitch=300)]
    tune += [mido.Message("control_change", channel=4, control=64, value=127)]
    tune += [mido.MetaMessage("set_tempo", tempo=300_000, time=50)]
    note(tune, 4, 60)
    path = saved(tmp_path / "a.kar", words, tune)
    path.write_bytes(path.read_bytes() + b"XFIH\0\0\0\2hi")
    copy = labelled(path, "Reed")
    assert programs_of_notes(copy) == [(4, 60, 71)]
    assert without_programs(copy) == without_programs(path)
    assert copy.read_bytes().endswith(b"XFIH\0\0\0\2hi")


def test_parts_that_share_a_channel_and_disagree_are_told(tmp_path):
    left, right = [], []
    note(left, 0, 40, program=0)
    note(right, 0, 70, program=0)
    path = saved(tmp_path / "a.mid", left, right)
    with pytest.warns(UserWarning, match="share channel 1"):
        labelled(path, "Bass", "Reed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labelled(path, "Reed", "Reed")


def test_a_copy_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        labelled(path, "Reed")
    assert not (tmp_path / "copy.mid").exists()


def random_file(path, seed):
    """Notes, programs and controllers on few channels and tracks, now and then without programs."""
    draw = random.Random(seed)
    tracks = []
    for _ in range(draw.randrange(1, 4)):
        track = []
        for _ in range(40):
            about = {"channel": draw.choice((0, 1, 9)), "time": draw.choice((0, 0, 30, 400))}
            kind = draw.random()
            if kind < 0.1:
                program = draw.choice((0, 30, 90))
                track.append(mido.Message("program_change", program=program, **about))
            elif kind < 0.2:
                track.append(mido.Message("control_change", control=1, value=3, **about))
            elif kind < 0.25:
                track.append(mido.MetaMessage("lyrics", text="la" * 80, time=about["time"]))
            else:
                pitch = draw.randrange(58, 62)
                track.append(mido.Message("note_on", note=pitch, velocity=70, **about))
                track.append(
                    mido.Message("note_off", note=pitch, time=30, channel=about["channel"])
                )
        tracks.append(track)
    return saved(path, *tracks)


@pytest.mark.filterwarnings("ignore:.*share channel")
@pytest.mark.parametrize("seed", range(20))
def test_every_part_of_any_file_plays_its_label_to_every_reader(tmp_path, seed):
    path = random_file(tmp_path / "a.mid", seed)
    check_copy(path, tmp_path, random.Random(seed))


@pytest.mark.filterwarnings("ignore:.*share channel")
def test_copies_of_real_files_differ_in_nothing_but_programs(tmp_path):
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    files = sorted(Path(os.environ["CAMIL_SHARED"], "data", "midi").rglob("*.mid"))
    for path in random.Random(2).sample(files, 5):
        check_copy(path, tmp_path, random.Random(0))


def check_copy(path, folder, draw):
    """Label at random; mido must find all but programs as they were, pretty_midi the programs."""
    parts = read_midi(path).tracks
    wanted = {part.name: draw.choice([*PROGRAM, "not sure"]) for part in parts if not part.is_drum}
    copy = folder / "copy.mid"
    write_labelled(path, pd.DataFrame(wanted.items(), columns=["track", "predicted"]), copy)
    assert without_programs(copy) == without_programs(path)
    expected, found = [], []  # program, drum or not, pitch and second of each note
    before, after = (pretty_midi.PrettyMIDI(str(file)).instruments for file in (path, copy))
    for part, instrument in zip(parts, before, strict=True):
        label = wanted.get(part.name, "not sure")
        program = part.program
        if label != "not sure" and INSTRUMENT_OF_PROGRAM.get(program) != label:
            program = PROGRAM[label]
        expected += [(program, part.is_drum, n.pitch, n.start) for n in instrument.notes]
    for one in after:
        found += [(one.program, one.is_drum, n.pitch, n.start) for n in one.notes]
    assert sorted(found) == sorted(expected)
