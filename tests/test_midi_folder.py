import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from camil.audio import default_soundfont
from camil.midi.instruments import INSTRUMENTS
from camil.midi.score import MidiError
from camil.midi.versions import groups_of
from camil.sources.midi_folder import MidiFolder
from camil.sources.slakh_bass import as_in_slakh


def write(path, programs=(0,), drums=False, notes=16, shift=0, up=0):
    midi = pretty_midi.PrettyMIDI()
    for program in programs:
        instrument = pretty_midi.Instrument(program, is_drum=drums)
        for i in range(notes):
            pitch = 50 + up + (5 * i + shift) % 20
            instrument.notes.append(pretty_midi.Note(80, pitch, i * 0.5, i * 0.5 + 0.4))
        midi.instruments.append(instrument)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


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


def test_songs_have_names_of_their_own_where_only_the_suffix_differs(folder):
    write(folder / "one.midi")
    names = [song.name for song in MidiFolder(folder).songs()]
    assert "one.mid" in names
    assert "one.midi" in names


def test_without_a_manifest_the_notes_tell_the_groups(folder):
    write(folder / "higher.mid", (25,), shift=2, up=5)
    source = MidiFolder(folder)
    songs = source.songs()
    assert {song.group for song in songs} == {None}
    group = groups_of({song.name: source.sketch(song) for song in songs})
    assert group["copy"] == group["three"] == group["higher"]
    assert group["one"] == group["deep/er/Two"] != group["copy"]


@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_manifest_here_or_up_to_two_levels_up_tells_the_groups(folder, up):
    place = [folder, *folder.parents][up]
    rows = {"one.mid": "g1", "three.mid": "g1", "nowhere.mid": "g2"}
    lines = [f"{(folder / name).relative_to(place)},CC0,{group}" for name, group in rows.items()]
    (place / "manifest.csv").write_text("\n".join(["path,licence,group", *lines]))
    source = MidiFolder(folder)
    group = {song.name: song.group for song in source.songs()}
    assert group == {"one": "g1", "three": "g1", "copy": None, "deep/er/Two": None}
    assert source.description()["licence"] == ["CC0"]


def test_a_manifest_without_the_columns_is_told(folder):
    (folder / "list.csv").write_text("file,group\none.mid,g1\n")
    with pytest.raises(ValueError, match="needs the columns path and group"):
        MidiFolder(folder, manifest=folder / "list.csv").songs()
    with pytest.raises(ValueError, match="does not exist"):
        MidiFolder(folder, manifest=folder / "none.csv").songs()


def test_a_missing_or_empty_folder_and_a_wrong_soundfont_are_told_at_once(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="does not exist"):
        MidiFolder(tmp_path / "nowhere").songs()
    with pytest.raises(ValueError, match="holds no"):
        MidiFolder(tmp_path / "empty").songs()
    with pytest.raises(ValueError, match=r"x\.sf2 is missing"):
        MidiFolder(folder, soundfonts=[tmp_path / "x.sf2"]).songs()


def test_tracks_carry_their_class_and_sound(folder):
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
    write(tmp_path / "a.mid", (0,), drums=True)
    write(tmp_path / "b.mid", (8, 13, 80, 98, 112, 127))
    write(tmp_path / "c.mid", (0,), notes=7)
    write(tmp_path / "d.mid", (0,), notes=8)
    source = MidiFolder(tmp_path)
    assert [len(source.read(song)) for song in source.songs()] == [0, 0, 0, 1]


def test_a_broken_file_is_told_when_it_is_read(folder):
    (folder / "broken.mid").write_bytes(b"MThd")
    source = MidiFolder(folder)
    song = next(song for song in source.songs() if song.name == "broken")
    with pytest.raises(MidiError, match=r"broken\.mid"):
        source.read(song)


def test_soundfonts_are_drawn_by_seed_and_name_alone(tmp_path):
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


def test_bass_is_moved_by_octaves_as_slakh_does_and_nothing_else(folder):
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


def test_bass_is_moved_to_where_slakh_itself_has_it():
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


@pytest.mark.parametrize(("written", "moved"), [(28, 52), (23, 47), (34, 58), (35, 47), (79, 91),
                                                (80, 80), (91, 91), (92, 80)])  # fmt: skip
def test_notes_below_35_go_up_and_those_above_79_down(written, moved):
    assert as_in_slakh(np.array([written])).tolist() == [moved]
