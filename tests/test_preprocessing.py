import errno
import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from beeps import Loudness, make

from camil.corpus import build as preprocessing
from camil.corpus import merge, parts, workers
from camil.corpus.build import shard_of
from camil.corpus.corpus import Corpus
from camil.sources.midi_folder import MidiFolder
from camil.sources.protocol import Song, TrackSegments
from camil.workbook.lock import locked


def write(path, seed):
    draw = np.random.default_rng(seed)
    midi = pretty_midi.PrettyMIDI()
    for program in (0, 33, 73):
        instrument = pretty_midi.Instrument(program)
        for i in range(40):
            pitch = int(draw.integers(40, 80))
            instrument.notes.append(pretty_midi.Note(80, pitch, i * 0.5, i * 0.5 + 0.4))
        midi.instruments.append(instrument)
    midi.write(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for seed in range(9):
        write(folder / f"{seed}.mid", seed)
    (folder / "4-damaged.mid").write_bytes(b"this is not music")
    return folder


def content(corpus):
    """The checksum of every file of a corpus."""
    files = [path for path in corpus.glob("*") if path.is_file() and path.name[0] != "."]
    files += (corpus / "arrays").glob("*")
    assert len(files) == 5 + 11
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    corpus = tmp_path_factory.mktemp("whole")
    make(folder, corpus)
    return content(corpus)


def test_a_corpus_holds_the_segments_of_its_source(folder, tmp_path):
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


def test_what_was_skipped_stands_in_a_table_with_the_reason(folder, tmp_path):
    information = make(folder, tmp_path)
    (entry,) = pd.read_csv(tmp_path / "skipped.csv", keep_default_na=False).to_dict("records")
    assert entry["song"] == "4-damaged"
    assert entry["track"] == ""
    assert "does not begin like a MIDI file" in entry["why"]
    assert information["skipped"] == 1


def test_the_corpus_is_the_same_with_two_processes(folder, tmp_path, whole):
    make(folder, tmp_path, workers=2)
    assert content(tmp_path) == whole


def test_shards_in_any_order_make_the_same_corpus(folder, tmp_path, whole):
    for shard in ("3/3", "1/3", "2/3"):
        counts = make(folder, tmp_path, shard)
        assert counts["songs"] > 0
        assert not (tmp_path / "corpus.json").exists()
    make(folder, tmp_path)
    assert content(tmp_path) == whole


def test_a_shard_is_two_numbers():
    assert shard_of("") == (1, 1)
    assert shard_of("3/8") == (3, 8)
    for wrong in ("3", "0/8", "9/8", "a/b", "3/8/2", "-1/8"):
        with pytest.raises(ValueError, match="like 3/8"):
            shard_of(wrong)


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("target", ["os.replace", "os.fsync", "pathlib.Path.unlink"])
def test_a_stop_at_any_step_leaves_the_old_corpus_or_a_resumable_one(
    folder, tmp_path, whole, monkeypatch, target
):
    """Stopped at the first such call, then the second ... until one run comes through. The parts
    are written in this process, so that their steps are stopped as well."""

    def in_this_process(jobs, work, workers, seconds, on_file):
        for job in jobs:
            yield work(job, {}, on_file)

    monkeypatch.setattr(preprocessing, "in_parallel", in_this_process)
    module, name = target.rsplit(".", 1)
    owner = {"os": os, "pathlib.Path": Path}[module]
    real = getattr(owner, name)
    stops = 0
    while True:
        left = [3]

        def until(*arguments, left=left, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Stopped
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, until)
            try:
                make(folder, tmp_path)
                break
            except Stopped:
                stops += 1
        assert not (tmp_path / "corpus.json").exists() or content(tmp_path) == whole
        assert stops < 60
    assert stops > 2
    assert content(tmp_path) == whole


def test_the_old_corpus_stands_until_the_new_one_is_complete(folder, tmp_path, monkeypatch):
    make(folder, tmp_path, max_segments_per_track=1)
    old = content(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "merge", lambda *_: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            make(folder, tmp_path)
    assert content(tmp_path) == old
    make(folder, tmp_path)
    assert content(tmp_path) != old


def test_a_full_disk_is_told_and_what_is_done_is_kept(folder, tmp_path, whole, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(merge, "sync", full)
        with pytest.raises(OSError, match=r"disk is full.*run this again"):
            make(folder, tmp_path)
    assert not (tmp_path / "corpus.json").exists()
    make(folder, tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no limits on files")
def test_no_room_while_parts_are_written_or_merged_is_told_and_resumed(folder, tmp_path, whole):
    """A limit on the size of a file stands for a full disk; the first hits a part's mels, the
    second the file that they are merged into."""
    code = (
        "import sys, beeps, pathlib, resource\n"
        "if __name__ == '__main__':\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "    beeps.make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    for limit in (100_000, 2_000_000):
        command = [sys.executable, "-c", code, str(folder), str(tmp_path), str(limit)]
        run = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": here}, capture_output=True, text=True
        )
        assert "The disk is full" in run.stderr, run.stderr
        assert not (tmp_path / "corpus.json").exists()
    assert len(list(tmp_path.glob(".making/*/*.parquet"))) > 2  # what the second run had done
    assert not list(tmp_path.glob(".making/*/*.partial"))  # nor does what the first left take room
    make(folder, tmp_path)
    assert content(tmp_path) == whole


def test_a_complete_corpus_is_not_made_again(folder, tmp_path, monkeypatch, capsys):
    first = make(folder, tmp_path)
    monkeypatch.setattr(preprocessing, "in_parallel", None)
    assert make(folder, tmp_path) == first
    assert "exists already" in capsys.readouterr().out


def test_a_changed_file_is_noticed(folder, tmp_path):
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
        pytest.raises(RuntimeError, match=f"written by process {os.getpid()}"),
    ):
        make(folder, tmp_path)
    with locked(tmp_path / ".lock", shared=True):  # a shard at work
        with pytest.raises(RuntimeError, match="is being written by"):
            make(folder, tmp_path)
        make(folder, tmp_path, "1/2")


def test_a_killed_run_goes_on_where_it_stopped(folder, tmp_path, whole):
    code = (
        "import sys, beeps, pathlib\n"
        "if __name__ == '__main__':\n"
        "    beeps.make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path)]
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    run = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": here})
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob(".making/*/*.parquet"))) < 3 and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.kill()
    run.wait()
    make(folder, tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.parametrize("moment", ["while it waits", "while it works"])
def test_a_worker_whose_parent_is_killed_ends_without_a_traceback(monkeypatch, moment):
    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    monkeypatch.setattr(workers, "threadpool_limits", lambda _: None)
    ours, theirs = multiprocessing.Pipe()
    theirs.send(("file", "what the parent will never read"))
    done = []

    def work(job, faults, report):
        ours.close()
        done.append(job)

    if moment == "while it works":
        ours.send(("job", {}))
    else:
        ours.close()
    workers._serve(theirs, work, os.getpid())  # raises nothing
    assert done == (["job"] if moment == "while it works" else [])


def test_files_that_kill_hang_or_surprise_are_skipped_with_the_reason(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(preprocessing, "SECONDS_PER_SONG", 25)
    monkeypatch.setattr(workers, "ATTEMPTS", 2)
    music = tmp_path / "music"
    music.mkdir()
    for name in ("a", "bug", "big", "killer", "slow", "z"):
        write(music / f"{name}.mid", 1)
    make(music, tmp_path / "c")
    table = pd.read_csv(tmp_path / "c" / "skipped.csv").set_index("song")["why"]
    assert set(table.index) == {"bug", "big", "killer", "slow"}, table.to_dict()
    assert "IndexError" in table["bug"]
    assert "memory" in table["big"]
    assert "dies every time (exit code -9)" in table["killer"]
    assert "longer than 25 seconds" in table["slow"]
    segments = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    assert set(segments["song"]) == {"a", "z"}


def test_a_track_whose_sound_cannot_be_read_is_skipped_alone(tmp_path):
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


def test_a_corpus_without_audio_has_notes_only(folder, tmp_path):
    information = make(folder, tmp_path, audio=False)
    corpus = Corpus(tmp_path)
    rows = corpus.rows("train")
    assert len(corpus) == information["segments"]
    assert corpus.rolls(rows).any()
    with pytest.raises(ValueError, match="built with audio: false"):
        corpus.mels(rows)


def test_copies_are_on_one_side(folder, tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for seed in range(12):
        write(music / f"{seed}.mid", seed // 3)
    make(music, tmp_path / "c", audio=False)
    table = pd.read_parquet(tmp_path / "c" / "segments.parquet")
    sides = table.groupby(table["song"].astype(int) // 3)["split"].nunique()
    assert (sides == 1).all()
    assert table["split"].nunique() == 3


def test_nothing_to_write_is_an_error_with_a_reason(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.mid").write_bytes(b"MThd")
    with pytest.raises(ValueError, match=r"None of the 1 songs has a segment .*truncated"):
        make(tmp_path / "m", tmp_path / "c")
    assert not (tmp_path / "c" / "corpus.json").exists()
