"""The benchmarks run through at a tiny size, and count what they say they count."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu
from benchmarks.floor import floor, multiplications
from camil.encoders import AudioEncoder, MIDIEncoder


@pytest.mark.parametrize("kind", [MIDIEncoder, AudioEncoder])
def test_the_operations_counted_are_those_torch_counts(kind):
    encoder = kind(8, 18).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 1, *encoder.input_shape))
    assert 2 * multiplications(encoder) == counter.get_total_flops()


def test_the_floor_grows_with_the_square_of_the_width():
    assert 3 < floor(32)["gflop_per_pair"] / floor(16)["gflop_per_pair"] < 4


def test_the_gpu_script_runs_through_on_the_cpu(tmp_path):
    output = tmp_path / "gpu.json"
    gpu.main(["--small", "--device", "cpu", "--output", str(output)])
    results = json.loads(output.read_text())
    for part in gpu.PARTS:
        assert "error" not in results[part.__name__], results[part.__name__]
    assert results["same_as_on_the_cpu"]["augmented_rolls_equal"]
    assert results["interrupted"]["same_bits"]
    assert all(finite for _, finite in results["losses_in_half_precision"].values())
    assert results["share_of_ceiling"] > 0
