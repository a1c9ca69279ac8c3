"""Run folders: records, and recognition of finished runs."""

import hashlib
import json

import pytest

from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.workbook import runs
from camil.workbook.checksums import reason_to_repeat
from camil.workbook.runs import Run, recorded_instruments

PARAMETERS = {"seed": 0, "epochs": 3, "device": "auto"}
CORPUS = {"folder": "corpora/a", "source": "demo", "sha256": "01", "sha256_mels": "02"}


@pytest.fixture
def folder(tmp_path):
    """A folder with a finished run."""
    run = Run(tmp_path / "run", PARAMETERS, CORPUS)
    assert not run.finished
    (run.folder / "metrics.json").write_text("{}")
    (run.folder / runs.CHECKPOINT).write_text("x")
    run.finish("cpu", segments=7)
    return run.folder


def test_finished_run_is_recognized_and_left_unchanged(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"run.json", "metrics.json"}
    elsewhere = CORPUS | {"folder": "corpora/moved"}
    run = Run(folder, PARAMETERS | {"device": "cpu"}, elsewhere)
    assert run.finished
    assert "already contains this run" in capsys.readouterr().out
    assert run.finish("cuda", segments=8)["segments"] == 7
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": PARAMETERS | {"epochs": 4}},
        {"parameters": PARAMETERS | {"new": 1}},
        {"corpus": CORPUS | {"sha256": "03"}},
        {"corpus": CORPUS | {"sha256_mels": "03"}},
        {"instruments": InstrumentTable("two", FAMILIES[:2])},
    ],
)
def test_run_with_another_setting_replaces_the_finished_one(folder, change):
    run = Run(folder, **{"parameters": PARAMETERS, "corpus": CORPUS} | change)
    assert not run.finished
    assert list(folder.iterdir()) == []


def test_run_of_other_code_is_not_finished(folder, monkeypatch):
    monkeypatch.setattr(runs, "code_checksum", lambda rooms: "other")
    assert not Run(folder, PARAMETERS, CORPUS).finished


def test_run_that_lacks_a_file_is_not_finished(folder):
    (folder / "metrics.json").unlink()
    assert not Run(folder, PARAMETERS, CORPUS).finished


def test_run_with_a_damaged_record_is_not_finished(folder):
    (folder / "run.json").write_text("{")
    assert not Run(folder, PARAMETERS, CORPUS).finished


def test_run_whose_file_was_changed_is_not_finished(folder):
    (folder / "metrics.json").write_text('{"macro_f1": 1}')
    assert not Run(folder, PARAMETERS, CORPUS).finished


def test_reason_to_repeat_names_changed_files_and_other_parameters(folder):
    (folder / "confusion.png").write_text("not a result")
    assert reason_to_repeat(folder, {"epochs": 3, "unknown": 1}) == ""
    assert reason_to_repeat(folder, {"epochs": 4, "seed": 0}) == "it was made with epochs=3"
    (folder / "metrics.json").write_text('{"macro_f1": 1}')
    assert "after it was made: metrics.json" in reason_to_repeat(folder, {"epochs": 3})
    (folder / "metrics.json").unlink()
    assert "removed after it was made: metrics.json" in reason_to_repeat(folder, {})
    (folder / "run.json").unlink()
    assert reason_to_repeat(folder, {"epochs": 3}) == ""


def test_reason_to_repeat_a_corpus(tmp_path):
    (tmp_path / "segments.parquet").write_bytes(b"notes")
    (tmp_path / "mels.npy").write_bytes(b"sound")
    stated = {"segments.parquet": hashlib.sha256(b"notes").hexdigest(), "mels.npy": "not compared"}
    record = {"parameters": {"songs": 240, "source": ""}, "sha256": stated}
    (tmp_path / "corpus.json").write_text(json.dumps(record))
    assert reason_to_repeat(tmp_path, {"songs": 240, "figure": "x"}) == ""
    assert reason_to_repeat(tmp_path, {"songs": 24}) == "it was made with songs=240"
    (tmp_path / "mels.npy").unlink()
    assert reason_to_repeat(tmp_path, {}).endswith("after it was made: mels.npy")
    (tmp_path / "segments.parquet").write_bytes(b"other")
    assert reason_to_repeat(tmp_path, {}).endswith("segments.parquet, mels.npy")


def test_run_that_builds_on_other_weights_is_not_finished(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    (below / "encoder.safetensors").write_bytes(b"a")
    parameters = PARAMETERS | {"pretrained": str(below)}
    Run(tmp_path / "run", parameters, CORPUS).finish("cpu")
    assert Run(tmp_path / "run", parameters, CORPUS).finished
    (below / "encoder.safetensors").write_bytes(b"b")
    assert not Run(tmp_path / "run", parameters, CORPUS).finished


def test_processes_that_train_together_never_skip_the_training(folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not Run(folder, PARAMETERS, CORPUS).finished


def test_record_has_the_instrument_table(tmp_path):
    table = InstrumentTable("two", FAMILIES[:2])
    Run(tmp_path, PARAMETERS, CORPUS, table).finish("cpu")
    record = json.loads((tmp_path / "run.json").read_text())
    assert recorded_instruments(record) == table
    assert recorded_instruments({}) == FAMILIES
