"""Tests of labelling transcriptions in Python and of copies with joined tracks."""

import warnings
from collections import Counter, defaultdict

import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
from midi_tracks import track_of, write_file
from register_labeller import ByRegister

from camil import label, read_midi, track_labels, write_labelled
from camil.evaluation.scattered_parts import scatter
from camil.labelling.joined_files import write_joined
from camil.labelling.label import likely_drums, merges, skipped
from camil.labelling.transcriptions import per_track, transcription
from camil.midi.instruments import FAMILIES

NO_DRUMS = pd.DataFrame(columns=["track"])


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A file of bass, chords, melody and drums that are scattered over tracks."""
    midi, rng = pretty_midi.PrettyMIDI(initial_tempo=97), np.random.default_rng(3)
    bass, chords, melody = (pretty_midi.Instrument(program) for program in (33, 0, 73))
    drums = pretty_midi.Instrument(0, is_drum=True)
    for beat in range(96):
        root, at = int(rng.choice([0, 5, 7, 9])), beat * 60 / 97
        bass.notes.append(pretty_midi.Note(90 + beat % 7, 36 + root, at, at + 0.5))
        if beat % 2 == 0:
            for step in (0, 4, 7):
                chords.notes.append(pretty_midi.Note(70, 55 + (root + step) % 12, at, at + 1))
        pitch = 76 + (root + int(rng.choice([0, 4, 7]))) % 12
        melody.notes.append(pretty_midi.Note(80, pitch, at + 0.02, at + 0.3))
        for half in (0, 0.25):
            drums.notes.append(pretty_midi.Note(80, 42, at + half, at + half + 0.1))
        drums.notes.append(pretty_midi.Note(100, 38 if beat % 2 else 36, at, at + 0.1))
    midi.instruments = [bass, chords, melody, drums]
    folder = tmp_path_factory.mktemp("song")
    midi.write(str(folder / "whole.mid"))
    score = read_midi(folder / "whole.mid")
    (folder / "song.mid").write_bytes(scatter(score, np.random.default_rng(0), "measures").data)
    return folder / "song.mid"


def tracks_of(path):
    """Content per name of a track, read by mido: notes (begin, end, pitch, velocity), programs,
    channels and other channel events with their ticks."""
    found = {}
    for track in mido.MidiFile(path).tracks:
        now, sounding = 0, defaultdict(list)
        notes, programs, channels, others = Counter(), set(), set(), Counter()
        for message in track:
            now += message.time
            if message.is_meta:
                continue
            channels.add(message.channel)
            if message.type == "note_on" and message.velocity:
                sounding[message.note].append((now, message.velocity))
            elif message.type in ("note_on", "note_off"):
                for begin, velocity in sounding.pop(message.note, []):
                    notes[begin, now, message.note, velocity] += begin < now
            elif message.type == "program_change":
                programs.add(message.program)
            else:
                others[now, *message.copy(channel=0).bytes()] += 1
        found[track.name] = (+notes, programs, channels, others)
    return found


def conductor_of(path):
    found = []
    for track in mido.MidiFile(path).tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type in ("set_tempo", "time_signature", "lyrics"):
                found.append((now, str(message.copy(time=0))))
    return sorted(found)


def short(name):
    """The name in the file of a part, which the reader numbers."""
    return name.partition("-")[2]


def test_joined_parts_have_the_notes_of_their_tracks_and_the_labelled_program(song, tmp_path):
    copy = tmp_path / "new" / "copy.mid"
    labels = label(song, ByRegister(), transcription=True)
    joined, drums = merges(labels), likely_drums(labels)
    write_joined(song, track_labels(labels), copy, joined, drums)
    before, after = tracks_of(song), tracks_of(copy)
    assert len(joined)
    for row in joined.itertuples():
        members = [before[short(name)] for name in row.tracks]
        notes, programs, channels, _ = after[short(row.part)]
        assert notes == sum((one[0] for one in members), Counter())
        assert channels == members[0][2]
        (predicted,) = labels.loc[labels["track"] == row.part, "predicted"].unique()
        assert [FAMILIES.of_program(program) for program in programs] == [predicted]
        assert not {short(name) for name in row.tracks[1:]} & set(after)
    assert len(drums)
    for name in map(short, drums["track"]):
        assert after[name][0] == before[name][0]
        assert after[name][1:3] == ({0}, {9})
    gone = {short(name) for names in joined["tracks"] for name in names[1:]}
    assert set(after) == set(before) - gone
    assert conductor_of(copy) == conductor_of(song)
    score = read_midi(copy)
    assert sum(track.is_drum for track in score.tracks) == len(drums)
    assert len(score.tracks) == len(before) - 1 - len(gone)  # less the conductor


def test_without_joined_tracks_the_copy_is_that_of_write_labelled(song, tmp_path):
    whole = song.with_name("whole.mid")
    labels = label(whole, ByRegister(), transcription=True)
    assert merges(labels).empty
    assert likely_drums(labels).empty
    tracks = track_labels(labels)
    write_labelled(whole, tracks, tmp_path / "labelled.mid")
    write_joined(whole, tracks, tmp_path / "joined.mid", merges(labels), likely_drums(labels))
    assert (tmp_path / "joined.mid").read_bytes() == (tmp_path / "labelled.mid").read_bytes()


FIRST = [(0, 480, 60), (960, 1440, 62)]


@pytest.mark.parametrize(
    ("first", "second", "is_joined"),
    [
        ({}, {"notes": [(480, 960, 60), (1440, 1920, 62)]}, True),
        ({}, {"notes": [(480, 960, 62), (1440, 1920, 60)]}, True),
        ({}, {"notes": [(480, 961, 62)]}, False),
        ({}, {"notes": [(479, 960, 60)]}, False),
        ({}, {"notes": [(0, 480, 64), (500, 500, 65)]}, True),
        ({"controls": [(0, 7, 100)]}, {"controls": [(480, 7, 100)]}, True),
        ({"controls": [(0, 7, 100)]}, {"controls": [(0, 7, 90)]}, False),
        ({"controls": [(0, 64, 127)]}, {}, False),
        (
            {"controls": [(0, 64, 127), (480, 64, 0)]},
            {"controls": [(0, 64, 127), (900, 64, 0)]},
            False,
        ),
    ],
)
@pytest.mark.parametrize("predicted", ["Pipe", "uncertain"])
def test_tracks_that_would_interfere_stay_apart(tmp_path, first, second, is_joined, predicted):
    second = {"notes": [(480, 960, 65)]} | second
    lyrics = [(700, mido.MetaMessage("lyrics", text="la"))]
    path = write_file(
        tmp_path / "song.mid",
        [(0, mido.MetaMessage("set_tempo", tempo=400_000))],
        track_of("a", 3, FIRST, 40, **first),
        sorted(track_of("b", 5, program=11, **second) + lyrics, key=lambda one: one[0]),
    )
    tracks = pd.DataFrame({"track": ["00-a"], "predicted": [predicted]})
    joined = pd.DataFrame({"part": ["00-a"], "tracks": [["00-a", "01-b"]]})
    copy = tmp_path / "copy.mid"
    if is_joined:
        write_joined(path, tracks, copy, joined, NO_DRUMS)
    else:
        with pytest.warns(UserWarning, match="could not be joined or moved: 01-b"):
            write_joined(path, tracks, copy, joined, NO_DRUMS)
    before, after = tracks_of(path), tracks_of(copy)
    program = {73} if predicted == "Pipe" else {40}
    assert all(one[1] == program for name, one in after.items() if name)
    assert conductor_of(copy) == conductor_of(path)
    for index in (0, 3):  # notes, controllers
        total = sum((one[index] for one in before.values()), Counter())
        assert sum((one[index] for one in after.values()), Counter()) == total
    assert set(after) == ({"", "a"} if is_joined else {"", "a", "b"})
    assert after["a"][2] == {3}


def test_track_with_several_parts_is_not_joined(tmp_path):
    both = sorted(
        track_of("a", 3, FIRST) + track_of("", 5, [(480, 960, 65)])[1:], key=lambda one: one[0]
    )
    path = write_file(tmp_path / "song.mid", both, track_of("b", 6, [(1440, 1920, 60)]))
    tracks = pd.DataFrame({"track": ["00-a"], "predicted": ["Pipe"]})
    joined = pd.DataFrame({"part": ["00-a"], "tracks": [["00-a", "02-b"]]})
    drums = pd.DataFrame({"track": ["01-a"]})
    with pytest.warns(UserWarning, match="could not be joined or moved: 02-b, 01-a"):
        write_joined(path, tracks, tmp_path / "copy.mid", joined, drums)
    before, after = tracks_of(path), tracks_of(tmp_path / "copy.mid")
    assert {name: one[0] for name, one in after.items()} == {n: one[0] for n, one in before.items()}
    assert after["a"][2] == {3, 5}
    assert after["b"][1] == {73}


@pytest.mark.parametrize(("other", "warns"), [("Pipe", False), ("Bass", True)])
def test_only_parts_that_still_share_a_channel_issue_a_warning(tmp_path, other, warns):
    path = write_file(
        tmp_path / "song.mid",
        track_of("a", 3, FIRST),
        track_of("b", 5, [(480, 960, 65)]),  # joined to the first, so no longer on channel 5
        track_of("c", 5, [(960, 1440, 40)]),
        track_of("d", 3, [(960, 1440, 50)]),
    )
    labels = {"00-a": "Pipe", "02-c": "Bass", "03-d": other}
    tracks = pd.DataFrame({"track": list(labels), "predicted": list(labels.values())})
    joined = pd.DataFrame({"part": ["00-a"], "tracks": [["00-a", "01-b"]]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_joined(path, tracks, tmp_path / "copy.mid", joined, NO_DRUMS)
    named = ["the parts 00-a, 03-d share channel 4 " in str(one.message) for one in caught]
    assert named == [True] * warns
    assert tracks_of(tmp_path / "copy.mid")["a"][2] == {3}


def test_file_that_mido_cannot_read_is_labelled_and_not_joined(tmp_path):
    metre = mido.UnknownMetaMessage(0x58, data=[4])
    path = write_file(
        tmp_path / "song.mid",
        track_of("a", 3, FIRST),
        [*track_of("b", 5, [(480, 960, 65)]), (960, metre)],
    )
    tracks = pd.DataFrame({"track": ["00-a"], "predicted": ["Pipe"]})
    joined = pd.DataFrame({"part": ["00-a"], "tracks": [["00-a", "01-b"]]})
    with pytest.warns(UserWarning, match="could not be joined or moved: 00-a, 01-b"):
        write_joined(path, tracks, tmp_path / "copy.mid", joined, NO_DRUMS)
    assert [part.program for part in read_midi(tmp_path / "copy.mid", False).tracks] == [73, 73]


def test_python_and_command_put_the_same_tracks_together(song):
    labels = label(song, ByRegister(), transcription=True)
    found = transcription(read_midi(song), ByRegister())
    pd.testing.assert_frame_equal(merges(labels).drop(columns="file"), found.merges)
    pd.testing.assert_frame_equal(likely_drums(labels).drop(columns="file"), found.likely_drums)
    assert set(merges(labels)["file"]) == {"song.mid"}
    pitched = [track.name for track in found.score.tracks if not track.is_drum]
    assert labels["track"].unique().tolist() == pitched
    assert not set(skipped(labels)["track"]) & set(pitched)
    assert per_track(track_labels(labels), merges(labels))["track"].nunique() > len(pitched)


def test_folder_lists_the_joined_parts_of_each_file(song):
    labels = label(song.parent, ByRegister(), transcription=True)
    assert set(merges(labels)["file"]) == {"song.mid"}
    assert label(song.parent, ByRegister()).attrs["merges"] == []


def test_file_of_likely_drums_alone_has_a_table_without_rows(song, tmp_path):
    score = read_midi(song.with_name("whole.mid"))
    score.tracks = [track for track in score.tracks if track.is_drum]
    path = tmp_path / "drums.mid"
    path.write_bytes(scatter(score, np.random.default_rng(0), "measures", fragments=1).data)
    labels = label(path, ByRegister(), transcription=True)
    whole = label(song, ByRegister(), transcription=True)
    pd.testing.assert_series_equal(labels.dtypes, whole.dtypes)
    assert len(labels) == len(track_labels(labels)) == 0
    assert len(likely_drums(labels)) == len(skipped(labels)) == 1
    (tmp_path / "song.mid").write_bytes(song.read_bytes())
    both = label(tmp_path, ByRegister(), transcription=True)
    pd.testing.assert_frame_equal(both, whole)
    assert likely_drums(both)["file"].unique().tolist() == ["drums.mid", "song.mid"]
