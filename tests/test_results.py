import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from camil.evaluation.metrics import paired_difference, track_predictions
from camil.evaluation.results import (
    calibration_rows,
    class_rows,
    find_runs,
    open_run,
    provenance_note,
    table_rows,
    track_rows,
)

CLASSES = ("Piano", "Bass", "Pipe")


def leave_run(folder, name, condition, seed, negatives="", songs=6, fraction=1.0, **metrics):
    """A finished run of 03_classify with random predictions; returns them."""
    random = np.random.default_rng([seed, len(condition)])
    probabilities = random.dirichlet(np.ones(3), size=60)
    table = pd.DataFrame(
        {
            "song": [f"song-{i % songs}" for i in range(60)],
            "track": [f"song-{i % songs}-{i % 3}" for i in range(60)],
            "start_beat": np.arange(60) * 8.0,
            "instrument": [CLASSES[i % 3] for i in range(60)],
            "predicted": np.array(CLASSES)[probabilities.argmax(1)],
        }
    )
    for i, instrument in enumerate(CLASSES):
        table[f"p_{instrument}"] = probabilities[:, i]
    run = folder / name
    run.mkdir(parents=True)
    table.to_parquet(run / "predictions.parquet")
    metrics |= {"condition": condition, "train_fraction": fraction, "negatives": negatives}
    (run / "metrics.json").write_text(json.dumps(metrics))
    record = {
        "parameters": {"seed": seed, "train_fraction": fraction},
        "corpus": {"source": "demo", "sha256": "0123456789abcdef"},
        "commit": "abc",
        "device": "cpu",
        "seconds": 1.0,
    }
    (run / "run.json").write_text(json.dumps(record))
    return table


def test_a_row_is_the_mean_over_its_seeds(tmp_path):
    tables = [leave_run(tmp_path, f"sic-{seed}", "SIC", seed) for seed in (0, 1, 2)]
    leave_run(tmp_path, "aic-0", "AIC", 0)
    rows = table_rows(find_runs(str(tmp_path)))
    assert rows["condition"].tolist() == ["AIC", "SIC"]  # the paper's order
    expected = [f1_score(t["instrument"], t["predicted"], average="macro") for t in tables]
    assert rows.loc[1, "macro_f1"] == pytest.approx(np.mean(expected))
    assert rows.loc[1, "seeds"] == 3
    assert rows.loc[1, "macro_f1_low"] < rows.loc[1, "macro_f1"] < rows.loc[1, "macro_f1_high"]


def test_the_half_stands_below_the_whole(tmp_path):
    leave_run(tmp_path, "a", "CAMIL", 0, "class", fraction=0.5)
    leave_run(tmp_path, "b", "SIC", 0, fraction=0.5)
    leave_run(tmp_path, "c", "CAMIL", 0, "class")
    rows = table_rows(find_runs(str(tmp_path)))
    assert list(zip(rows["condition"], rows["train_fraction"], strict=True)) == [
        ("CAMIL", 1.0),
        ("SIC", 0.5),
        ("CAMIL", 0.5),
    ]


def test_two_different_runs_are_not_averaged_as_seeds_of_one(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0)
    leave_run(tmp_path, "sic-wide", "SIC", 0)
    with pytest.raises(ValueError, match=r"sic, sic-wide .* same seed"):
        table_rows(find_runs(str(tmp_path)))


def test_one_test_song_gives_a_score_without_an_interval(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0, songs=1)
    row = table_rows(find_runs(str(tmp_path))).iloc[0]
    assert np.isfinite(row["macro_f1"])
    assert np.isnan(row["macro_f1_low"])


def test_runs_can_be_named_one_by_one_and_unfinished_ones_are_told(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0)
    leave_run(tmp_path, "aic", "AIC", 0)
    (tmp_path / "unfinished").mkdir()
    assert len(find_runs(str(tmp_path))) == 2
    assert [r.folder.name for r in find_runs(str(tmp_path / "sic"))] == ["sic"]
    assert len(find_runs(f"{tmp_path / 'sic'},{tmp_path / 'aic'}")) == 2
    with pytest.raises(ValueError, match="unfinished"):
        find_runs(f"{tmp_path / 'sic'},{tmp_path / 'unfinished'}")
    with pytest.raises(ValueError, match="03_classify"):
        find_runs(str(tmp_path / "nowhere"))


def test_the_note_says_demonstration_and_where_the_numbers_come_from(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 4)
    note = provenance_note(find_runs(str(tmp_path)))
    for part in ("Demonstration corpus", "01234567", "split by song", "seed 4", "commit abc"):
        assert part in note


@pytest.mark.parametrize(
    ("parameters", "title"),
    [
        ({"negatives": "class", "train_fraction": 1.0}, "CAMIL"),
        ({"negatives": "random", "train_fraction": 0.5}, "Unsupervised CAMIL, 50%"),
        ({"objective": "distill", "negatives": "random", "train_fraction": 1.0}, "Distillation"),
    ],
)
def test_a_pre_training_is_named_for_what_it_learns_from(tmp_path, parameters, title):
    (tmp_path / "run.json").write_text(json.dumps({"parameters": parameters}))
    assert open_run(str(tmp_path)).title == title


def test_each_condition_is_compared_with_sic_on_the_same_songs_and_share(tmp_path):
    sic = [leave_run(tmp_path, f"sic-{seed}", "SIC", seed) for seed in (0, 1)]
    camil = [leave_run(tmp_path, f"camil-{seed}", "CAMIL", seed, "class") for seed in (0, 1)]
    half = leave_run(tmp_path, "half", "SIC", 3, fraction=0.5)
    leave_run(tmp_path, "camil-half", "CAMIL", 0, "class", fraction=0.5)
    rows = table_rows(find_runs(str(tmp_path))).set_index(["condition", "train_fraction"])
    columns = ["difference", "difference_low", "difference_high"]

    def mean_f1(tables):
        return np.mean([f1_score(t["instrument"], t["predicted"], average="macro") for t in tables])

    assert rows.loc[("CAMIL", 1.0), "difference"] == pytest.approx(mean_f1(camil) - mean_f1(sic))
    expected = paired_difference(camil[:1], [half])
    assert rows.loc[("CAMIL", 0.5), columns].tolist() == pytest.approx(expected)
    assert rows.loc["SIC", columns].isna().all(axis=None)
    tracks = track_rows(find_runs(str(tmp_path))).set_index(["condition", "train_fraction"])
    voted = [[track_predictions(t) for t in tables] for tables in (camil, sic)]
    difference = mean_f1(voted[0]) - mean_f1(voted[1])
    assert tracks.loc[("CAMIL", 1.0), "difference"] == pytest.approx(difference)


def test_other_test_segments_are_not_compared(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0)
    leave_run(tmp_path, "camil", "CAMIL", 0)
    path = tmp_path / "camil" / "predictions.parquet"
    pd.read_parquet(path).iloc[:-1].to_parquet(path)
    rows = table_rows(find_runs(str(tmp_path))).set_index("condition")
    assert np.isnan(rows.loc["CAMIL", "difference"])
    assert np.isfinite(rows.loc["CAMIL", "macro_f1"])


def test_rows_that_know_more_than_two_measures_stand_last(tmp_path):
    leave_run(tmp_path, "songs", "Trees on songs", 0, context="song")
    leave_run(tmp_path, "tracks", "Trees on tracks", 0, context="track")
    leave_run(tmp_path, "trees", "Trees on segments", 0, context="segment")
    leave_run(tmp_path, "half", "SIC", 0, fraction=0.5)
    rows = table_rows(find_runs(str(tmp_path)))
    expected = ["Trees on segments", "SIC", "Trees on tracks", "Trees on songs"]
    assert rows["condition"].tolist() == expected


def test_instruments_and_calibration_are_means_over_seeds(tmp_path):
    tables = [leave_run(tmp_path, f"sic-{seed}", "SIC", seed) for seed in (0, 1)]
    row = class_rows(find_runs(str(tmp_path))).iloc[0]
    each = [
        f1_score(t["instrument"], t["predicted"], average=None, labels=["Piano"])[0] for t in tables
    ]
    assert row["Piano"] == pytest.approx(np.mean(each))
    assert list(row.index[-3:]) == ["Piano", "Bass", "Pipe"]
    calibrated = calibration_rows(find_runs(str(tmp_path))).iloc[0]
    assert 0 < calibrated["ece"] < 1
    assert calibrated["seeds"] == 2
