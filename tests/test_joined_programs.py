"""Instruments and volumes that copies of transcriptions play, read with mido as a player does."""

import warnings

import mido
import pandas as pd
import pytest
from midi_tracks import played, track_of, write_file

from camil import write_labelled
from camil.labelling.joined_files import write_joined
from camil.labelling.transcriptions import per_track

FIRST = [(0, 480, 60), (960, 1440, 62)]
HITS = [(0, 240, 36), (480, 720, 38)]


def without_program(track):
    return [(tick, message) for tick, message in track if message.type != "program_change"]


def stated(path):
    """The programs that each track states."""
    tracks = mido.MidiFile(path).tracks
    return [{one.program for one in track if one.type == "program_change"} for track in tracks]


def joined_copy(path, labels=(), joined=(), drums=()):
    """The copy of a file, and the notes that were issued; labels and groups are by part name."""
    tracks = pd.DataFrame(dict(labels).items(), columns=["track", "predicted"])
    merges = pd.DataFrame([(names[0], names) for names in joined], columns=["part", "tracks"])
    copy = path.with_name("copy.mid")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_joined(path, tracks, copy, merges, pd.DataFrame({"track": list(drums)}))
    return copy, [str(one.message) for one in caught]


@pytest.mark.parametrize("program", [48, 0])  # of the first track
def test_part_keeps_the_program_that_a_joined_track_states_for_it(tmp_path, program):
    path = write_file(
        tmp_path / "song.mid",
        track_of("a", 3, FIRST, program),
        track_of("b", 5, [(1920, 2400, 65)], 48),
        without_program(track_of("c", 5, [(2400, 2880, 41)])),
    )
    copy, _ = joined_copy(path, {"00-a": "uncertain"}, [["00-a", "01-b"]])
    before, after = played(path), played(copy)
    assert before[3] == (2400, 41, 48, 100)
    assert before[2] == (1920, 65, 48, 100)
    assert after == [*before[:2], (1920, 65, program, 100), before[3]]


def test_part_keeps_the_program_that_a_drum_track_states_for_it(tmp_path):
    path = write_file(
        tmp_path / "song.mid",
        track_of("kit", 3, HITS, 48),
        without_program(track_of("c", 3, [(2400, 2880, 41)])),
    )
    copy, _ = joined_copy(path, drums=["00-kit"])
    assert played(path) == [(0, 36, 48, 100), (480, 38, 48, 100), (2400, 41, 48, 100)]
    expected = [(0, 36, "drums 0", 100), (480, 38, "drums 0", 100), (2400, 41, 48, 100)]
    assert played(copy) == expected


@pytest.mark.parametrize("is_drum", [False, True])
def test_programs_and_volumes_of_other_channels_stay_on_them(tmp_path, is_drum):
    setup = [
        (0, mido.Message("program_change", channel=8, program=24)),
        (0, mido.Message("control_change", channel=8, control=7, value=50)),
    ]
    path = write_file(
        tmp_path / "song.mid",
        track_of("a", 3, FIRST, 40),
        [*setup, *track_of("b", 5, [(480, 720, 38)], 40)],
        without_program(track_of("c", 8, [(2400, 2880, 41)])),
    )
    chosen = {"drums": ["01-b"]} if is_drum else {"joined": [["00-a", "01-b"]]}
    copy, notes = joined_copy(path, **chosen)
    assert notes == []
    expected = played(path)
    assert expected[1] == (480, 38, 40, 100)
    assert expected[3] == (2400, 41, 24, 50)
    if is_drum:
        expected[1] = (480, 38, "drums 0", 100)
    assert played(copy) == expected


@pytest.mark.parametrize("second", [(1920, 2400), (0, 480)])  # after or before the first track
@pytest.mark.parametrize("changed", ["a", "b"])
@pytest.mark.parametrize(("predicted", "program"), [("Pipe", 73), ("uncertain", 40)])
def test_unused_program_changes_do_not_take_over_the_joined_part(
    tmp_path, second, changed, predicted, program
):
    late = [(6000, 6480, 62)]  # in the other track, after the unused change
    tracks = {
        "a": track_of("a", 3, [(960, 1440, 60), *(late if changed == "b" else [])], 40),
        "b": track_of("b", 5, [(*second, 65), *(late if changed == "a" else [])], 0),
    }
    change = mido.Message("program_change", channel={"a": 3, "b": 5}[changed], program=11)
    tracks[changed].insert(0, (0, change))  # replaced by the next one
    tracks[changed].append((5000, change))
    path = write_file(tmp_path / "song.mid", *tracks.values())
    copy, _ = joined_copy(path, {"00-a": predicted}, [["00-a", "01-b"]])
    assert [note[:3] for note in played(copy)] == [
        (tick, pitch, program) for tick, pitch, _, _ in played(path)
    ]


def test_part_keeps_the_unused_program_of_a_joined_track(tmp_path):
    change = mido.Message("program_change", channel=3, program=11)
    path = write_file(
        tmp_path / "song.mid",
        [*track_of("a", 3, FIRST, 40), (1440, change)],
        track_of("b", 5, [(1920, 2400, 65)], 40),
        without_program(track_of("c", 3, [(2400, 2880, 41)])),
    )
    copy, _ = joined_copy(path, joined=[["00-a", "01-b"]])
    assert [note[2] for note in played(path)] == [40, 40, 40, 11]
    assert played(copy) == played(path)


def test_joined_tracks_without_programs_play_that_of_their_label(tmp_path):
    path = write_file(
        tmp_path / "song.mid",
        without_program(track_of("a", 3, [(960, 1440, 60)])),
        without_program(track_of("b", 5, [(0, 480, 65), (1920, 2400, 65)])),
        [(0, mido.Message("program_change", channel=5, program=73))],
    )
    copy, _ = joined_copy(path, {"00-a": "Pipe"}, [["00-a", "01-b"]])
    assert [note[2] for note in played(copy)] == [73, 73, 73]


@pytest.mark.parametrize(
    ("volume", "moves"), [([(0, 7, 120)], True), ([(0, 7, 30)], False), ([], False)]
)
def test_drums_of_the_file_keep_kit_and_volume(tmp_path, volume, moves):
    path = write_file(
        tmp_path / "song.mid",
        track_of("kit", 9, HITS, 25, controls=[(0, 7, 120)]),
        track_of("hat", 3, [(0, 240, 42), (240, 480, 42)], 11, controls=volume),
    )
    copy, notes = joined_copy(path, drums=["01-hat"])
    if moves:
        assert notes == []
        assert {note[2:] for note in played(copy)} == {("drums 25", 120)}
        assert [note[:2] for note in played(copy)] == [note[:2] for note in played(path)]
    else:
        assert notes == [f"{path}: these tracks could not be joined or moved: 01-hat"]
        assert played(copy) == played(path)


@pytest.mark.parametrize(
    ("first", "second", "moves"),
    [
        ([], [], True),
        ([(0, 7, 90)], [(0, 7, 90)], True),
        ([(0, 7, 90)], [(0, 7, 30)], False),
        ([(0, 7, 90), (300, 7, 30)], [(0, 7, 90), (300, 7, 30)], False),
    ],
)
def test_moved_drums_keep_their_volumes(tmp_path, first, second, moves):
    path = write_file(
        tmp_path / "song.mid",
        track_of("kit", 3, HITS, 25, controls=first),
        track_of("hat", 5, [(0, 240, 42), (240, 480, 42)], 11, controls=second),
    )
    copy, notes = joined_copy(path, drums=["00-kit", "01-hat"])
    assert len(notes) == (not moves)
    kits = {42: "drums 0" if moves else 11, 36: "drums 0", 38: "drums 0"}
    assert played(copy) == [(tick, pitch, kits[pitch], v) for tick, pitch, _, v in played(path)]


TRUMPET, BRASS = 56, 61


@pytest.mark.parametrize(
    ("predicted", "first", "second", "expected"),
    [
        ("Brass", TRUMPET, 0, {TRUMPET}),
        ("Brass", 0, TRUMPET, {BRASS}),
        ("Brass", None, TRUMPET, {BRASS}),
        ("Brass", TRUMPET, None, {TRUMPET}),
        ("Brass", 0, 40, {BRASS}),
        ("uncertain", TRUMPET, 0, {TRUMPET, 0}),
        ("other", 11, 40, {11, 40}),
    ],
)
def test_tracks_of_a_labelled_part_play_one_program(tmp_path, predicted, first, second, expected):
    tracks = track_of("a", 3, FIRST, first or 0), track_of("b", 5, [(480, 960, 65)], second or 0)
    tracks = [
        without_program(track) if program is None else track
        for track, program in zip(tracks, (first, second), strict=True)
    ]
    path = write_file(tmp_path / "song.mid", *tracks)
    labels = pd.DataFrame(
        {"track": ["00-a"], "predicted": [predicted], "suggested_program": [BRASS]}
    )
    merges = pd.DataFrame({"part": ["00-a"], "tracks": [["00-a", "01-b"]]})
    copy = tmp_path / "copy.mid"
    changed = write_labelled(path, per_track(labels, merges), copy)
    assert {program for _, _, program, _ in played(copy)} == expected
    assert changed == sum(
        one != other for one, other in zip(stated(path), stated(copy), strict=True)
    )
    if len(expected) == 2:
        assert played(copy) == played(path)
        expected = {first}
    no_drums = pd.DataFrame(columns=["track"])
    changed = write_joined(path, labels, tmp_path / "joined.mid", merges, no_drums)
    assert [{program} for program in expected] == stated(tmp_path / "joined.mid")
    assert changed == sum({program} != expected for program in (first, second))
