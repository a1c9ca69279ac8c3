import errno
import os
import pickle
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
from beeps import make, write_parts

from camil.audio import default_soundfont
from camil.corpus import summary
from camil.midi.instruments import INSTRUMENTS
from camil.midi.score import MidiError
from camil.midi.versions import groups_of
from camil.sources.midi_folder import MidiFolder
from camil.sources.slakh_bass import as_in_slakh


def write(path, programs=(0,), notes=16, shift=0, up=0):
    pitches = [50 + up + (5 * i + shift) % 20 for i in range(notes)]
    write_parts(path, dict.fromkeys(programs, pitches))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a" / "music"
    write(folder / "one.mid", (0, 73))
    write(folder / "deep" / "er" / "Two.MIDI", (33, 48), shift=1)
    write(folder / "three.mid", (25,), shift=2)
    write(folder / "copy.mid", (25,), shift=2)
    (folder / "readme.txt").write_text("not music")
    (folder / "folder.mid").mkdir()
    return folder


def test_every_midi_file_below_the_folder_is_a_song(folder):
    songs = MidiFolder(folder).songs()
    assert [song.name for song in songs] == ["copy", "deep/er/Two", "one", "three"]
    assert all(song.split is None for song in songs)


def test_names_include_the_suffix_if_only_it_differs(folder):
    write(folder / "one.midi")
    names = [song.name for song in MidiFolder(folder).songs()]
    assert "one.mid" in names
    assert "one.midi" in names


def test_karaoke_and_riff_files_are_songs(tmp_path):
    for name in ("a.kar", "b.RMI", "c.txt"):
        write(tmp_path / name)
    assert [song.name for song in MidiFolder(tmp_path).songs()] == ["a", "b"]


def test_links_to_files_are_read_and_links_to_folders_are_not_followed(folder, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "deep").symlink_to(folder / "deep")
    with pytest.raises(ValueError, match="links to folders are not followed"):
        MidiFolder(tmp_path / "links").songs()
    (tmp_path / "links" / "one.mid").symlink_to(folder / "one.mid")
    assert [song.name for song in MidiFolder(tmp_path / "links").songs()] == ["one"]


def test_a_folder_that_cannot_be_read_is_reported(folder, monkeypatch):
    scandir = os.scandir
    locked = folder / "deep"

    def scan(path):  # root can read every folder
        if os.fspath(path) == str(locked):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.warns(UserWarning, match="deep cannot be read: Permission denied; its files"):
        names = [song.name for song in MidiFolder(folder).songs()]
    assert names == ["copy", "one", "three"]
    with pytest.raises(ValueError, match="deep cannot be read: Permission denied"):
        MidiFolder(locked).songs()


def test_names_include_every_suffix_if_two_would_be_equal_otherwise(tmp_path):
    for name in ("a.mid", "a.midi", "a.mid.mid", "b.mid"):
        write(tmp_path / name)
    names = [song.name for song in MidiFolder(tmp_path).songs()]
    assert names == ["a.mid", "a.mid.mid", "a.midi", "b.mid"]


def test_without_a_manifest_songs_are_grouped_by_notes(folder):
    write(folder / "higher.mid", (25,), shift=2, up=5)
    source = MidiFolder(folder)
    songs = source.songs()
    assert {song.group for song in songs} == {None}
    group = groups_of({song.name: source.sketch(song) for song in songs})
    assert group["copy"] == group["three"] == group["higher"]
    assert group["one"] == group["deep/er/Two"] != group["copy"]


def test_a_missing_or_empty_folder_or_soundfont_raises_before_reading(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="does not exist"):
        MidiFolder(tmp_path / "nowhere").songs()
    with pytest.raises(ValueError, match="contains no"):
        MidiFolder(tmp_path / "empty").songs()
    with pytest.raises(ValueError, match=r"x\.sf2 is missing"):
        MidiFolder(folder, soundfonts=[tmp_path / "x.sf2"]).songs()


def test_tracks_have_their_class_and_audio(folder):
    source = MidiFolder(folder)
    song = next(song for song in source.songs() if song.name == "one")
    piano, flute = source.read(song)
    assert (piano.instrument, piano.program, flute.instrument, flute.program) == (
        "Piano", 0, "Pipe", 73,
    )  # fmt: skip
    assert piano.timbre == "TimGM6mb"
    for segment in flute.segments:
        audio = flute.audio(segment)
        seconds = segment.end_seconds - segment.start_seconds
        assert audio.shape == (round(seconds * 24000),)
        assert np.abs(audio).max() > 0.01


def test_drums_other_programs_and_tracks_of_few_notes_are_left_out(tmp_path):
    write(tmp_path / "a.mid", (None,))  # drums
    write(tmp_path / "b.mid", (8, 13, 80, 98, 112, 127))
    write(tmp_path / "c.mid", (0,), notes=7)
    write(tmp_path / "d.mid", (0,), notes=8)
    source = MidiFolder(tmp_path)
    assert [len(source.read(song)) for song in source.songs()] == [0, 0, 0, 1]


def test_reading_a_broken_file_raises_with_its_name(folder):
    (folder / "broken.mid").write_bytes(b"MThd")
    source = MidiFolder(folder)
    song = next(song for song in source.songs() if song.name == "broken")
    with pytest.raises(MidiError, match=r"broken\.mid"):
        source.read(song)


def test_soundfonts_depend_only_on_seed_and_names(tmp_path):
    other = tmp_path / "Other.sf2"
    other.write_bytes(default_soundfont().read_bytes())
    for i in range(20):
        write(tmp_path / "m" / f"{i:02d}.mid", (0, 25, 40), shift=i)

    def timbres(seed):
        source = MidiFolder(tmp_path / "m", [default_soundfont(), other], seed=seed)
        source = pickle.loads(pickle.dumps(source))
        return {
            (song.name, track.track): track.timbre
            for song in source.songs()
            for track in source.read(song)
        }

    first = timbres(0)
    assert min(Counter(first.values()).values()) > 15
    assert timbres(1) != first
    for i in range(10):
        (tmp_path / "m" / f"{i:02d}.mid").unlink()
    rest = timbres(0)
    assert rest == {key: first[key] for key in rest}


def test_real_files_are_read():
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    folder = Path(os.environ["CAMIL_SHARED"], "data", "midi", "copyleft")
    source = MidiFolder(folder, max_segments_per_track=2)
    songs = source.songs()
    assert len(songs) == 720
    assert len({song.group for song in songs}) < 720  # some works have several files
    for song in songs[::60]:
        for track in source.read(song):
            assert track.instrument in INSTRUMENTS
            assert 1 <= len(track.segments) <= 2
            assert np.isfinite(track.audio(track.segments[0])).all()


def test_only_bass_is_moved_by_octaves(folder):
    write(folder / "bass.mid", (33,), up=-30)  # 20 to 39
    written, moved = (
        {part.track: part for part in source.read(song)}
        for source in (
            MidiFolder(folder, audio=False),
            MidiFolder(folder, audio=False, slakh_bass=True),
        )
        for song in source.songs()
        if song.name == "bass"
    )
    (before,), (after,) = written.values(), moved.values()
    assert {int(p) % 12 for s in before.segments for p in s.pitch} <= {
        int(p) % 12 for s in after.segments for p in s.pitch
    }
    for segment in after.segments:
        for pitch in segment.pitch:
            assert 47 <= pitch <= 91
    two = next(song for song in MidiFolder(folder).songs() if song.name == "one")
    same = [MidiFolder(folder, slakh_bass=moved).read(two) for moved in (False, True)]
    for a, b in zip(*same, strict=True):
        assert [s.pitch.tolist() for s in a.segments] == [s.pitch.tolist() for s in b.segments]


def test_moved_bass_equals_that_of_a_slakh_stem():
    shared = os.environ.get("CAMIL_SHARED")
    if not shared:
        pytest.skip("CAMIL_SHARED does not name the folder with a real Slakh track")
    track = Path(shared, "data/slakh_sample/slakh2100_flac_redux/train/Track00001")
    stem = pretty_midi.PrettyMIDI(str(track / "MIDI/S03.mid")).instruments[0]
    sources = pretty_midi.PrettyMIDI(str(track / "all_src.mid")).instruments
    (written,) = [i for i in sources if 32 <= i.program < 40 and not i.is_drum]
    assert len(stem.notes) == 361
    pitches = [np.array([note.pitch for note in i.notes]) for i in (written, stem)]
    assert as_in_slakh(pitches[0]).tolist() == pitches[1].tolist()


def test_a_manifest_can_replace_a_folder(folder):
    lines = ["path,group,split,licence", "one.mid,g1,test,CC0", "deep/er/Two.MIDI,g2,train,MIT"]
    (folder / "some.csv").write_text("\n".join(lines))
    source = MidiFolder(folder / "some.csv")
    assert [(song.name, song.group, song.split) for song in source.songs()] == [
        ("deep/er/Two", "g2", "train"),
        ("one", "g1", "test"),
    ]
    assert source.description()["licence"] == ["CC0", "MIT"]
    assert all(source.read(song) for song in source.songs())


def test_versions_of_one_group_share_the_split_of_the_first(folder):
    rows = ["copy.mid,g1,", "one.mid,g1,test", "three.mid,g1,train"]
    (folder / "manifest.csv").write_text("\n".join(["path,group,split", *rows]))
    songs = {song.name: song.split for song in MidiFolder(folder).songs()}
    assert songs == {"copy": "test", "one": "test", "three": "test", "deep/er/Two": None}


def without_program(path):
    """A file of two parts, of which the second states no program."""
    write(path, (40, 73))
    midi = mido.MidiFile(path)
    midi.tracks[2][:] = [message for message in midi.tracks[2] if message.type != "program_change"]
    midi.save(path)


def test_a_track_without_a_program_is_skipped_as_of_unknown_instrument(tmp_path):
    without_program(tmp_path / "m" / "a.mid")
    (violin, unknown) = MidiFolder(tmp_path / "m").read(MidiFolder(tmp_path / "m").songs()[0])
    assert (violin.instrument, violin.skipped) == ("Strings", "")
    assert unknown.skipped.startswith("instrument unknown")
    assert not unknown.segments
    information = make(tmp_path / "m", tmp_path / "c", whole_tracks=True)
    assert information["unknown_instruments"] == information["skipped_tracks"] == 1
    assert set(pd.read_parquet(tmp_path / "c/segments.parquet")["instrument"]) == {"Strings"}
    (reason,) = summary.skipped(tmp_path / "c").index
    assert reason.startswith("instrument unknown")


def test_damaged_files_are_taken_with_a_warning_if_repair_is_on(folder, tmp_path):
    damaged = folder / "damaged.mid"
    damaged.write_bytes((folder / "one.mid").read_bytes()[:-1])
    strict = make(folder, tmp_path / "strict")
    (entry,) = pd.read_csv(tmp_path / "strict/skipped.csv").to_dict("records")
    assert entry["song"] == "damaged"
    assert len(pd.read_csv(tmp_path / "strict/warnings.csv")) == strict["repaired"] == 0
    lenient = make(folder, tmp_path / "lenient", repair=True)
    assert lenient["repaired"] == 1
    assert lenient["songs"] == strict["songs"] + 1
    warnings = pd.read_csv(tmp_path / "lenient/warnings.csv")
    assert set(warnings["song"]) == {"damaged"}
    assert list(warnings.columns) == ["song", "file", "track", "offset", "what", "done"]
    assert summary.repaired(tmp_path / "lenient")["songs"].tolist() == [1] * len(warnings)
    assert len(summary.repaired(tmp_path / "strict")) == 0


def test_the_file_of_a_song_is_parsed_once_for_tracks_and_sketch(folder, monkeypatch):
    source = MidiFolder(folder, audio=False)
    song = source.songs()[0]
    source.read(song)
    monkeypatch.setattr("camil.sources.midi_folder.read_midi", None)
    assert source.sketch(song)


@pytest.mark.parametrize(("written", "moved"), [(28, 52), (23, 47), (34, 58), (35, 47), (79, 91),
                                                (80, 80), (91, 91), (92, 80)])  # fmt: skip
def test_bass_notes_are_folded_into_35_to_79_and_moved_up(written, moved):
    assert as_in_slakh(np.array([written])).tolist() == [moved]
