"""Speed benchmarks at a tiny size, and the operation counts behind them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import training
from benchmarks.operation_counts import minimum_cost, multiplications
from camil.encoders.resnet import AudioEncoder, MIDIEncoder

PROJECT = Path(__file__).parent.parent
# A machine that is set up for PyTorch only lacks these of the dependencies.
MISSING = ("mido", "pretty_midi", "librosa", "soundfile", "tinysoundfont", "papermill")
MISSING += ("lightning_fabric", "seaborn", "umap")


@pytest.mark.parametrize("kind", [MIDIEncoder, AudioEncoder])
def test_multiplications_match_flop_counter_of_torch(kind):
    encoder = kind(8, 18).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 1, *encoder.input_shape))
    assert 2 * sum(multiplications(encoder).values()) == counter.get_total_flops()


def test_minimum_cost_grows_with_square_of_width():
    assert 3 < minimum_cost(32)["gflop_per_pair"] / minimum_cost(16)["gflop_per_pair"] < 4


@pytest.mark.parametrize("kind", [MIDIEncoder, AudioEncoder])
def test_forward_and_backward_count_matches_flop_counter_of_torch(kind):
    encoder = kind(8, 18)
    images = torch.zeros(2, 1, *encoder.input_shape)
    with FlopCounterMode(display=False) as counter:
        encoder(images).sum().backward()
    counts = multiplications(encoder)
    passes = 3 * sum(counts.values()) - counts["conv1"]  # the input needs no gradient
    assert 2 * 2 * passes == counter.get_total_flops()


def test_training_benchmark_compares_all_loops_and_records_provenance(tmp_path):
    tiny = "--width 2 --depth 10 --batch-size 8 --segments 64 --steps 1 --turns 1 --workers 0"
    output = tmp_path / "training.json"
    training.main([*tiny.split(), "--output", str(output)])
    results = json.loads(output.read_text())
    assert results["errors"] == {}
    rate = results["pairs_per_second"]
    expected = {"camil / bare step", "camil / DataLoader loop", "bfloat16", "channels_last"}
    assert expected < results["ratios"].keys()
    ratio = results["ratios"]["camil / DataLoader loop"]
    assert ratio == rate["camil"] / rate["DataLoader loop"]
    text = output.with_suffix(".md").read_text()
    for entry in (results["commit"], results["versions"]["torch"], results["device"], "GFLOP"):
        assert entry in text


def test_gpu_benchmark_runs_on_cpu_with_few_packages(tmp_path):
    output = tmp_path / "gpu.json"
    without = f"import sys; sys.modules.update(dict.fromkeys({MISSING})); "
    command = ["--small", "--device", "cpu", "--output", str(output)]
    run = f"from benchmarks import gpu; gpu.main({command})"
    subprocess.run([sys.executable, "-c", without + run], cwd=PROJECT, check=True, timeout=300)
    results = json.loads(output.read_text())
    parts = [part for part in results.values() if isinstance(part, dict)]
    assert not [part["error"] for part in parts if "error" in part]
    assert results["against_dataloader_loop"]["errors"] == {}
    assert results["same_as_on_the_cpu"]["augmented_rolls_equal"]
    assert results["interrupted"]["same_bits"]
    assert all(finite for _, finite in results["losses_in_half_precision"].values())
    assert results["summary"]["camil / convolutions alone"] > 0
    assert "No part failed." in output.with_suffix(".md").read_text()
