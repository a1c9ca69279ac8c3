"""Table I in pieces: a piece that the clock stops is resumed on another machine."""

import json
import os
import shutil
import time
from argparse import Namespace
from pathlib import Path

import pretty_midi
import psutil
import pytest
import torch
import yaml
from safetensors.torch import save_file

from benchmarks import state_archive, table1_gpu
from benchmarks.state_archive import chunk_sizes, pack, unpack
from benchmarks.table1_gpu import Runs, sized

PROJECT = Path(__file__).parent.parent
SOUNDFONT = str(Path(pretty_midi.__file__).parent / "TimGM6mb.sf2")
SIZES = {"width": 64, "batch_size": 512, "epochs": 30, "learning_rate": 0.001, "segments": 12}
RUNS = ("unsupervised-seed0", "unsupervised-frozen-seed0")


@pytest.fixture(scope="module")
def profile():
    return yaml.safe_load((PROJECT / "config/lakh.yaml").read_text())


def machine(folder):
    """A bare machine: the project in a folder of its own."""
    for part in ("camil", "notebooks", "Snakefile"):
        copy = shutil.copytree if (PROJECT / part).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(PROJECT / part, folder / part)
    profile = yaml.safe_load((PROJECT / "config/lakh.yaml").read_text())
    profile["pretrain"]["runs"] = {"unsupervised": {"negatives": "random"}}
    profile["classify"]["runs"] = {
        "unsupervised-frozen": {
            "condition": "Unsupervised CAMIL", "pretrained": "unsupervised", "freeze": True
        }
    }  # fmt: skip
    del profile["sound"], profile["baselines"], profile["transfer"]
    profile["shown"] = "unsupervised-frozen"
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    return folder


def run_piece(folder, music, monkeypatch, *options, clock=time.monotonic):
    monkeypatch.chdir(folder)
    command = [str(music), SOUNDFONT, "--profile", "profile.yaml", "--state", "state"]
    tiny = ["--width", "4", "--batch-size", "16", "--epochs", "3", "--segments", "1"]
    table1_gpu.main([*command, *tiny, "--minutes", "60", *options], clock)
    return json.loads((folder / "state/progress.json").read_text())


def scores(folder):
    run = folder / "runs/lakh-gpu" / RUNS[1]
    metrics = json.loads((run / "metrics.json").read_text())
    return metrics, (run / "predictions.parquet").read_bytes()


def test_stopped_piece_is_resumed_elsewhere_with_the_scores_of_an_uninterrupted_one(
    tiny_corpus, tmp_path, monkeypatch, capsys
):
    music = tmp_path / "music"
    music.mkdir()
    for file in sorted((tiny_corpus / "midi").glob("*.mid"))[:12]:
        shutil.copy(file, music)
    whole = machine(tmp_path / "whole")
    progress = run_piece(whole, music, monkeypatch)
    assert all(progress["runs"][name]["finished"] for name in RUNS)
    assert "Left: 0 s" in capsys.readouterr().out
    first = machine(tmp_path / "first")
    shutil.copytree(whole / "corpora", first / "corpora")
    history = first / "runs/lakh-gpu" / RUNS[0] / "history.jsonl"

    def clock():  # the hour is over when an epoch is finished
        return time.monotonic() + 3600 * (history.is_file() and bool(history.read_text()))

    progress = run_piece(first, music, monkeypatch, clock=clock)
    left = [one.pid for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(first)]
    assert left == [os.getpid()]
    assert progress["runs"][RUNS[0]]["finished"] is False
    assert RUNS[1] not in progress["runs"]
    assert not list((first / "state").glob("results*"))
    assert len(history.read_text().splitlines()) < 3
    # Another machine gets the state only, and writes its own elsewhere.
    second = machine(tmp_path / "second")
    shutil.copytree(first / "state", second / "earlier")
    progress = run_piece(second, music, monkeypatch, "--earlier", "earlier")
    log = (second / "runs/lakh-gpu/notebooks/02_pretrain-unsupervised-seed0.log").read_text()
    assert "Resuming after epoch" in log
    assert scores(second) == scores(whole)
    assert [piece["finished"] for piece in progress["pieces"]] == [[], list(RUNS)]
    # The results of all pieces, unpacked without any work.
    home = machine(tmp_path / "home")
    shutil.copytree(second / "state", home / "state")
    run_piece(home, music, monkeypatch, "--minutes", "0")
    assert scores(home) == scores(whole)
    assert len(json.loads((home / "state/progress.json").read_text())["pieces"]) == 2


def test_every_run_follows_those_below_it_and_the_rows_of_the_paper_come_first(profile):
    runs = Runs(profile | {"seeds": [0, 10, 2]})
    order = runs.in_order()
    assert sorted(order) == sorted(runs.settings)
    for key in order:
        assert all(order.index(base) < order.index(key) for base in runs.below[key])
    assert order[:5] == [
        "aic-seed0", "sic-seed0", "camil-seed0", "camil-frozen-seed0", "camil-tuned-seed0"
    ]  # fmt: skip
    assert order.index("unsupervised-half-frozen-seed2") < order.index("unsupervised-frozen-seed10")
    assert order.index("unsupervised-half-frozen-seed10") < order.index("shuffled-frozen-seed0")


def test_sizes_replace_those_of_the_profile_and_epochs_keep_their_proportion(profile):
    made = sized(profile, Namespace(**SIZES, seeds=[0, 1]))
    assert made["name"] == "lakh-gpu"
    assert made["preprocess"]["max_segments_per_track"] == 12
    for stage in ("pretrain", "classify"):
        every = made[stage]["all"]
        assert every["width"] == 64
        assert every["batch_size"] == 512
        assert every["epochs"] == 30
        assert every["learning_rate"] == 0.001
    runs = made["classify"]["runs"]
    assert runs["sic-longer"]["epochs"] == 60
    assert runs["aic"]["epochs"] == 15
    assert made["sound"]["all"]["learning_rate"] == profile["sound"]["all"]["learning_rate"]
    assert profile["classify"]["all"]["width"] == 16  # unchanged


def test_archive_in_parts_is_unpacked_and_stores_equal_tensors_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state_archive, "PART", 100_000)
    encoder = {f"stage{i}": torch.randn(100, 500) for i in range(2)}
    Path("runs").mkdir()
    save_file(encoder, "runs/encoder.safetensors")
    more = {"head": torch.randn(8), "count": torch.tensor(3)}
    named = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
    save_file(named | more, "runs/classifier.safetensors", {"about": "a classifier"})
    Path("runs/run.json").write_text("{}")
    Path("runs/empty.json").write_text("")
    content = {file: file.read_bytes() for file in Path("runs").iterdir()}
    state = tmp_path / "state"
    state.mkdir()
    (state / "resume.zip.77").write_bytes(b"of an earlier piece")
    pack(sorted(content), state, "resume")
    parts = sorted(state.iterdir())
    size = sum(part.stat().st_size for part in parts)
    assert [part.name for part in parts] == [f"resume.zip.{i:02}" for i in range(len(parts))]
    assert len(parts) == -(-size // 100_000)
    assert size < 410_000
    assert 400_000 < sum(chunk_sizes(content).values()) < 410_000
    shutil.rmtree("runs")
    unpack(state)
    assert {file: file.read_bytes() for file in Path("runs").iterdir()} == content
    pack([], state, "resume")
    assert not list(state.iterdir())


def test_weights_over_the_limit_are_left_out_and_named(profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    piece = table1_gpu.Piece(profile, tmp_path / "state", 0.0, lambda: 0.0)
    for name, size in (("aic-seed0", 3_000_000), ("sic-seed0", 500_000)):
        run = Path("runs/lakh", name)
        run.mkdir()
        save_file({"weight": torch.randn(size // 4)}, run / "checkpoint.safetensors")
    piece.leave(tmp_path / "state", 1.0)
    progress = json.loads((tmp_path / "state/progress.json").read_text())
    assert progress["pieces"][0]["left_out"] == ["aic-seed0 (3 MB)"]
    assert "aic-seed0 (3 MB) is over the limit" in piece.report()
    shutil.rmtree("runs")
    unpack(tmp_path / "state")
    assert [path.name for path in Path("runs/lakh").iterdir()] == ["sic-seed0"]


def test_state_of_other_sizes_is_refused(profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table1_gpu.Piece(profile, tmp_path, 0.0, lambda: 0.0).leave(tmp_path, 1.0)
    with pytest.raises(SystemExit, match="belongs to other sizes"):
        table1_gpu.Piece(profile | {"seeds": [1]}, tmp_path, 0.0, lambda: 0.0)


def test_failed_job_ends_the_piece_with_its_log_and_leaves_the_state(tmp_path, monkeypatch):
    folder = machine(tmp_path / "machine")
    with pytest.raises(SystemExit, match=r"nowhere' is not a folder(.|\n)*was not made"):
        run_piece(folder, tmp_path / "nowhere", monkeypatch)
    assert (folder / "state/progress.json").is_file()
