"""Songs of the demonstration corpus, against rules of orchestration and the MIDI format."""

import csv
import pickle
from collections import Counter

import mido
import pytest

from camil import composer
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM, INSTRUMENTS
from camil.midi.score import read_midi
from camil.midi.segments import segments_of
from camil.sources.demo import Demo

SONGS = 60
# Sounding ranges by General MIDI program, from orchestration textbooks (whole ensembles: their
# lowest and highest member), written down apart from the composer's own.
RANGES = {
    **dict.fromkeys(range(0, 6), (21, 108)),  # pianos
    **dict.fromkeys((6, 7), (29, 89)),  # harpsichord, clavinet
    **dict.fromkeys(range(16, 21), (36, 96)),  # organs
    **{21: (41, 93), 22: (60, 96), 23: (36, 95)},  # accordion, harmonica, bandoneon
    **dict.fromkeys(range(24, 31), (40, 88)),  # guitars
    **dict.fromkeys(range(32, 40), (28, 67)),  # basses
    **{40: (55, 103), 41: (48, 91), 42: (36, 76), 43: (28, 67), 45: (28, 103), 46: (24, 103)},
    **dict.fromkeys((44, 48, 49, 50, 51), (28, 103)),  # string sections
    **{52: (40, 84)},  # choir
    **{56: (52, 85), 57: (40, 72), 58: (26, 65), 59: (52, 85), 60: (35, 77)},
    **dict.fromkeys((61, 62, 63), (26, 85)),  # brass sections
    **{64: (56, 88), 65: (49, 81), 66: (44, 76), 67: (36, 69)},  # saxophones
    **{68: (58, 91), 69: (52, 81), 70: (34, 75), 71: (50, 94)},  # oboe to clarinet
    **{72: (74, 108), 73: (59, 98), 74: (65, 98), 75: (55, 96), 76: (48, 96)},
    **{77: (50, 88), 78: (60, 108), 79: (60, 100)},
}
SECTION_PROGRAMS = {44, 48, 49, 50, 51, 52, 61, 62, 63}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return Demo(tmp_path_factory.mktemp("demo") / "songs", songs=SONGS, seed=3)


@pytest.fixture(scope="module")
def compositions():
    return [composer.compose(3, index) for index in range(1, SONGS + 1)]


@pytest.fixture(scope="module")
def manifest(demo):
    with open(demo.folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def melodic(composition):
    return [track for track in composition.midi.instruments if not track.is_drum]


def test_the_same_seed_gives_the_same_bytes(demo, tmp_path):
    again = Demo(tmp_path / "again", songs=4, seed=3)
    for name in ("song-001.mid", "song-002.mid", "song-004.mid"):
        assert (again.folder / name).read_bytes() == (demo.folder / name).read_bytes()


def test_another_seed_or_index_gives_another_song(demo, tmp_path):
    other = Demo(tmp_path / "other", songs=3, seed=4)
    contents = [path.read_bytes() for path in demo.folder.glob("*.mid")]
    contents += [path.read_bytes() for path in other.folder.glob("*.mid")]
    assert len(set(contents)) == SONGS + 3


def test_the_manifest_lists_every_song_as_its_own_group(demo, manifest):
    assert [row["path"] for row in manifest] == [f"song-{i:03d}.mid" for i in range(1, SONGS + 1)]
    assert {row["path"] for row in manifest} == {p.name for p in demo.folder.glob("*.mid")}
    assert len({row["group"] for row in manifest}) == SONGS
    assert all(all(row.values()) for row in manifest)
    assert [song.name for song in demo.songs()] == [row["path"][:-4] for row in manifest]
    assert len({song.group for song in demo.songs()}) == SONGS


def test_files_have_the_tempo_and_metre_of_the_manifest(demo, manifest):
    for row in manifest:
        messages = [m for track in mido.MidiFile(demo.folder / row["path"]).tracks for m in track]
        tempi = [mido.tempo2bpm(m.tempo) for m in messages if m.type == "set_tempo"]
        metres = [f"{m.numerator}/{m.denominator}" for m in messages if m.type == "time_signature"]
        assert tempi == [pytest.approx(float(row["tempo"]), abs=0.01)]
        assert metres == [row["metre"]]


def test_styles_keys_tempi_and_metres_vary(manifest):
    assert len({row["style"] for row in manifest}) >= 9
    assert len({row["key"].split()[0] for row in manifest}) == 12
    assert len({row["tempo"] for row in manifest}) >= 25
    assert {"4/4", "3/4", "6/8"} <= {row["metre"] for row in manifest}


def test_every_class_is_in_many_songs(demo):
    songs, segments = Counter(), Counter()
    for song in demo.songs():
        tracks = demo.read(song)
        songs.update({track.instrument for track in tracks})
        for track in tracks:
            segments[track.instrument] += len(track.segments)
    assert set(songs) == set(INSTRUMENTS)
    assert min(songs.values()) >= 0.15 * SONGS
    assert max(segments.values()) <= 3 * min(segments.values())


def test_songs_have_plausible_ensembles_and_lengths(compositions):
    for composition in compositions:
        tracks = melodic(composition)
        assert 3 <= len(tracks) <= 6
        assert len({INSTRUMENT_OF_PROGRAM[t.program] for t in tracks}) >= 2
        measure = measure_of(composition.metre)
        assert 16 <= composition.chords[-1].end / measure <= 32


def measure_of(metre):
    numerator, denominator = map(int, metre.split("/"))
    return 4 * numerator / denominator


def test_notes_are_within_the_ranges_of_their_instruments(compositions):
    for composition in compositions:
        for track in melodic(composition):
            low, high = RANGES[track.program]
            assert low <= min(n.pitch for n in track.notes), track
            assert max(n.pitch for n in track.notes) <= high, track


def test_notes_of_one_pitch_do_not_overlap(compositions):
    for composition in compositions:
        for track in composition.midi.instruments:
            ends = {}
            for note in sorted(track.notes, key=lambda n: n.start):
                assert note.end > note.start >= ends.get(note.pitch, 0.0)
                ends[note.pitch] = note.end


def test_the_bass_plays_the_written_bass_note_on_most_downbeats(compositions):
    right = played = 0
    for composition in compositions:
        measure, second = measure_of(composition.metre), 60 / composition.tempo
        for track in melodic(composition):
            if INSTRUMENT_OF_PROGRAM[track.program] != "Bass":
                continue
            for note in track.notes:
                beat = note.start / second
                if abs(beat / measure - round(beat / measure)) * measure > 0.1:
                    continue
                chord = next(c for c in reversed(composition.chords) if c.start <= beat + 0.12)
                played += 1
                right += note.pitch % 12 == chord.chord.bass
    assert played > 300
    assert right / played > 0.8


def test_held_notes_are_mostly_tones_of_the_chord(compositions):
    consonant = total = 0.0
    for composition in compositions:
        second = 60 / composition.tempo
        for track in melodic(composition):
            for note in track.notes:
                length = (note.end - note.start) / second
                if length < 0.7:
                    continue
                middle = (note.start / second) + min(length, 0.5) / 2
                chord = next(c for c in reversed(composition.chords) if c.start <= middle)
                total += length
                consonant += length * (note.pitch % 12 in chord.chord.tones)
    assert consonant / total > 0.85


def test_parts_vary_through_a_song(demo):
    tracks = full = 0
    for song in demo.songs():
        score = read_midi(song.path)
        for track in score.tracks:
            if track.is_drum:
                continue
            coarse = {  # on a grid of sixteenths, so that human timing does not count as variety
                tuple(
                    sorted({(round(step / 6), p) for step, p in zip(s.step, s.pitch, strict=True)})
                )
                for s in segments_of(track, score, None)
            }
            tracks += 1
            full += len(coarse) >= 4
    assert full / tracks > 0.9


def test_monophonic_wind_parts_have_rests_to_breathe(compositions):
    for composition in compositions:
        second = 60 / composition.tempo
        for track in melodic(composition):
            family = INSTRUMENT_OF_PROGRAM[track.program]
            if family not in ("Pipe", "Reed", "Brass") or track.program in SECTION_PROGRAMS:
                continue
            began = end = 0.0
            for note in sorted(track.notes, key=lambda n: n.start):
                if note.start > end + 0.12 * second:
                    began = note.start
                end = max(end, note.end)
                assert (end - began) / second < 26, (track.name, composition.style)


def test_composing_again_keeps_the_files_and_another_number_replaces_them(tmp_path):
    folder = tmp_path / "songs"
    Demo(folder, songs=2)
    before = (folder / "song-001.mid").stat().st_mtime_ns
    Demo(folder, songs=2)
    assert (folder / "song-001.mid").stat().st_mtime_ns == before
    assert len(Demo(folder, songs=1).songs()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


def test_a_folder_with_other_files_raises_and_is_unchanged(tmp_path):
    (tmp_path / "my-symphony.mid").write_bytes(b"mine")
    with pytest.raises(ValueError, match="not demonstration songs"):
        Demo(tmp_path, songs=1)
    assert (tmp_path / "my-symphony.mid").read_bytes() == b"mine"


def test_an_interrupted_composer_leaves_no_files(tmp_path, monkeypatch):
    def interrupted(seed, index):
        raise KeyboardInterrupt

    monkeypatch.setattr("camil.sources.demo.composer.compose", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Demo(tmp_path / "songs", songs=2)
    assert list(tmp_path.iterdir()) == []


def test_a_pickled_source_does_not_compose_again(demo):
    travelled = pickle.loads(pickle.dumps(demo))
    assert travelled.songs() == demo.songs()
    assert travelled.description() == demo.description()
    assert "demonstration" in demo.description()["note"]


def test_zero_songs_raises_with_the_number(tmp_path):
    with pytest.raises(ValueError, match="got 0"):
        Demo(tmp_path / "songs", songs=0)
