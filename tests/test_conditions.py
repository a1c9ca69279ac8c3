"""Finished runs are read and grouped into the rows of Table I."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from camil.evaluation.conditions import (
    advice,
    calibration_rows,
    class_rows,
    table_rows,
    track_rows,
)
from camil.evaluation.finished_runs import (
    find_runs,
    instruments_of_runs,
    open_run,
    provenance_note,
    runs_in,
)
from camil.evaluation.metrics import paired_difference, track_predictions
from camil.evaluation.training_histories import paper_histories
from camil.midi.instruments import FAMILIES, InstrumentTable

CLASSES = ("Piano", "Bass", "Pipe")


def leave_run(folder, name, condition, seed, negatives="", songs=6, fraction=1.0, record=None,
              context="segment", only=None, **parameters):  # fmt: skip
    """Write a finished run of 03_classify with random predictions and return them.

    Args:
        record: further entries of run.json.
        only: the one class that is predicted.
        parameters: further parameters of the run.
    """
    random = np.random.default_rng([seed, *condition.encode()])
    probabilities = random.dirichlet(np.ones(3), size=60)
    if only:
        probabilities[:, CLASSES.index(only)] += 2
        probabilities /= probabilities.sum(axis=1, keepdims=True)
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
    metrics = {"condition": condition, "train_fraction": fraction, "negatives": negatives}
    (run / "metrics.json").write_text(json.dumps(metrics | {"context": context}))
    record = {
        "parameters": {"seed": seed, "train_fraction": fraction} | parameters,
        "corpus": {"source": "demo", "sha256": "0123456789abcdef"},
        "commit": "abc",
        "device": "cpu",
        "seconds": 1.0,
    } | (record or {})
    (run / "run.json").write_text(json.dumps(record))
    return table


def test_row_is_the_mean_over_its_seeds(tmp_path):
    tables = [leave_run(tmp_path, f"sic-{seed}", "SIC", seed) for seed in (0, 1, 2)]
    leave_run(tmp_path, "aic-0", "AIC", 0)
    rows = table_rows(find_runs(str(tmp_path)))
    assert rows["condition"].tolist() == ["AIC", "SIC"]  # the paper's order
    expected = [f1_score(t["instrument"], t["predicted"], average="macro") for t in tables]
    assert rows.loc[1, "macro_f1"] == pytest.approx(np.mean(expected))
    assert rows.loc[1, "seeds"] == 3
    assert rows.loc[1, "macro_f1_low"] < rows.loc[1, "macro_f1"] < rows.loc[1, "macro_f1_high"]


def test_rows_are_sorted_by_train_fraction(tmp_path):
    leave_run(tmp_path, "a", "CAMIL", 0, "class", fraction=0.5)
    leave_run(tmp_path, "b", "SIC", 0, fraction=0.5)
    leave_run(tmp_path, "c", "CAMIL", 0, "class")
    rows = table_rows(find_runs(str(tmp_path)))
    assert list(zip(rows["condition"], rows["train_fraction"], strict=True)) == [
        ("CAMIL", 1.0),
        ("SIC", 0.5),
        ("CAMIL", 0.5),
    ]


def test_self_supervised_rows_follow_those_of_the_paper(tmp_path):
    names = ["Random encoder", "Self-supervised audio", "CAMIL, self-supervised teacher", "SIC"]
    for folder, name in zip("abcd", names, strict=True):
        leave_run(tmp_path, folder, name, 0)
    rows = table_rows(find_runs(str(tmp_path)))
    assert rows["condition"].tolist() == [names[i] for i in (3, 2, 1, 0)]
    assert rows.loc[1, "negatives"] == ""


def test_two_runs_of_one_condition_and_seed_raise(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0)
    leave_run(tmp_path, "sic-wide", "SIC", 0)
    with pytest.raises(ValueError, match=r"sic, sic-wide .* same seed"):
        table_rows(find_runs(str(tmp_path)))


def test_single_test_song_has_a_score_and_no_interval(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0, songs=1)
    row = table_rows(find_runs(str(tmp_path))).iloc[0]
    assert np.isfinite(row["macro_f1"])
    assert np.isnan(row["macro_f1_low"])


def test_find_runs_reads_folders_and_lists_and_reports_unfinished_runs(tmp_path):
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


def test_note_states_demonstration_data_corpus_seeds_and_commit(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 4)
    note = provenance_note(find_runs(str(tmp_path)))
    for part in ("Demonstration corpus", "01234567", "split by song", "seed 4", "commit abc"):
        assert part in note


def test_histories_of_the_paper_are_those_of_the_trained_encoders(tmp_path):
    for seed in (1, 0):
        for name, condition, parameters in (
            ("camil-frozen", "CAMIL", {"freeze": True, "pretrained": f"runs/camil-seed{seed}"}),
            ("heard-frozen", "CAMIL, teacher", {"freeze": True, "pretrained": "runs/heard-seed0"}),
            ("random-frozen", "Unsupervised CAMIL", {"freeze": True, "pretrained": ""}),
            ("sic", "SIC (baseline)", {"pretrained": ""}),
            ("tuned", "Fine-tuned CAMIL", {"pretrained": f"runs/camil-seed{seed}"}),
        ):
            leave_run(tmp_path, f"{name}-seed{seed}", condition, seed, fraction=0.5, **parameters)
        for name in ("camil", "heard"):
            folder = tmp_path / f"{name}-seed{seed}"
            folder.mkdir()
            (folder / "run.json").write_text(json.dumps({"parameters": {"seed": seed}}))
        for name, losses in {"camil": [3, 2], "heard": [9, 8], "sic": [5, 4], "tuned": [1]}.items():
            lines = [json.dumps({"epoch": i, "train_loss": x + seed}) for i, x in enumerate(losses)]
            (tmp_path / f"{name}-seed{seed}" / "history.jsonl").write_text("\n".join(lines))
    found = paper_histories(find_runs(str(tmp_path)))
    assert {title: table["train_loss"].tolist() for title, table in found.items()} == {
        "SIC (baseline), 50%": [5, 4],
        "CAMIL, 50%": [3, 2],
        "Fine-tuned CAMIL, 50%": [1],
    }


def test_each_condition_is_compared_with_sic_of_the_same_train_fraction(tmp_path):
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


def test_conditions_with_other_test_segments_have_no_difference(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0)
    leave_run(tmp_path, "camil", "CAMIL", 0)
    path = tmp_path / "camil" / "predictions.parquet"
    pd.read_parquet(path).iloc[:-1].to_parquet(path)
    rows = table_rows(find_runs(str(tmp_path))).set_index("condition")
    assert np.isnan(rows.loc["CAMIL", "difference"])
    assert np.isfinite(rows.loc["CAMIL", "macro_f1"])


def test_rows_that_read_tracks_or_songs_come_last(tmp_path):
    leave_run(tmp_path, "songs", "GBT on songs", 0, context="song")
    leave_run(tmp_path, "tracks", "GBT on tracks", 0, context="track")
    leave_run(tmp_path, "trees", "GBT on segments", 0, context="segment")
    leave_run(tmp_path, "half", "SIC", 0, fraction=0.5)
    rows = table_rows(find_runs(str(tmp_path)))
    expected = ["GBT on segments", "SIC", "GBT on tracks", "GBT on songs"]
    assert rows["condition"].tolist() == expected


def test_class_and_calibration_rows_are_means_over_seeds(tmp_path):
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


def test_runs_in_returns_the_first_run_of_each_name(tmp_path):
    leave_run(tmp_path / "a", "sic", "SIC", 0)
    leave_run(tmp_path / "b", "sic", "SIC", 1)
    leave_run(tmp_path / "b", "aic", "AIC", 0)
    (tmp_path / "b" / "unfinished").mkdir()
    found = {
        run.folder.name: run.folder.parent.name for run in runs_in(f"{tmp_path}/a,{tmp_path}/b,")
    }
    assert found == {"sic": "a", "aic": "b"}


OTHER = {"corpus": {"source": "midi", "sha256": "fedcba9876543210"}}


def test_runs_of_several_corpora_are_refused_unless_asked_for(tmp_path):
    leave_run(tmp_path, "aic", "AIC", 0, songs=40)
    leave_run(tmp_path, "sic", "SIC", 0, songs=40, record=OTHER)
    found = find_runs(str(tmp_path))
    with pytest.raises(
        ValueError, match=r"2 different corpora: 01234567 \(such as aic\), fedcba98"
    ):
        table_rows(found)
    rows = table_rows(found, mix_corpora=True).set_index("condition")
    assert rows["warnings"].to_dict() == {"AIC": "", "SIC": "corpus fedcba98"}
    note = provenance_note(found)
    assert "(01234567)" in note
    assert "Corpus: midi (fedcba98)" in note


def test_few_test_songs_are_a_warning(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0, songs=29)
    leave_run(tmp_path, "camil", "CAMIL", 0, songs=30)
    warnings = table_rows(find_runs(str(tmp_path))).set_index("condition")["warnings"]
    assert warnings.to_dict() == {"CAMIL": "", "SIC": "only 29 test songs"}


def test_classifier_that_predicts_one_class_is_a_warning_unless_it_is_the_majority(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0, songs=30, only="Bass")
    leave_run(tmp_path, "majority", "Majority", 0, songs=30, only="Piano")
    table = table_rows(find_runs(str(tmp_path)))
    warnings = table.set_index("condition")["warnings"]
    assert warnings.to_dict() == {"SIC": "predicts only Bass", "Majority": ""}
    assert "imbalance" in advice(table)
    assert "test songs" not in advice(table)


def test_classes_without_training_segments_are_a_warning_that_names_them(tmp_path):
    lacking = {"untrained": ["Pipe", "Piano"]}
    leave_run(tmp_path, "sic", "SIC", 0, songs=30, record=lacking)
    leave_run(tmp_path, "camil", "CAMIL", 0, songs=30, record={"untrained": []})
    table = table_rows(find_runs(str(tmp_path)))
    warnings = table.set_index("condition")["warnings"]
    assert warnings.to_dict() == {"CAMIL": "", "SIC": "not trained on Piano, Pipe"}
    assert "train_fraction" in advice(table)


def test_rows_with_equal_predictions_are_a_warning_of_the_later_row(tmp_path):
    leave_run(tmp_path, "baseline-tracks", "GBT on tracks", 0, songs=30, context="track")
    leave_run(tmp_path, "old-tracks", "Trees on tracks", 0, songs=30, context="track")
    shutil.copy(tmp_path / "baseline-tracks/predictions.parquet", tmp_path / "old-tracks")
    leave_run(tmp_path, "sic", "SIC", 0, songs=30)
    table = table_rows(find_runs(str(tmp_path)))
    warnings = table.set_index("condition")["warnings"]
    assert warnings.to_dict() == {
        "SIC": "",
        "GBT on tracks": "",
        "Trees on tracks": "same predictions as GBT on tracks",
    }
    assert "Delete its folder" in advice(table)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.parquet"])
def test_run_whose_scores_were_changed_raises_with_folder_and_file(tmp_path, name):
    leave_run(tmp_path, "sic", "SIC", 0)
    path = tmp_path / "sic" / "run.json"
    files = {
        file: hashlib.sha256((tmp_path / "sic" / file).read_bytes()).hexdigest()
        for file in ("metrics.json", "predictions.parquet")
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))
    assert len(find_runs(str(tmp_path))) == 1
    with open(tmp_path / "sic" / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match=rf"sic: {name} changed after the run had finished"):
        find_runs(str(tmp_path))


def test_few_training_steps_are_a_warning_also_of_the_pretraining_below(tmp_path):
    trained = {"batch_size": 32, "epochs": 8}
    leave_run(tmp_path, "sic", "SIC", 0, songs=30, record={"segments": 70}, **trained)
    leave_run(tmp_path, "camil", "CAMIL", 0, songs=30, freeze=True, pretrained="x/below", **trained)
    leave_run(tmp_path, "tuned", "Tuned", 0, songs=30, record={"segments": 2000}, **trained)
    below = tmp_path / "below"
    below.mkdir()
    record = json.loads((tmp_path / "sic/run.json").read_text())
    record["parameters"] |= {"batch_size": 64, "epochs": 3}
    (below / "run.json").write_text(json.dumps(record | {"segments": 640}))
    warnings = table_rows(find_runs(str(tmp_path))).set_index("condition")["warnings"]
    # 2 batches of 32 in 70 segments, 8 epochs; 10 batches of 64 in 640 segments, 3 epochs.
    assert warnings.to_dict() == {
        "SIC": "only 16 training steps",
        "CAMIL": "only 30 training steps",
        "Tuned": "only 496 training steps",
    }


def test_steps_count_the_epochs_that_were_trained(tmp_path):
    leave_run(tmp_path, "sic", "SIC", 0, record={"segments": 640}, batch_size=64, epochs=99)
    (tmp_path / "sic/history.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    assert open_run(tmp_path / "sic").steps == 20


def test_audio_classifier_below_sic_is_a_warning(tmp_path):
    leave_run(tmp_path, "aic", "AIC", 0, songs=30, only="Bass")
    leave_run(tmp_path, "sic", "SIC", 0, songs=30)
    warnings = table_rows(find_runs(str(tmp_path))).set_index("condition")["warnings"]
    assert warnings["AIC"] == "predicts only Bass; AIC below SIC"
    assert warnings["SIC"] == ""


def test_instruments_are_those_of_the_runs_and_never_mixed(tmp_path):
    leave_run(tmp_path, "old", "SIC", 0)
    assert instruments_of_runs(find_runs(str(tmp_path))) == FAMILIES
    order = ("Pipe", "Piano", "Bass")
    few = InstrumentTable("three", [one for name in order for one in FAMILIES if one.name == name])
    record = {"instruments": few.to_json()}
    leave_run(tmp_path / "new", "sic", "SIC", 0, record=record)
    found = find_runs(str(tmp_path / "new"))
    assert found[0].instruments == few
    assert list(class_rows(found).columns[-3:]) == list(order)
    with pytest.raises(
        ValueError, match=r"classify different instruments .*sic: Pipe, Piano, Bass"
    ):
        table_rows([*found, *find_runs(str(tmp_path / "old"))])
