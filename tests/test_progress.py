"""What a training tells, and to whom."""

import re

import pytest
import torch

from camil.training import progress
from camil.training.progress import Progress

SCORES = {"epoch": 1, "train_loss": 0.5, "validation_macro_f1": 0.7}


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test turns itself."""
    time = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def test_a_log_file_gets_a_line_now_and_then_with_rate_and_time_left(clock, capsys):
    told = Progress(steps=100, done=20, batch_size=64, history=[])
    for _ in range(25):
        clock[0] += 1.0
        told.step(1, torch.tensor(0.25))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "epoch 1, step 30/100: loss 0.2500, 64 segments/s, 70 s left",
        "epoch 1, step 40/100: loss 0.2500, 64 segments/s, 60 s left",
    ]
    told.epoch(SCORES)
    assert capsys.readouterr().out == "epoch 1: train_loss 0.5000, validation_macro_f1 0.7000\n"


def test_jupyterlab_gets_a_bar_with_the_latest_validation_scores(clock, capsys, monkeypatch):
    monkeypatch.setattr(progress, "watched", lambda: True)
    told = Progress(steps=10, done=0, batch_size=64, history=[SCORES])
    for _ in range(10):
        clock[0] += 2.0
        told.step(2, torch.tensor(0.25))
    told.close()
    output = capsys.readouterr()
    assert output.out == ""  # no lines beside the bar
    assert re.search(r"epoch 2.*10/10.*loss 0.2500.*validation_macro_f1 0.7000", output.err)


def test_tensorboard_gets_loss_and_scores(clock, tmp_path):
    pytest.importorskip("tensorboard")
    told = Progress(10, 0, 64, [], tensorboard=tmp_path)
    clock[0] += 60
    told.step(1, torch.tensor(0.25))
    told.epoch(SCORES)
    told.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Scalars("validation_macro_f1")[0].value == pytest.approx(0.7)
    assert events.Scalars("loss")[0].value == pytest.approx(0.25)


def test_files_are_gone_through_with_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0)
    assert list(progress.each(["a", "b", "c"], "file")) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["file 1/3", "file 2/3", "file 3/3"]
    monkeypatch.setattr(progress, "SECONDS", 1000)
    assert list(progress.each(["a", "b"], "file")) == ["a", "b"]
    assert capsys.readouterr().out == ""
