"""Building a corpus with interruptions: kills, full disks, damaged files and dying workers."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from beeps import content, make, write

from camil.corpus import build as preprocessing
from camil.corpus import merge, workers


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("target", ["os.replace", "os.fsync", "pathlib.Path.unlink"])
def test_an_interruption_at_any_step_leaves_the_old_corpus_or_a_resumable_one(
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


def test_the_old_corpus_remains_until_the_new_one_is_complete(folder, tmp_path, monkeypatch):
    make(folder, tmp_path, max_segments_per_track=1)
    old = content(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "merge", lambda *_: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            make(folder, tmp_path)
    assert content(tmp_path) == old
    make(folder, tmp_path)
    assert content(tmp_path) != old


def test_a_full_disk_raises_and_finished_parts_are_kept(folder, tmp_path, whole, monkeypatch):
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
def test_a_full_disk_during_parts_or_merge_raises_and_is_resumed(folder, tmp_path, whole):
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
    assert len(list(tmp_path.glob(".making/*/*.parquet"))) > 2  # parts of the second run
    assert not list(tmp_path.glob(".making/*/*.partial"))  # of the first run
    make(folder, tmp_path)
    assert content(tmp_path) == whole


def test_a_killed_run_is_resumed(folder, tmp_path, whole):
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
    theirs.send(("file", "a message that the parent never reads"))
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


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal masks")
def test_interrupt_does_not_reach_a_worker_that_is_still_importing(capfd):
    with workers._interrupts_delayed():
        worker = workers._start(print)
    os.kill(worker.process.pid, signal.SIGINT)
    worker.process.join(1)
    assert worker.process.is_alive()
    workers._end(worker)
    assert capfd.readouterr().err == ""
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_files_that_kill_or_block_a_worker_are_skipped_with_the_reason(
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
