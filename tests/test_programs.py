"""Labelled copies of MIDI files, read with mido, which shares no code with the writer."""

import os
import random
import warnings
from pathlib import Path

import mido
import pandas as pd
import pytest

from camil.labelling.labelled_files import write_labelled
from camil.midi.instruments import FAMILIES
from camil.midi.score import read_midi

DEFAULTS = FAMILIES.default_programs


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
    """A copy in which the pitched parts have these labels."""
    names = [track.name for track in read_midi(path).tracks if not track.is_drum]
    tracks = pd.DataFrame({"track": names, "predicted": list(predicted)})
    copy = path.with_name("copy.mid")
    write_labelled(path, tracks, copy)
    return copy


def without_programs(path):
    """Tick and message of all events except program changes, per track."""
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
    """Channel, pitch and program of each note, as a sequential reader has them.

    With ``by_track``, a program change counts on its own track alone; otherwise on its channel, as
    in a player.
    """
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


def test_labelled_parts_change_program_and_uncertain_parts_keep_it(tmp_path):
    flute, bass, oboe = [], [], []
    for track, (channel, program) in zip(
        (flute, bass, oboe), ((0, 12), (1, 33), (2, 88)), strict=True
    ):
        note(track, channel, 60, program)
        note(track, channel, 64)
    path = saved(tmp_path / "a.mid", flute, bass, oboe)
    copy = labelled(path, "Pipe", "uncertain", "Reed")
    expected = [(0, 60, 73), (0, 64, 73), (1, 60, 33), (1, 64, 33), (2, 60, 71), (2, 64, 71)]
    assert programs_of_notes(copy) == expected
    assert without_programs(copy) == without_programs(path)


def test_part_labelled_with_its_own_class_keeps_its_program(tmp_path):
    track = []
    note(track, 0, 60, program=27)
    path = saved(tmp_path / "a.mid", track)
    assert labelled(path, "Guitar").read_bytes() == path.read_bytes()


def test_file_without_programs_gets_them_before_first_notes(tmp_path):
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


def test_program_is_inserted_before_note_in_running_status(tmp_path):
    body = bytes([0, 0x90, 60, 0, 0x81, 0x00, 60, 64, 60, 60, 0, 0, 0xFF, 0x2F, 0])
    head = b"MThd" + bytes([0, 0, 0, 6, 0, 1, 0, 1, 0, 120])
    path = tmp_path / "a.mid"
    path.write_bytes(head + b"MTrk" + len(body).to_bytes(4) + body)
    copy = labelled(path, "Organ")
    assert programs_of_notes(copy) == [(0, 60, 16)]
    assert without_programs(copy) == without_programs(path)


def test_type_0_file_changes_programs_by_channel(tmp_path):
    track = []
    for channel, program in ((0, 0), (1, None), (9, 0)):
        note(track, channel, 60 + channel, program)
    note(track, 1, 65)
    path = saved(tmp_path / "a.mid", track, kind=0)
    copy = labelled(path, "Strings", "Bass")
    assert mido.MidiFile(copy).type == 0
    assert programs_of_notes(copy) == [(0, 60, 48), (1, 61, 33), (9, 69, 0), (1, 65, 33)]
    assert without_programs(copy) == without_programs(path)


def test_program_change_midway_makes_two_parts(tmp_path):
    track = []
    note(track, 0, 60, program=5)
    note(track, 0, 61, program=90)
    note(track, 0, 62, program=5)
    path = saved(tmp_path / "a.mid", track)
    copy = labelled(path, "Brass", "uncertain")
    assert programs_of_notes(copy) == [(0, 60, 61), (0, 61, 90), (0, 62, 61)]


def test_notes_before_first_program_are_a_part(tmp_path):
    track = []
    note(track, 0, 60)
    note(track, 0, 61, program=40)
    path = saved(tmp_path / "a.mid", track)
    assert programs_of_notes(labelled(path, "Reed", "Brass")) == [(0, 60, 71), (0, 61, 61)]


def test_programs_set_on_another_track_are_rewritten_there(tmp_path):
    setup = [mido.Message("program_change", channel=2, program=33)]
    setup.append(mido.Message("program_change", channel=2, program=34, time=300))
    notes = []
    note(notes, 2, 60, time=120)
    note(notes, 2, 62, time=300)
    path = saved(tmp_path / "a.mid", setup, notes)
    assert [part.program for part in read_midi(path).tracks] == [33, 34]
    copy = labelled(path, "Pipe", "Reed")
    assert programs_of_notes(copy, by_track=False) == [(2, 60, 73), (2, 62, 71)]
    assert len(copy.read_bytes()) == len(path.read_bytes())
    kept = labelled(path, "uncertain", "uncertain")
    assert kept.read_bytes() == path.read_bytes()


def test_drums_keep_their_program(tmp_path):
    track = []
    note(track, 9, 36, program=8)
    note(track, 0, 60, program=8)
    path = saved(tmp_path / "a.mid", track)
    assert programs_of_notes(labelled(path, "Organ")) == [(9, 36, 8), (0, 60, 16)]


def test_lyrics_tempi_controllers_and_unknown_events_are_kept(tmp_path):
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


def test_different_labels_on_shared_channel_issue_warning(tmp_path):
    left, right = [], []
    note(left, 0, 40, program=0)
    note(right, 0, 70, program=0)
    path = saved(tmp_path / "a.mid", left, right)
    with pytest.warns(UserWarning, match="share channel 1"):
        labelled(path, "Bass", "Reed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labelled(path, "Reed", "Reed")


def test_copy_is_written_atomically(tmp_path, monkeypatch):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        labelled(path, "Reed")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"file": ["a.mid", "b.mid"], "track": ["00-x", "00-x"]}, "2 files, among them a.mid and"),
        ({"file": ["a.mid", "b.mid"], "track": ["00-x", "01-y"]}, "2 files, among them a.mid and"),
        ({"track": ["00-x", "00-x"]}, r"track 00-x has several labels.*track_labels\(segments\)"),
        (
            {"track": ["00-x", "01-y"], "start_beat": 0.0},
            r"segments; give .*track_labels\(segments",
        ),
    ],
    ids=("same names", "different names", "several rows", "segments"),
)
def test_labels_of_other_files_or_segments_raise(tmp_path, columns, message):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    tracks = pd.DataFrame(columns | {"predicted": ["Pipe", "Reed"]})
    with pytest.raises(ValueError, match=message):
        write_labelled(path, tracks, tmp_path / "copy.mid")
    assert list(tmp_path.iterdir()) == [path]


def test_copy_follows_a_link(tmp_path):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "copy.mid").symlink_to("elsewhere/b.mid")
    assert labelled(path, "Reed").is_symlink()
    assert programs_of_notes(tmp_path / "elsewhere/b.mid") == [(0, 60, 71)]


def test_missing_suggestion_gives_default_program(tmp_path):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    [name] = [part.name for part in read_midi(path).tracks]
    row = {"track": name, "predicted": "Reed", "suggested_program": float("nan")}
    write_labelled(path, pd.DataFrame([row]), tmp_path / "copy.mid")
    assert programs_of_notes(tmp_path / "copy.mid") == [(0, 60, DEFAULTS["Reed"])]


def test_folder_as_output_raises_and_leaves_no_file(tmp_path):
    track = []
    note(track, 0, 60, program=0)
    path = saved(tmp_path / "a.mid", track)
    (tmp_path / "copy.mid").mkdir()
    with pytest.raises(IsADirectoryError, match=r"copy\.mid is a folder; name a file"):
        labelled(path, "Reed")
    assert not (tmp_path / "copy.mid.partial").exists()


def random_file(path, seed):
    """Notes, programs and controllers on few channels and tracks; some parts have no program."""
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
def test_parts_of_random_files_play_their_labels(tmp_path, seed):
    path = random_file(tmp_path / "a.mid", seed)
    check_copy(path, tmp_path, random.Random(seed))


@pytest.mark.filterwarnings("ignore:.*share channel")
def test_copies_of_real_files_differ_only_in_programs(tmp_path):
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    files = sorted(Path(os.environ["CAMIL_SHARED"], "data", "midi").rglob("*.mid"))
    for path in random.Random(2).sample(files, 5):
        check_copy(path, tmp_path, random.Random(0))


def played(path):
    """The notes of a file, read with mido: (track, channel, tick, pitch) and the program.

    The program is the one of the note's own track or, if that states none, the latest of its
    channel on other tracks at the same tick or before; then whether it is of its own track. Notes
    during which the program changes have None for a note.
    """
    midi, found, changes = mido.MidiFile(path, clip=True), [], []
    for number, track in enumerate(midi.tracks):
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "program_change":
                changes.append((tick, number, message.channel, message.program))
    for number, track in enumerate(midi.tracks):
        tick, own, sounding = 0, {}, {}
        for message in track:
            tick += message.time
            if message.type == "program_change":
                own[message.channel] = message.program
            elif message.type == "note_on" and message.velocity:
                channel, pitch = message.channel, message.note
                others = [(t, n, p) for t, n, c, p in changes
                          if c == channel and n != number and t <= tick]  # fmt: skip
                program = own.get(channel, max(others, key=lambda x: x[:2])[2] if others else None)
                sounding.setdefault((channel, pitch), []).append((len(found), own.get(channel)))
                found.append([(number, channel, tick, pitch), program, channel in own])
            elif message.type in ("note_on", "note_off"):
                for index, program in sounding.pop((message.channel, message.note), []):
                    if own.get(message.channel) != program:
                        found[index][0] = None
    return found


def of_class(name):
    """The programs of a class."""
    return [program for one in FAMILIES if one.name == name for program in one.programs]


def check_copy(path, folder, draw):
    """Label at random; in the copy, mido must find the labels' programs and no other change."""
    parts = read_midi(path).tracks
    pitched = [part.name for part in parts if not part.is_drum]
    wanted = {name: draw.choice([*DEFAULTS, "uncertain", "other"]) for name in pitched}
    # Suggestions of the labelled class, of another class, and none.
    suggested = {
        name: draw.choice([-1, draw.randrange(128), *of_class(wanted[name])]) for name in pitched
    }
    copy = folder / "copy.mid"
    tracks = pd.DataFrame({"track": pitched, "predicted": wanted.values()}, dtype=object)
    write_labelled(path, tracks.assign(suggested_program=suggested.values()), copy)
    assert without_programs(copy) == without_programs(path)
    ticks, part_of = mido.MidiFile(path, clip=True).ticks_per_beat, {}
    for part in parts:
        for pitch, beat in zip(part.pitch.tolist(), part.start_beat.tolist(), strict=True):
            key = part.midi_track, part.channel, round(beat * ticks), pitch
            part_of[key] = None if key in part_of else part
    checked = 0
    for (note, old, own), (same, new, owns) in zip(played(path), played(copy), strict=True):
        part = part_of.get(note)
        if note is None or same is None or part is None:
            continue
        checked += 1
        label = wanted.get(part.name, "uncertain")
        if part.is_drum:
            assert new == old
            continue
        assert (part.program, part.labelled) == (old or 0, old is not None)
        if label in ("uncertain", "other"):
            assert new == old or not (own or owns)
        elif part.labelled and old in of_class(label):
            assert new == old
        elif suggested[part.name] in of_class(label):
            assert new == suggested[part.name]
        else:
            assert new == DEFAULTS[label]
    assert checked > 0
