import os

import numpy as np
import pandas as pd
import pytest
from beeps import Loudness, content, make, write

from camil.corpus import build as preprocessing
from camil.corpus import parts
from camil.corpus.build import shard_of
from camil.corpus.corpus import Corpus
from camil.sources.midi_folder import MidiFolder
from camil.sources.protocol import Song, TrackSegments
from camil.workbook.lock import FolderInUseError, locked


def test_a_corpus_contains_the_segments_of_its_source(folder, tmp_path):
    information = make(folder, tmp_path / "c", max_segments_per_track=2)
    source = MidiFolder(folder, max_segments_per_track=2)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    row = 0
    for song in source.songs():
        if "damaged" in song.name:
            continue
        for track in source.read(song):
            for segment in track.segments:
                assert (table["song"][row], table["track"][row]) == (song.name, track.track)
                assert table["pitch"][row].tolist() == segment.pitch.tolist()
                assert table["mel"][row] == row
                row += 1
    assert row == len(table) == information["segments"] == 9 * 3 * 2
    mels = np.load(tmp_path / "c" / "mels.npy", mmap_mode="r")
    assert mels.shape == (row, 128, 282)
    samples = 24_000 * (table["end_seconds"] - table["start_seconds"])
    np.testing.assert_array_equal(mels[:, 0, 0], -(samples.round().astype(int) % 80))
    assert len(Corpus(tmp_path / "c")) == row
    assert not (tmp_path / "c" / ".making").exists()


def test_skipped_songs_are_listed_with_the_reason(folder, tmp_path):
    information = make(folder, tmp_path)
    (entry,) = pd.read_csv(tmp_path / "skipped.csv", keep_default_na=False).to_dict("records")
    assert entry["song"] == "4-damaged"
    assert entry["track"] == ""
    assert "does not begin like a MIDI file" in entry["why"]
    assert information["skipped"] == 1


def test_two_processes_write_the_same_corpus(folder, tmp_path, whole):
    make(folder, tmp_path, workers=2)
    assert content(tmp_path) == whole


def test_shards_in_any_order_write_the_same_corpus(folder, tmp_path, whole):
    for shard in ("3/3", "1/3", "2/3"):
        counts = make(folder, tmp_path, shard)
        assert counts["songs"] > 0
        assert not (tmp_path / "corpus.json").exists()
    make(folder, tmp_path)
    assert content(tmp_path) == whole


def test_a_shard_of_another_form_raises():
    assert shard_of("") == (1, 1)
    assert shard_of("3/8") == (3, 8)
    for wrong in ("3", "0/8", "9/8", "a/b", "3/8/2", "-1/8"):
        with pytest.raises(ValueError, match="like 3/8"):
            shard_of(wrong)


def test_a_complete_corpus_is_not_built_again(folder, tmp_path, monkeypatch, capsys):
    first = make(folder, tmp_path)
    monkeypatch.setattr(preprocessing, "in_parallel", None)
    assert make(folder, tmp_path) == first
    assert "exists already" in capsys.readouterr().out


def test_a_changed_file_leads_to_another_corpus(folder, tmp_path):
    copy = tmp_path / "music"
    copy.mkdir()
    for seed in range(3):
        write(copy / f"{seed}.mid", seed)
    first = make(copy, tmp_path / "c")
    write(copy / "1.mid", 77)
    assert make(copy, tmp_path / "c")["sha256"] != first["sha256"]


def test_two_runs_on_one_corpus_exclude_each_other(folder, tmp_path):
    with (
        locked(tmp_path / ".lock"),
        pytest.raises(FolderInUseError, match=f"written by process {os.getpid()}"),
    ):
        make(folder, tmp_path)
    with locked(tmp_path / ".lock", shared=True):  # a shard at work
        with pytest.raises(FolderInUseError, match="is being written by"):
            make(folder, tmp_path)
        make(folder, tmp_path, "1/2")


def test_only_the_track_with_unreadable_audio_is_skipped(tmp_path):
    class Half:
        name, sample_rate = "half", 24000

        def read(self, song):
            (good, *_) = MidiFolder(song.path.parent, audio=False).read(song)

            def broken(segment):
                raise ValueError("the recording is damaged")

            bad = TrackSegments("bad", "Piano", 0, "", good.segments, broken)
            return [bad, good]

        def sketch(self, song):
            return []

    write(tmp_path / "x.mid", 3)
    song = Song("x", tmp_path / "x.mid", "g")
    read = parts.extract_song(song, Half(), Loudness())
    assert {row["track"] for row in read.rows} == {"00-Acoustic Grand Piano"}
    assert len(read.mels) == len(read.rows)
    assert [(entry["track"], entry["why"]) for entry in read.skipped] == [
        ("bad", "the recording is damaged")
    ]


def test_a_corpus_without_audio_has_no_mels(folder, tmp_path):
    information = make(folder, tmp_path, audio=False)
    corpus = Corpus(tmp_path)
    rows = corpus.rows("train")
    assert len(corpus) == information["segments"]
    assert corpus.rolls(rows).any()
    with pytest.raises(ValueError, match="built with audio: false"):
        corpus.mels(rows)


def test_copies_of_a_song_are_in_one_split(folder, tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for seed in range(12):
        write(music / f"{seed}.mid", seed // 3)
    make(music, tmp_path / "c", audio=False)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    sides = table.groupby(table["song"].astype(int) // 3)["split"].nunique()
    assert (sides == 1).all()
    assert table["split"].nunique() == 3


MANIFESTS = {
    "no groups": ("path,group,split", "{i}.mid,,{split}"),
    "groups": ("path,group", "{i}.mid,g{i}"),
    "groups and splits": ("path,group,split", "{i}.mid,g{i},{split}"),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_copies_of_songs_that_a_manifest_lists_are_in_the_split_of_these(tmp_path, kind):
    music = tmp_path / "music"
    for seed in range(13):
        write(music / f"{seed}.mid", seed)
        write(music / f"copy-{seed}.mid", seed)
    header, line = MANIFESTS[kind]
    splits = [("test", "validation", "train")[seed % 3] for seed in range(13)]
    rows = [line.format(i=seed, split=split) for seed, split in enumerate(splits)]
    (music / "manifest.csv").write_text("\n".join([header, *rows]))
    make(music, tmp_path / "c", audio=False)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    split = table.groupby("song")["split"].first()
    for seed in range(13):
        assert split[f"copy-{seed}"] == split[str(seed)]
        assert split[str(seed)] == splits[seed] or kind == "groups"


def test_songs_that_all_have_groups_are_not_compared(tmp_path, monkeypatch):
    music = tmp_path / "music"
    for seed in range(4):
        write(music / f"{seed}.mid", seed // 2)
    rows = [f"{seed}.mid,g{seed}" for seed in range(4)]
    (music / "manifest.csv").write_text("\n".join(["path,group", *rows]))
    monkeypatch.setattr("camil.sources.midi_folder.sketch_of", None)
    make(music, tmp_path / "c", audio=False)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    split = table.groupby("song")["split"].first()
    assert split.tolist() == ["train", "validation", "test", "train"]


def test_parts_without_sketches_are_not_used_after_a_file_without_a_group_is_added(tmp_path):
    music = tmp_path / "music"
    for seed in range(4):
        write(music / f"{seed}.mid", seed)
    rows = [f"{seed}.mid,g{seed},test" for seed in range(4)]
    (music / "manifest.csv").write_text("\n".join(["path,group,split", *rows]))
    make(music, tmp_path / "c", shard="1/1", audio=False)
    write(music / "copy.mid", 0)
    make(music, tmp_path / "c", audio=False)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    assert set(table["split"]) == {"test"}


def test_two_songs_of_one_name_raise_with_their_files(tmp_path):
    songs = [Song("x", tmp_path / "x.mid", None), Song("x", tmp_path / "other" / "x.mid", None)]
    with pytest.raises(ValueError, match=r"the name 'x': .*/x\.mid and .*/other/x\.mid; rename"):
        preprocessing.plan(songs, "")


def test_a_source_without_segments_raises_with_the_reason(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.mid").write_bytes(b"MThd")
    with pytest.raises(ValueError, match=r"None of the 1 songs has a segment .*truncated"):
        make(tmp_path / "m", tmp_path / "c")
    assert not (tmp_path / "c" / "corpus.json").exists()
