import numpy as np
import pandas as pd
import pytest

from camil.calibration import best_temperature, calibration, calibration_error, tempered


def test_the_calibration_error_is_the_sum_over_bins():
    random = np.random.default_rng(0)
    confidence = np.r_[random.uniform(0.2, 1, 400), 1.0]
    right = random.random(401) < 0.7
    expected = 0.0
    for b in range(15):
        low, high = b / 15, (b + 1) / 15
        inside = [i for i, c in enumerate(confidence) if low <= c < high or (b == 14 and c == 1.0)]
        if inside:
            accuracy = sum(right[i] for i in inside) / len(inside)
            mean = sum(confidence[i] for i in inside) / len(inside)
            expected += len(inside) / 401 * abs(accuracy - mean)
    assert calibration_error(right, confidence) == pytest.approx(expected)
    with pytest.raises(ValueError, match="not empty"):
        calibration_error([], [])


def overconfident(rows=6000, songs=30, sharpness=3.0, seed=0):
    """Probabilities whose labels are drawn from them, then sharpened: T = `sharpness` mends it."""
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.ones(3), size=rows)
    true = np.array([random.choice(3, p=p) for p in honest])
    sharp = honest**sharpness / (honest**sharpness).sum(1, keepdims=True)
    return sharp, true, [f"song-{i % songs}" for i in range(rows)]


def test_the_temperature_that_made_it_overconfident_is_found_again():
    sharp, true, _ = overconfident()
    assert best_temperature(sharp, true) == pytest.approx(3, rel=0.05)
    assert tempered(sharp, 1) == pytest.approx(sharp, abs=1e-6)
    honest = tempered(sharp, 3)
    assert (honest.argmax(1) == sharp.argmax(1)).all()
    assert honest.sum(1) == pytest.approx(1)


def test_tempering_mends_a_run_that_is_too_sure():
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
