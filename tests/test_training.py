import json
import math

import pytest
import torch
from torch import nn

from camil import training
from camil.encoders import MIDIEncoder
from camil.training import batches, choose_device, embed, fit

ROWS = torch.arange(40)
SETTINGS = {"what": "test"}


def problem(seed: int = 0):
    """A small convolutional network, its step and its score on random pictures."""
    torch.manual_seed(seed)
    pictures, targets = torch.rand(40, 1, 128, 128), torch.randint(0, 2, (40,))
    model = nn.Sequential(MIDIEncoder(width=2, depth=10, embedding=4), nn.Linear(4, 2))

    def step(rows, generator):
        noise = 0.1 * torch.rand(len(rows), 1, 128, 128, generator=generator)
        return nn.functional.cross_entropy(model(pictures[rows] + noise), targets[rows])

    @torch.no_grad()
    def evaluate():
        return {"validation_loss": nn.functional.cross_entropy(model(pictures), targets).item()}

    return model, step, evaluate


def train(folder, epochs=4, step=None, **changes):
    model, own_step, evaluate = problem()
    given = {"epochs": epochs, "batch_size": 8, "learning_rate": 0.01, "seed": 1}
    history = fit(
        model, step or own_step, ROWS, evaluate, "validation_loss",
        folder=folder, settings=SETTINGS, **(given | changes),
    )  # fmt: skip
    return model, history


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tmp_path):
    _, first = train(tmp_path / "a")
    _, second = train(tmp_path / "b")
    _, other = train(tmp_path / "c", seed=2)
    assert first == second
    assert first != other


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path):
    whole_model, whole = train(tmp_path / "whole")
    model, step, evaluate = problem()
    calls = 0

    def dies(rows, generator):
        nonlocal calls
        calls += 1
        if calls > 13:  # in the third of four epochs of five steps
            raise KeyboardInterrupt
        return step(rows, generator)

    given = {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "seed": 1}
    given |= {"folder": tmp_path / "killed", "settings": SETTINGS}
    with pytest.raises(KeyboardInterrupt):
        fit(model, dies, ROWS, evaluate, "validation_loss", **given)
    resumed_model, resumed = train(tmp_path / "killed")
    assert resumed == whole
    for name, value in whole_model.state_dict().items():
        assert torch.equal(value, resumed_model.state_dict()[name]), name
    lines = (tmp_path / "killed/history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]


def test_a_run_with_other_settings_begins_anew(tmp_path):
    _, step, _ = problem()
    calls = iter(range(100))

    def dies(rows, generator):
        if next(calls) > 6:
            raise KeyboardInterrupt
        return step(rows, generator)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", step=dies)
    _, fresh = train(tmp_path / "fresh", seed=5)
    _, history = train(tmp_path / "run", seed=5)
    assert history == fresh


def test_the_model_is_left_with_its_best_epoch(tmp_path):
    model, history = train(tmp_path, epochs=6, learning_rate=0.3)
    best = min(line["validation_loss"] for line in history)
    assert best < history[-1]["validation_loss"]  # so that keeping the last would be seen
    reference, _, _ = problem()
    reference.load_state_dict(model.state_dict())
    torch.manual_seed(0)
    pictures, targets = torch.rand(40, 1, 128, 128), torch.randint(0, 2, (40,))
    loss = nn.functional.cross_entropy(reference.eval()(pictures), targets).item()
    assert loss == pytest.approx(best, rel=1e-5)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    calls = iter(range(100))

    def explodes(rows, generator):
        factor = math.nan if next(calls) == 7 else 1.0
        return factor * torch.ones((), requires_grad=True)

    with pytest.raises(FloatingPointError, match="step 3 of epoch 2"):
        train(tmp_path, step=explodes)


def test_an_epoch_takes_every_row_once_in_equal_batches():
    generator = torch.Generator().manual_seed(0)
    parts = list(batches(ROWS, 8, generator))
    assert [len(part) for part in parts] == [8] * 5
    assert torch.equal(torch.cat(parts).sort().values, ROWS)
    assert [len(part) for part in batches(ROWS, 30, generator)] == [30]
    assert [len(part) for part in batches(ROWS, 100, generator)] == [40]


def test_an_embedding_is_the_same_alone_and_in_company():
    torch.manual_seed(0)
    encoder = MIDIEncoder(width=4)
    rolls = (torch.rand(300, 1, 84, 192) > 0.95).float()
    rows = torch.arange(300)
    together = embed(encoder, lambda chosen: rolls[chosen], rows)
    alone = embed(encoder, lambda chosen: rolls[chosen], rows[270:271])
    assert torch.allclose(together[270:271], alone, atol=1e-6)
    assert encoder.training  # as it was found


def test_the_learning_rate_falls_along_a_cosine(tmp_path, monkeypatch):
    rates = []

    class Recording(torch.optim.Adam):
        def step(self, *arguments):
            rates.append(self.param_groups[0]["lr"])
            return super().step(*arguments)

    monkeypatch.setattr(training.torch.optim, "Adam", Recording)
    train(tmp_path, epochs=2)
    expected = [0.01 * (1 + math.cos(math.pi * i / 10)) / 2 for i in range(10)]
    assert rates == pytest.approx(expected)


def test_a_device_that_is_not_there_is_named():
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device = 'nonsense' cannot be used"):
        choose_device("nonsense")
