"""Temperature scaling and calibration error against direct computation."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from camil.evaluation.calibration import calibration, expected_calibration_error, fit_temperature


@pytest.fixture
def drawn():
    """Calibrated logits, and labels drawn from their softmax."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 5)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(5, p=p) for p in probabilities])
    return logits, labels


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_recovers_a_factor_on_the_logits(drawn, factor):
    logits, labels = drawn
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.06)


def test_no_other_temperature_has_a_smaller_loss(drawn):
    logits, labels = drawn
    logits = 3 * logits

    def loss(temperature):
        scaled = torch.tensor(logits / temperature)
        return cross_entropy(scaled, torch.tensor(labels)).item()

    best = fit_temperature(logits, labels)
    assert all(loss(best) <= loss(t) + 1e-9 for t in np.geomspace(0.05, 20, 200))


def test_perfect_classifier_has_a_finite_temperature():
    assert 0.05 <= fit_temperature(np.eye(4) * 9, np.arange(4)) < 1


def test_calibration_error_equals_a_loop_over_bins(drawn):
    logits, labels = drawn
    probabilities = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    expected = 0.0
    for b in range(15):
        inside = [
            (max(row), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if b / 15 < max(row) <= (b + 1) / 15
        ]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(r for _, r in inside) / len(inside)
            expected += len(inside) / len(labels) * abs(accuracy - confidence)
    assert expected > 0.05
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_calibration_error_is_0_if_certain_and_right_and_1_if_certain_and_wrong():
    assert expected_calibration_error(np.eye(3), [0, 1, 2]) == 0
    assert expected_calibration_error(np.eye(3), [1, 2, 0]) == 1


def test_mismatched_shapes_raise():
    with pytest.raises(ValueError, match="with one row at least"):
        fit_temperature(np.zeros((0, 3)), [])
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3,\)"):
        expected_calibration_error(np.zeros((2, 3)), [0, 1, 2])


def overconfident(rows=6000, songs=30, sharpness=3.0, seed=0):
    """Labels drawn from probabilities, which are sharpened afterwards: T = `sharpness`."""
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.ones(3), size=rows)
    true = np.array([random.choice(3, p=p) for p in honest])
    sharp = honest**sharpness / (honest**sharpness).sum(1, keepdims=True)
    return sharp, true, [f"song-{i % songs}" for i in range(rows)]


def test_temperature_scaling_corrects_an_overconfident_run():
    sharp, true, songs = overconfident()
    table = pd.DataFrame({"song": songs, "instrument": np.array(["Piano", "Bass", "Reed"])[true]})
    for i, name in enumerate(("Piano", "Bass", "Reed")):
        table[f"p_{name}"] = sharp[:, i]
    found = calibration(table)
    assert found["ece"] > 0.15
    assert found["ece_tempered"] < 0.03
    assert found["temperature"] == pytest.approx(3, rel=0.1)
    alone = calibration(table.assign(song="one"))
    assert alone["ece"] == found["ece"]
    assert np.isnan(alone["ece_tempered"])
