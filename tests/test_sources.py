"""The interface that every source implements, on small synthetic data sets."""

import json
import pickle

import numpy as np
import pytest
import soundfile
import yaml
from beeps import write_parts

from camil.audio import MelSpectrogram
from camil.corpus.build import write_corpus
from camil.corpus.corpus import Corpus
from camil.corpus.splits import splits_of
from camil.midi.instruments import FAMILIES, read_instruments
from camil.midi.segments import LOWEST_PITCH, PITCHES, SEGMENT_STEPS
from camil.sources import SOURCES, open_source, sound_of
from camil.sources.protocol import SPLITS, first_segment

RATE = 8000
TABLE = """
name: two families
instruments:
  - {name: Bowed, programs: [40-43], default_program: 40, colour: "#000000"}
  - {name: Others, programs: [0-39, 44-127], default_program: 0, colour: "#E69F00"}
"""


def write_midi(path, programs, shift=0):
    pitches = [48 + (7 * i + shift) % 23 for i in range(24)]
    write_parts(path, dict.fromkeys(programs, pitches))


def write_audio(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.1 * np.sin(np.arange(RATE * 14) * 0.2)
    soundfile.write(path, tone, RATE)


def midi(folder):
    for number in range(4):
        write_midi(folder / f"sub/{number}.mid", (40, 73), number)


def slakh(folder):
    for number in range(1, 4):
        track = folder / f"Track{number:05d}"
        stems = {}
        for stem, (name, program) in {"S00": ("Strings", 41), "S01": ("Bass", 33)}.items():
            write_midi(track / f"MIDI/{stem}.mid", (program,), number)
            write_audio(track / f"stems/{stem}.wav")
            stems[stem] = {"inst_class": name, "program_num": program, "is_drum": False}
        (track / "metadata.yaml").write_text(yaml.safe_dump({"UUID": number, "stems": stems}))


def cocochorales(folder):
    for number in (1, 192_001, 216_001):
        track = folder / f"main/string_track{number:06d}"
        programs = {0: 40, 1: 40, 2: 41, 3: 42}
        for voice, program in programs.items():
            write_midi(track / f"stems_MIDI/{voice}_bowed.mid", (program,), number + voice)
            write_audio(track / f"stems_audio/{voice}_bowed.wav")
        about = {"midi_file": f"{number}.mid", "midi_program_number": programs}
        (track / "metadata.yaml").write_text(yaml.safe_dump(about))


FIXTURES = {"midi": midi, "slakh": slakh, "cocochorales": cocochorales, "demo": lambda folder: None}


@pytest.fixture(params=sorted(SOURCES))
def parameters(request, tmp_path):
    """The parameters of 01_preprocess for a tiny data set of each source."""
    folder = tmp_path / "data"
    FIXTURES[request.param](folder)
    return {
        "dataset": request.param,
        "source": str(folder),
        "corpus": str(tmp_path / "corpus"),
        "instruments": "",
        "songs": 3,
        "seed": 0,
        "sample_rate": RATE,
        "max_segments_per_track": 3,
        "audio": True,
    }


def test_songs_are_sorted_unique_and_of_known_splits(parameters):
    songs = open_source(parameters).songs()
    names = [song.name for song in songs]
    assert names == sorted(set(names))
    assert len(names) >= 3
    assert all(song.path.exists() for song in songs)
    assert {song.split for song in songs} <= {*SPLITS, None}
    by_group = {}
    for song in songs:
        assert by_group.setdefault(song.group, song.split) == song.split or song.group is None


def test_tracks_have_classes_programs_segments_and_audio(parameters):
    source = open_source(parameters)
    for song in source.songs():
        tracks = source.read(song)
        names = [track.track for track in tracks]
        assert len(set(names)) == len(names)
        assert any(track.segments for track in tracks)
        for track in tracks:
            if track.skipped:
                assert not track.segments
                continue
            assert track.instrument in source.instruments.names
            assert 0 <= track.program < 128
            assert 1 <= len(track.segments) <= 3
            for segment in track.segments:
                assert (segment.pitch >= LOWEST_PITCH).all()
                assert (segment.pitch < LOWEST_PITCH + PITCHES).all()
                assert (segment.step >= 0).all()
                assert (segment.step + segment.length <= SEGMENT_STEPS).all()
                audio = track.audio(segment)
                seconds = segment.end_seconds - segment.start_seconds
                assert audio.dtype == np.float32
                assert audio.shape == (round(seconds * source.sample_rate),)
                assert np.abs(audio).max() > 0


def test_reading_twice_or_in_another_process_gives_the_same(parameters):
    source = open_source(parameters)
    other = pickle.loads(pickle.dumps(source))
    assert other.songs() == source.songs()
    song = source.songs()[0]
    for first, second in zip(source.read(song), other.read(song), strict=True):
        assert (first.track, first.instrument) == (second.track, second.instrument)
        for one, two in zip(first.segments, second.segments, strict=True):
            np.testing.assert_array_equal(one.pitch, two.pitch)
            np.testing.assert_array_equal(first.audio(one), second.audio(two))
    assert other.sketch(song) == source.sketch(song)


def test_the_description_is_json_with_name_and_licence(parameters):
    source = open_source(parameters)
    description = json.loads(json.dumps(source.description()))
    assert SOURCES[parameters["dataset"]].name == source.name == parameters["dataset"]
    assert description["licence"]
    assert source.instruments == FAMILIES


def test_without_audio_segments_are_silent(parameters):
    source = open_source(parameters | {"audio": False})
    _, track, segment = first_segment(source)
    assert not track.audio(segment).any()


def test_a_missing_folder_raises_with_its_path(parameters, tmp_path):
    if not SOURCES[parameters["dataset"]].reads_folder:
        pytest.skip("this source reads no folder")
    with pytest.raises(ValueError, match="nowhere"):
        open_source(parameters | {"source": str(tmp_path / "nowhere")}).songs()
    with pytest.raises(ValueError, match="source is empty"):
        open_source(parameters | {"source": ""})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty"):
        open_source(parameters | {"source": str(tmp_path / "empty")}).songs()


def test_a_corpus_with_another_instrument_table_has_its_classes(parameters, tmp_path):
    table = tmp_path / "table.yaml"
    table.write_text(TABLE)
    parameters |= {"instruments": str(table)}
    source = open_source(parameters)
    folder = tmp_path / "corpus"
    write_corpus(folder, source, MelSpectrogram(RATE), splits_of, parameters, workers=1)
    corpus = Corpus(folder)
    assert corpus.instruments == read_instruments(table)
    for row, label in zip(corpus.table.itertuples(), corpus.labels.tolist(), strict=True):
        assert row.instrument == corpus.instruments.of_program(row.program)
        assert corpus.instruments.names[label] == row.instrument
    audio, rate = sound_of(corpus.table.iloc[0], corpus.info["parameters"])
    assert rate == RATE
    assert np.abs(audio).max() > 0


def test_cocochorales_takes_split_and_group_from_number_and_midi_file(tmp_path):
    cocochorales(tmp_path)
    songs = SOURCES["cocochorales"](tmp_path).songs()
    assert [song.split for song in songs] == ["train", "validation", "test"]
    assert [song.group for song in songs] == ["1.mid", "192001.mid", "216001.mid"]


def test_cocochorales_skips_a_voice_without_recording(tmp_path):
    cocochorales(tmp_path)
    (tmp_path / "main/string_track000001/stems_audio/2_bowed.wav").unlink()
    source = SOURCES["cocochorales"](tmp_path, sample_rate=RATE)
    tracks = source.read(source.songs()[0])
    assert [bool(track.skipped) for track in tracks] == [False, False, True, False]
    assert "needs one recording" in tracks[2].skipped
    (tmp_path / "main/string_track000001/metadata.yaml").write_text("tempo: 88")
    with pytest.raises(ValueError, match="states no midi_program_number"):
        source.read(source.songs()[0])
