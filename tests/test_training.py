"""Tests of the training loop: interruption, invalid values, schedules and processes."""

import json
import math
import multiprocessing
import os
import random
import signal
import socket
import time
from pathlib import Path

import pytest
import small_training
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from camil.encoders.hub import read_tensors, save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.training.embed import embed
from camil.training.fit import best_epoch, fit
from camil.workbook.runs import Run

# Processes are forked from one that has imported torch, so they start fast and can be killed. That
# process finds modules by the environment only.
HERE = Path(__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parent)])
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["small_training"])


def start(folder, **arguments):
    process = PROCESSES.Process(target=small_training.train, args=(folder,), kwargs=arguments)
    process.start()
    return process


def run(folder, **arguments):
    process = start(folder, **arguments)
    process.join(300)
    return process.exitcode


def saved_state(folder):
    """All tensors of the checkpoint, its description, and the text of the history."""
    tensors, description = read_tensors(folder / "checkpoint.safetensors", "checkpoint")
    del description["settings"], description["seconds"]
    return tensors, description, (folder / "history.jsonl").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder) == 0
    return saved_state(folder)


def assert_same(folder, uninterrupted):
    tensors, description, history = saved_state(folder)
    expected, description_expected, history_expected = uninterrupted
    assert history == history_expected
    assert description == description_expected
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(tensors[name], value), name


def test_run_killed_in_any_step_ends_bit_identical(tmp_path, uninterrupted):
    """The run writes a checkpoint after every step; it is killed and restarted until it ends."""
    chance = random.Random(7)
    while (code := run(tmp_path, dies_in=chance.randint(1, 6), checkpoint_seconds=0)) != 0:
        assert code == -signal.SIGKILL
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert_same(tmp_path, uninterrupted)


def test_run_killed_long_after_its_last_checkpoint_ends_bit_identical(tmp_path, uninterrupted):
    for dies_in in (9, 8):  # checkpoints at the ends of epochs only
        assert run(tmp_path, dies_in=dies_in) == -signal.SIGKILL
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    assert run(tmp_path) == 0
    assert_same(tmp_path, uninterrupted)


def test_run_killed_from_outside_ends_bit_identical(tmp_path, uninterrupted):
    """The run writes a checkpoint after every step, so it may be killed while writing one."""
    chance = random.Random(11)
    checkpoint = tmp_path / "checkpoint.safetensors"
    for _ in range(6):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = start(tmp_path, checkpoint_seconds=0)
        while process.is_alive():
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                time.sleep(chance.uniform(0, 0.1))
                break
            time.sleep(0.001)
        process.kill()
        process.join()
        read_tensors(checkpoint, "checkpoint")  # complete at any time
    assert run(tmp_path) == 0
    assert_same(tmp_path, uninterrupted)


def quick(folder, step=None, evaluate=None, model=None, **changes):
    """Train a linear model with `fit`."""
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(3, 1))
    points = torch.rand(20, 3)
    arguments = {
        "best": "validation_loss",
        "folder": folder,
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.1,
        "seed": 0,
        "settings": {"width": 3},
    }
    return fit(
        model,
        step or (lambda rows, generator: model(points[rows]).square().mean()),
        torch.arange(20),
        evaluate or (lambda: {"validation_loss": model(points).square().mean().item()}),
        **(arguments | changes),
    )


def test_finished_training_is_not_repeated(tmp_path):
    history = quick(tmp_path)
    assert quick(tmp_path, step=lambda *_: pytest.fail("trained again")) == history


def test_checkpoint_of_other_settings_is_ignored_with_a_message(tmp_path, capsys):
    quick(tmp_path)
    quick(tmp_path, settings={"width": 4})
    assert "Starting from scratch: the checkpoint differs in width." in capsys.readouterr().out


def test_run_on_changed_pretrained_weights_starts_from_scratch(tmp_path, capsys):
    pretrained = tmp_path / "pretrained"
    pretrained.mkdir()

    def train():
        record = Run(
            tmp_path, {"pretrained_audio": str(pretrained), "pretrained": ""}, {"sha256": "0"}
        )
        return quick(tmp_path, settings=record.settings)

    def train_pretrained(seed):
        torch.manual_seed(seed)
        save_encoder(pretrained / "audio_encoder.safetensors", AudioEncoder(2, 10, 4))

    train_pretrained(seed=0)
    train()
    train()
    assert "Starting from scratch" not in capsys.readouterr().out
    train_pretrained(seed=1)
    train()
    printed = capsys.readouterr().out
    assert (
        "Starting from scratch: the checkpoint differs in weights of pretrained_audio." in printed
    )


def test_seconds_of_a_run_include_all_its_processes(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def part(dies_in):
        calls = 0

        def step(rows, generator):
            nonlocal calls
            calls += 1
            clock[0] += 10
            if calls == dies_in:
                raise KeyboardInterrupt
            return torch.zeros(1, requires_grad=True).sum()

        record = Run(tmp_path, {}, {})
        clock[0] += 3  # preparation of data and networks
        quick(tmp_path, step, checkpoint_seconds=0)
        return record.finish("cpu")["seconds"]

    for dies_in in (4, 6):  # with 3 and then 3 + 5 of 15 steps saved
        with pytest.raises(KeyboardInterrupt):
            part(dies_in)
    assert part(0) == 30 + 50 + 3 + 70


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_checkpoint_with_a_flipped_bit_raises_value_error(tmp_path, share):
    quick(tmp_path)
    checkpoint = tmp_path / "checkpoint.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[int(share * len(content))] ^= 4
    checkpoint.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"damaged.*Delete .*checkpoint.safetensors to start from scratch"
    ):
        quick(tmp_path)


def test_checkpoint_of_another_program_raises_value_error(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(ValueError, match="of another program, not a CAMIL checkpoint"):
        quick(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_loss_raises_with_step_and_rows(tmp_path, value):
    batches = []

    def step(rows, generator):
        batches.append(rows.tolist())
        return torch.zeros(1, requires_grad=True).sum() * (value if len(batches) == 8 else 1)

    with pytest.raises(FloatingPointError, match="step 3 of epoch 2, on rows") as caught:
        quick(tmp_path, step)
    assert str(batches[7])[1:-1] in str(caught.value)
    written = json.loads((tmp_path / "diverged.json").read_text())
    assert (written["epoch"], written["step"], written["rows"]) == (2, 3, batches[7])


def test_non_finite_weight_is_not_saved(tmp_path):
    quick(tmp_path, epochs=1)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(FloatingPointError, match="A weight is not finite"):
        quick(tmp_path, batch_size=20, learning_rate=float("inf"))
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept


def test_final_weights_are_those_of_the_best_epoch(tmp_path):
    model, points, seen = nn.Sequential(nn.Linear(3, 1)), torch.rand(20, 3), []

    def evaluate():
        seen.append(model[0].weight.detach().clone())
        return {"validation_macro_f1": (0.3, 0.6, 0.5)[len(seen) - 1]}

    quick(
        tmp_path,
        lambda rows, generator: model(points[rows]).square().mean(),
        evaluate,
        model=model,
        best="validation_macro_f1",
    )
    assert torch.equal(model[0].weight, seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert not model.training


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", lambda done: 1.0),
        ("cosine", lambda done: 0.5 + 0.5 * math.cos(math.pi * done)),
        (
            "warmup",
            lambda done: (
                done / 0.05 if done < 0.05 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.05) / 0.95)
            ),
        ),
    ],
)
def test_learning_rate_follows_its_schedule(tmp_path, schedule, expected):
    rates = []

    def note(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])

    hook = register_optimizer_step_pre_hook(note)
    quick(tmp_path, epochs=10, batch_size=5, schedule=schedule)
    hook.remove()
    assert rates == pytest.approx([0.1 * expected(step / 40) for step in range(40)], abs=1e-6)


def test_patience_stops_training_without_improvement(tmp_path):
    scores = iter([0.5, 0.4, 0.45, 0.3, 0.31, 0.32, 0.2])
    history = quick(tmp_path, None, lambda: {"validation_loss": next(scores)}, epochs=7, patience=2)
    assert [line["validation_loss"] for line in history] == [0.5, 0.4, 0.45, 0.3, 0.31, 0.32]


def test_best_epoch_is_the_first_maximum_or_minimum():
    history = [{"f1": f1, "loss": f1} for f1 in (float("nan"), 0.2, 0.7, 0.7, 0.1)]
    assert best_epoch(history, "f1") == 3
    assert best_epoch(history, "loss") == 5


def test_rows_are_drawn_once_per_epoch_or_by_weight(tmp_path):
    drawn = []

    def step(rows, generator):
        drawn.extend(rows.tolist())
        return torch.zeros(1, requires_grad=True).sum()

    quick(tmp_path / "once", step, epochs=1)
    assert sorted(drawn) == list(range(20))
    drawn.clear()
    weights = torch.tensor([9.0] * 10 + [1.0] * 10)
    quick(tmp_path / "weighted", step, epochs=50, weights=weights)
    share = sum(row < 10 for row in drawn) / len(drawn)
    assert share == pytest.approx(0.9, abs=0.03)


def test_embedding_does_not_depend_on_the_batch():
    encoder = MIDIEncoder(8, 10, 16)
    rolls = (torch.rand(300, 1, 84, 192) < 0.03).float()
    together = embed(encoder, rolls.__getitem__, torch.arange(300))
    for row in (0, 63, 64, 255, 256, 299):
        alone = embed(encoder, rolls.__getitem__, torch.tensor([row]))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)


def test_two_processes_give_the_weights_of_one(tmp_path):
    """The runs use single precision, so that only the order of sums differs."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(one, half=False) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    common |= {"MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0"}
    both = [
        start(two, half=False, environment=common | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    for process in both:
        process.join(300)
    assert [process.exitcode for process in both] == [0, 0]
    expected, ours = (
        [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        for folder in (one, two)
    )
    assert len(ours) == small_training.EPOCHS
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3)
