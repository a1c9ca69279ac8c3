"""A training that was killed, spoilt, misled or shared."""

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

# Forked from a clean process that has imported torch once: quick to start, real to kill. That
# process finds its imports by the environment alone.
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


def left_by(folder):
    """Every tensor (weights, best weights, optimizer, generators) and the history's text."""
    tensors, description = read_tensors(folder / "checkpoint.safetensors", "checkpoint")
    del description["settings"], description["seconds"]
    return tensors, description, (folder / "history.jsonl").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder) == 0
    return left_by(folder)


def assert_same(folder, uninterrupted):
    tensors, description, history = left_by(folder)
    expected, description_expected, history_expected = uninterrupted
    assert history == history_expected
    assert description == description_expected
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(tensors[name], value), name


def test_a_run_killed_in_any_step_ends_with_the_same_bits(tmp_path, uninterrupted):
    """Begun again and killed again, a checkpoint after every step, until nothing is left to do."""
    chance = random.Random(7)
    while (code := run(tmp_path, dies_in=chance.randint(1, 6), checkpoint_seconds=0)) != 0:
        assert code == -signal.SIGKILL
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert_same(tmp_path, uninterrupted)


def test_a_run_killed_long_after_its_last_checkpoint_ends_with_the_same_bits(
    tmp_path, uninterrupted
):
    for dies_in in (9, 8):  # checkpoints at the ends of epochs only
        assert run(tmp_path, dies_in=dies_in) == -signal.SIGKILL
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    assert run(tmp_path) == 0
    assert_same(tmp_path, uninterrupted)


def test_a_run_killed_from_outside_at_any_moment_ends_with_the_same_bits(tmp_path, uninterrupted):
    """Also while it is writing, which it does all the time here."""
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
        read_tensors(checkpoint, "checkpoint")  # whole, whenever it was
    assert run(tmp_path) == 0
    assert_same(tmp_path, uninterrupted)


def quick(folder, step=None, evaluate=None, model=None, **changes):
    """A linear model of nothing, trained for real by `fit`."""
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


def test_a_finished_training_is_not_done_again(tmp_path):
    history = quick(tmp_path)
    assert quick(tmp_path, step=lambda *_: pytest.fail("trained again")) == history


def test_a_checkpoint_of_other_settings_is_left_aside_and_the_difference_told(tmp_path, capsys):
    quick(tmp_path)
    quick(tmp_path, settings={"width": 4})
    assert "Beginning anew: the checkpoint here differs in width." in capsys.readouterr().out


def test_a_run_built_on_weights_that_have_changed_since_begins_anew(tmp_path, capsys):
    below = tmp_path / "below"
    below.mkdir()

    def train():
        record = Run(tmp_path, {"pretrained_audio": str(below), "pretrained": ""}, {"sha256": "0"})
        return quick(tmp_path, settings=record.settings)

    def train_the_one_below(seed):
        torch.manual_seed(seed)
        save_encoder(below / "audio_encoder.safetensors", AudioEncoder(2, 10, 4))

    train_the_one_below(seed=0)
    train()
    train()
    assert "Beginning anew" not in capsys.readouterr().out
    train_the_one_below(seed=1)
    train()
    told = capsys.readouterr().out
    assert "Beginning anew: the checkpoint here differs in weights of pretrained_audio." in told


def test_the_seconds_of_a_run_are_those_of_all_its_parts(tmp_path, monkeypatch):
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
        clock[0] += 3  # data and networks are made ready
        quick(tmp_path, step, checkpoint_seconds=0)
        return record.finish("cpu")["seconds"]

    for dies_in in (4, 6):  # with 3 and then 3 + 5 of 15 steps done and kept
        with pytest.raises(KeyboardInterrupt):
            part(dies_in)
    assert part(0) == 30 + 50 + 3 + 70


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path, place):
    quick(tmp_path)
    checkpoint = tmp_path / "checkpoint.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[int(place * len(content))] ^= 4
    checkpoint.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged.*Delete .*checkpoint.safetensors to begin anew"):
        quick(tmp_path)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(ValueError, match="of another program, not a CAMIL checkpoint"):
        quick(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_naming_step_and_rows(tmp_path, value):
    batches = []

    def step(rows, generator):
        batches.append(rows.tolist())
        return torch.zeros(1, requires_grad=True).sum() * (value if len(batches) == 8 else 1)

    with pytest.raises(FloatingPointError, match="step 3 of epoch 2, on rows") as caught:
        quick(tmp_path, step)
    assert str(batches[7])[1:-1] in str(caught.value)
    told = json.loads((tmp_path / "diverged.json").read_text())
    assert (told["epoch"], told["step"], told["rows"]) == (2, 3, batches[7])


def test_a_weight_that_is_not_finite_is_not_kept(tmp_path):
    quick(tmp_path, epochs=1)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(FloatingPointError, match="A weight is not finite"):
        quick(tmp_path, batch_size=20, learning_rate=float("inf"))
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept


def test_the_weights_that_are_left_are_those_of_the_best_epoch_on_validation_songs(tmp_path):
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
def test_the_learning_rate_follows_its_schedule_over_the_whole_training(
    tmp_path, schedule, expected
):
    rates = []

    def note(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])

    hook = register_optimizer_step_pre_hook(note)
    quick(tmp_path, epochs=10, batch_size=5, schedule=schedule)
    hook.remove()
    assert rates == pytest.approx([0.1 * expected(step / 40) for step in range(40)], abs=1e-6)


def test_patience_stops_a_training_that_gets_no_better_on_validation_songs(tmp_path):
    scores = iter([0.5, 0.4, 0.45, 0.3, 0.31, 0.32, 0.2])
    history = quick(tmp_path, None, lambda: {"validation_loss": next(scores)}, epochs=7, patience=2)
    assert [line["validation_loss"] for line in history] == [0.5, 0.4, 0.45, 0.3, 0.31, 0.32]


def test_the_best_epoch_is_the_first_of_the_best():
    history = [{"f1": f1, "loss": f1} for f1 in (float("nan"), 0.2, 0.7, 0.7, 0.1)]
    assert best_epoch(history, "f1") == 3
    assert best_epoch(history, "loss") == 5


def test_rows_are_drawn_once_an_epoch_or_as_often_as_their_weights_say(tmp_path):
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


def test_an_embedding_is_the_same_alone_and_in_company():
    encoder = MIDIEncoder(8, 10, 16)
    rolls = (torch.rand(300, 1, 84, 192) < 0.03).float()
    together = embed(encoder, rolls.__getitem__, torch.arange(300))
    for row in (0, 63, 64, 255, 256, 299):
        alone = embed(encoder, rolls.__getitem__, torch.tensor([row]))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)


def test_two_processes_train_like_one_on_the_same_batches(tmp_path):
    """In single precision, so that what is left of a difference is the order of sums."""
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
