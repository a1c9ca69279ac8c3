"""Tests of progress bars and lines."""

import re

import pytest
import torch
import tqdm.std

from camil.training import progress
from camil.training.progress import Progress

SCORES = {"epoch": 1, "train_loss": 0.5, "validation_macro_f1": 0.7}


@pytest.fixture
def clock(monkeypatch):
    """The clock of tqdm, advanced by the test."""
    time = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: time[0])
    return time


def test_log_gets_a_line_every_ten_seconds_with_speed_and_time_left(clock, capsys):
    shown = Progress(steps=100, done=20, batch_size=64, history=[])
    for _ in range(25):
        clock[0] += 1.0
        shown.step(1, torch.tensor(0.25))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "epoch 1, step 30/100: loss 0.2500, 64 segments/s, 70 s left",
        "epoch 1, step 40/100: loss 0.2500, 64 segments/s, 60 s left",
    ]
    shown.epoch(SCORES)
    assert capsys.readouterr().out == "epoch 1: train_loss 0.5000, validation_macro_f1 0.7000\n"
    shown.close()
    assert capsys.readouterr().out == ""


def test_speed_counts_the_unit_that_is_trained_on(clock, capsys):
    shown = Progress(steps=100, done=0, batch_size=8, history=[], unit="songs")
    clock[0] += 10
    shown.step(1, torch.tensor(0.25))
    assert "1 songs/s" in capsys.readouterr().out


def test_loss_is_read_only_when_it_is_shown(clock, capsys):
    class Loss:
        def item(self):
            pytest.fail("read without being shown")

    shown = Progress(steps=100, done=0, batch_size=8, history=[])
    for _ in range(9):
        clock[0] += 1.0
        shown.step(1, Loss())


def test_interactive_notebook_gets_a_bar_with_the_latest_validation_scores(
    clock, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "watched", lambda: True)
    shown = Progress(steps=10, done=0, batch_size=64, history=[SCORES])
    for _ in range(10):
        clock[0] += 2.0
        shown.step(2, torch.tensor(0.25))
    shown.close()
    output = capsys.readouterr()
    assert output.out == ""  # no lines in addition to the bar
    assert re.search(r"epoch 2.*10/10.*loss 0.2500.*validation_macro_f1 0.7000", output.err)


def test_tensorboard_gets_loss_and_scores(clock, tmp_path):
    pytest.importorskip("tensorboard")
    shown = Progress(10, 0, 64, [], tensorboard=tmp_path)
    clock[0] += 60
    shown.step(1, torch.tensor(0.25))
    shown.epoch(SCORES)
    shown.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Scalars("validation_macro_f1")[0].value == pytest.approx(0.7)
    assert events.Scalars("loss")[0].value == pytest.approx(0.25)


def test_iteration_prints_at_most_one_line_per_interval(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0)
    assert list(progress.each(["a", "b", "c"], "file")) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["file 1/3", "file 2/3", "file 3/3"]
    monkeypatch.setattr(progress, "SECONDS", 1000)
    assert list(progress.each(["a", "b"], "file")) == ["a", "b"]
    assert capsys.readouterr().out == ""
