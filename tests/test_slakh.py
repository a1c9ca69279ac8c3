import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from slakh_tracks import STEMS, make_track

from camil.sources.slakh import Slakh

approx = pytest.approx


@pytest.fixture
def redux(tmp_path):
    folder = tmp_path / "slakh"
    paths = ("train/Track00001", "validation/Track01501", "test/Track01876", "omitted/Track00049")
    for i, path in enumerate(paths):
        make_track(folder / path, STEMS, uuid=f"ab{i % 3}")
    return folder


@pytest.fixture
def sample():
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    return Path(os.environ["CAMIL_SHARED"], "data", "slakh_sample")


@pytest.fixture
def whole_sample(sample, tmp_path):
    """The real Track00001, whose recordings are cut to two seconds, filled up with silence."""
    source = sample / "slakh2100_flac_redux" / "train" / "Track00001"
    target = tmp_path / "redux" / "train" / "Track00001"
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755)
    for path in target.glob("stems/*.flac"):
        audio, rate = soundfile.read(path)
        soundfile.write(path, np.pad(audio, (0, 240 * rate)), rate)
    return target.parent.parent


def read(source, name="Track00001"):
    song = next(song for song in source.songs() if song.name == name)
    return {track.track: track for track in source.read(song) if track.segments}


def faults(source, name="Track00001"):
    song = next(song for song in source.songs() if song.name == name)
    return {track.track: track.skipped for track in source.read(song) if track.skipped}


def test_the_redux_split_follows_the_folders_without_omitted(redux):
    songs = Slakh(redux).songs()
    assert [(song.name, song.split) for song in songs] == [
        ("Track00001", "train"), ("Track01501", "validation"), ("Track01876", "test"),
    ]  # fmt: skip


def test_the_original_split_follows_numbers_and_includes_omitted(redux):
    songs = {song.name: song for song in Slakh(redux, split="original").songs()}
    assert {name: song.split for name, song in songs.items()} == {
        "Track00001": "train", "Track00049": "train", "Track01501": "validation",
        "Track01876": "test",
    }  # fmt: skip
    assert songs["Track00001"].group == songs["Track00049"].group == "ab0"  # the same Lakh file
    assert songs["Track01501"].group == "ab1"


def test_a_split_list_splits_a_flat_folder(tmp_path):
    for number in (3, 49, 66, 1600):
        make_track(tmp_path / "flat" / f"Track{number:05d}", {}, uuid=f"x{number}")
    changes = {
        "Track00003": {"action": "move", "source_split": "train", "destination_split": "test"},
        "Track00049": {"action": "omit", "source_split": "train"},
        "Track00066": {"action": None},
    }
    lists = tmp_path / "splits"
    lists.mkdir()
    (lists / "redux.json").write_text(json.dumps(changes))
    (lists / "duplicates.json").write_text("{}")
    songs = Slakh(tmp_path / "flat", split_lists=lists).songs()
    assert [(song.name, song.split) for song in songs] == [
        ("Track00003", "test"), ("Track00066", "train"), ("Track01600", "validation"),
    ]  # fmt: skip
    assert {song.split for song in Slakh(tmp_path / "flat").songs()} == {None}
    with pytest.raises(ValueError, match=r"split list .*redux\.json"):
        Slakh(tmp_path / "flat", split_lists=tmp_path).songs()
    (lists / "duplicates.json").write_text('{"Track00001": "no object"}')
    with pytest.raises(ValueError, match=r"split list .*duplicates\.json"):
        Slakh(tmp_path / "flat", split_lists=lists).songs()


def test_the_published_redux_list_has_the_published_counts(sample, tmp_path):
    for number in range(1, 2101):
        (tmp_path / f"Track{number:05d}").mkdir()
    source = Slakh(tmp_path, split_lists=sample.parent / "slakh_splits")
    splits = [song.split for song in source.songs()]
    assert [splits.count(s) for s in ("train", "validation", "test")] == [1289, 270, 151]


def test_stems_of_the_eight_classes_are_read_with_their_plugin(redux):
    tracks = read(Slakh(redux))
    assert {name: track.instrument for name, track in tracks.items()} == {
        "S00": "Guitar", "S01": "Bass", "S02": "Strings", "S03": "Strings",
    }  # fmt: skip
    assert tracks["S00"].timbre == "S00.nkm"
    assert tracks["S00"].program == 25
    assert tracks["S00"].segments[0].pitch.tolist() == [60, 61, 62, 63]


def test_continued_strings_can_be_left_out(redux):
    assert set(read(Slakh(redux, merge_strings=False))) == {"S00", "S01", "S03"}


def test_the_bass_of_the_stem_is_an_octave_above_the_lakh_file(redux):
    stem, lakh = read(Slakh(redux)), read(Slakh(redux, midi_source="all_src"))
    assert stem["S01"].segments[0].pitch.tolist() == [40, 41, 42, 43]
    assert lakh["S01"].segments[0].pitch.tolist() == [28, 29, 30, 31]
    assert lakh["S00"].segments[0].pitch.tolist() == stem["S00"].segments[0].pitch.tolist()


@pytest.mark.parametrize(("suffix", "rate"), [("flac", 44100), ("wav", 16000)])
def test_audio_is_the_span_of_the_stem_at_the_sample_rate(tmp_path, suffix, rate):
    make_track(tmp_path / "Track00001", STEMS, suffix, rate)
    source = pickle.loads(pickle.dumps(Slakh(tmp_path, sample_rate=12000)))
    track = read(source)["S01"]
    second = track.segments[1]
    assert (second.start_seconds, second.end_seconds) == approx((4, 8))
    audio = track.audio(second)
    time = 4 + np.arange(48000) / 12000
    expected = 0.5 * np.sin(2 * np.pi * 3400 * time) * (time % 1 < 0.9)
    away = (time % 1 > 0.02) & (np.abs(time % 1 - 0.9) > 0.02) & (time % 1 < 0.98)
    np.testing.assert_allclose(audio[away], expected[away], atol=0.01)


def test_segments_beyond_the_end_of_the_recording_are_dropped(tmp_path):
    make_track(tmp_path / "Track00001", STEMS, seconds=6.0)
    assert [s.start_beat for s in read(Slakh(tmp_path))["S00"].segments] == [0]
    shutil.rmtree(tmp_path / "Track00001")
    make_track(tmp_path / "Track00001", STEMS, seconds=7.95)  # after the last note
    assert [s.start_beat for s in read(Slakh(tmp_path))["S00"].segments] == [0, 8]


def test_stems_with_missing_or_broken_files_are_skipped(redux):
    track = redux / "train" / "Track00001"
    (track / "stems" / "S00.flac").unlink()
    (track / "MIDI" / "S01.mid").unlink()
    (track / "stems" / "S02.flac").write_bytes(b"fLaC")
    assert set(read(Slakh(redux))) == {"S03"}
    (track / "MIDI" / "S03.mid").write_bytes(b"MThd")
    assert read(Slakh(redux)) == {}


def test_a_track_without_metadata_raises_with_its_name(redux):
    (redux / "train" / "Track00001" / "metadata.yaml").write_text("stems: [")
    with pytest.raises(ValueError, match=r"metadata\.yaml of Track00001"):
        read(Slakh(redux))
    (redux / "train" / "Track00001" / "metadata.yaml").unlink()
    with pytest.raises(ValueError, match="Track00001 has no readable metadata"):
        read(Slakh(redux))


def test_invalid_arguments_and_folders_raise(tmp_path):
    with pytest.raises(ValueError, match=r"split must be one of .*got 'new'"):
        Slakh(tmp_path, split="new")
    with pytest.raises(ValueError, match=r"midi_source must be one of .*got 'both'"):
        Slakh(tmp_path, midi_source="both")
    with pytest.raises(ValueError, match="contains no TrackNNNNN"):
        Slakh(tmp_path).songs()
    with pytest.raises(ValueError, match="does not exist"):
        Slakh(tmp_path / "nowhere").songs()


def test_the_real_track_has_the_octave_that_slakh_added_to_bass(whole_sample):
    stem = read(Slakh(whole_sample, max_segments_per_track=None))
    lakh = read(Slakh(whole_sample, midi_source="all_src", max_segments_per_track=None))
    assert {name: track.instrument for name, track in stem.items()} == {
        "S00": "Guitar", "S02": "Piano", "S03": "Bass", "S04": "Strings", "S05": "Organ",
        "S07": "Guitar", "S08": "Guitar", "S09": "Organ", "S10": "Organ",
    }  # fmt: skip
    pitches = [np.concatenate([s.pitch for s in t["S03"].segments]) for t in (stem, lakh)]
    assert [(p.min(), p.max()) for p in pitches] == [(47, 58), (26, 43)]
    for name in stem.keys() - {"S03"}:
        for ours, theirs in zip(stem[name].segments, lakh[name].segments, strict=True):
            assert ours.pitch.tolist() == theirs.pitch.tolist()
            assert ours.start_seconds == theirs.start_seconds


def test_unusable_stems_have_a_reason(redux):
    track = redux / "train" / "Track00001"
    (track / "stems" / "S00.flac").unlink()
    (track / "MIDI" / "S01.mid").unlink()
    whole = (track / "stems" / "S02.flac").read_bytes()
    (track / "stems" / "S02.flac").write_bytes(whole[: len(whole) // 2])
    (track / "stems" / "S03.flac").write_bytes(b"fLaC")
    why = faults(Slakh(redux))
    assert why["S00"] == "the stem has no recording"
    assert "S01.mid cannot be read: No such file" in why["S01"]
    assert "S02.flac" in why["S02"]
    assert "S03.flac cannot be read" in why["S03"]
    assert set(why) == {"S00", "S01", "S02", "S03"}  # a synthesizer is not a fault
    assert read(Slakh(redux)) == {}


def test_published_faulty_stems_are_left_out_with_the_reason(tmp_path):
    make_track(tmp_path / "Track01500", {"S12": STEMS["S00"], "S11": STEMS["S01"]})
    source = Slakh(tmp_path)
    assert set(read(source, "Track01500")) == {"S11"}
    assert "single tone" in faults(source, "Track01500")["S12"]


def test_wrong_paths_in_the_metadata_do_not_matter(redux):
    path = redux / "train" / "Track00001" / "metadata.yaml"
    path.write_text(path.read_text() + "\naudio_dir: elsewhere/stems\nmidi_dir: elsewhere/MIDI\n")
    assert set(read(Slakh(redux))) == {"S00", "S01", "S02", "S03"}


def test_duplicates_are_in_the_split_of_the_first(tmp_path):
    for number, uuid in ((4, "ab"), (1600, "ab"), (1939, "ab"), (1700, "cd"), (2000, "cd")):
        make_track(tmp_path / f"Track{number:05d}", {}, uuid=uuid)
    songs = {song.name: song for song in Slakh(tmp_path, split="original").songs()}
    assert {songs[name].split for name in ("Track00004", "Track01600", "Track01939")} == {"train"}
    assert {songs[name].split for name in ("Track01700", "Track02000")} == {"validation"}


@pytest.mark.parametrize("split", ["redux", "original", "split2"])
def test_no_lakh_file_is_in_two_splits(sample, tmp_path, split):
    for number in range(1, 2101):
        (tmp_path / f"Track{number:05d}").mkdir()
    songs = Slakh(tmp_path, split=split, split_lists=sample.parent / "slakh_splits").songs()
    sides = {}
    for song in songs:
        sides.setdefault(song.group, set()).add(song.split)
    assert {len(side) for side in sides.values()} == {1}
    assert len(songs) == {"redux": 1710, "original": 2100, "split2": 2100}[split]


def test_split2_needs_its_lists(tmp_path):
    with pytest.raises(ValueError, match="split2 needs split_lists"):
        Slakh(tmp_path, split="split2")


def test_corpus_without_audio_needs_no_recording(redux):
    shutil.rmtree(redux / "train" / "Track00001" / "stems")
    assert read(Slakh(redux)) == {}
    assert set(read(Slakh(redux, audio=False))) == {"S00", "S01", "S02", "S03"}


def test_real_samples_are_recognized_by_layout(sample):
    (redux,) = Slakh(sample / "slakh2100_flac_redux").songs()
    assert (redux.split, redux.group) == ("train", "1a81ae092884234f3264e2f45927f00a")
    baby = Slakh(sample / "babyslakh_16k")
    with_audio, without = baby.songs()
    assert (with_audio.group, with_audio.split) == (redux.group, None)
    assert not any(track.segments for track in baby.read(with_audio))  # two seconds hold none
    with pytest.raises(ValueError, match="Track00007 has no readable metadata"):
        baby.read(without)
