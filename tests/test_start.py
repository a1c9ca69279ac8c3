"""The set-up cell of a notebook, and the same checks before a kernel starts."""

import ast
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from notebook_runs import run_notebook

from camil.corpus import Corpus
from camil.workbook.execute import main
from camil.workbook.parameters import ParameterError, declared_types, parameter_cells
from camil.workbook.start import PATHS, all_exist, check_notebook, check_source, exists, start
from camil.workbook.valid_values import CHECKS

PROJECT = Path(__file__).parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
DECLARED = 'corpus: str = "corpora/none"\nrun: str = "runs/new"\nepochs: int = 3'
# Text parameters that are no paths.
NAMES = {
    *("condition", "dataset", "device", "download", "encoder", "group", "imbalance"),
    *("midi_source", "mining", "modality", "negatives", "objective", "schedule", "shard", "split"),
}


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def corpus(tmp_path):
    information = {"source": {"name": "demo"}, "sha256": {"segments.parquet": "f" * 64}}
    (tmp_path / "corpus.json").write_text(json.dumps(information))
    return tmp_path


def namespace(**values):
    return {"In": ["", DECLARED], "run": "runs/new", "epochs": 3} | values


def test_start_returns_parameters_and_prints_them_with_the_corpus(corpus, capsys):
    parameters, account = start("11_songs", namespace(corpus=str(corpus)))
    assert parameters == {"corpus": str(corpus), "run": "runs/new", "epochs": 3}
    printed = capsys.readouterr().out
    assert "epochs=3" in printed
    assert f"data: {corpus} (demo, sha256 ffffffffffff)" in re.sub(r"\s+", " ", printed)
    account.close("runs/new")
    assert "Results: runs/new" in capsys.readouterr().out


def test_start_refuses_a_missing_input_and_an_empty_output(corpus):
    with pytest.raises(ParameterError, match=r"corpus = 'corpora/none' names a folder that does"):
        start("02_pretrain", namespace(corpus="corpora/none", pretrained_audio=""))
    with pytest.raises(ParameterError, match="run = '' is empty"):
        start("11_songs", namespace(corpus=str(corpus), run=""))


def test_start_reports_a_damaged_run_as_one_sentence(tmp_path):
    for name in ("metrics.json", "run.json"):
        (tmp_path / name).write_text("{")
    namespace = {"In": ["", 'run: str = ""\nfigure: str = ""']}
    with pytest.raises(ParameterError, match=r"run\.json is not readable as JSON"):
        start("04_confusion", namespace | {"run": str(tmp_path), "figure": "new/figure"})


@pytest.mark.parametrize(("name", "below"), [("corpus", ""), ("corpus", "a"), ("figure", "a")])
def test_outputs_in_place_of_files_are_refused(name, below, tmp_path):
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / below)
    with pytest.raises(ParameterError, match=f"^{name} = .*/file is a file; name another"):
        check_notebook(PROJECT / "notebooks/01_preprocess.ipynb", {name: path})


@pytest.mark.parametrize("notebook", ["03_classify", "08_baselines"])
def test_unusable_runs_and_corpora_are_one_sentence(notebook, tiny_corpus, tmp_path, monkeypatch):
    """A damaged run to build on, and a corpus without validation songs."""
    (tmp_path / "run.json").write_text("{")
    given = {"03_classify": {"pretrained": str(tmp_path)}, "08_baselines": {}}[notebook]
    monkeypatch.setattr(Corpus, "rows", rows_of_training)
    with pytest.raises(ParameterError, match=r"not readable as JSON|no validation songs"):
        run_notebook(notebook, tiny={}, corpus=str(tiny_corpus), **given)


def rows_of_training(data, split, *_):
    """In place of `Corpus.rows`, for a corpus whose songs are all in training."""
    if split != "train":
        raise ValueError("no validation songs")
    return torch.arange(len(data))


def test_notebook_file_is_checked_without_a_kernel(tmp_path, corpus):
    cell = {"source": DECLARED, "metadata": {"tags": ["parameters"]}}
    path = tmp_path / "11_songs.ipynb"
    path.write_text(json.dumps({"cells": [{"source": "x = 1", "metadata": {}}, cell]}))
    check_notebook(path, {"epochs": 5, "corpus": str(corpus)})
    with pytest.raises(ParameterError, match=r"no parameter epohcs. Did you mean epochs\?"):
        check_notebook(path, {"epohcs": 5})
    with pytest.raises(ParameterError, match="epochs = 0 must be at least 1"):
        check_notebook(path, {"epochs": 0})
    with pytest.raises(ParameterError, match=r"corpus = .corpora/none. .* does not exist"):
        check_notebook(path, {"epochs": 5})  # the default


def test_a_wrong_path_is_one_sentence_within_three_seconds(tmp_path):
    command = [sys.executable, "-m", "camil.workbook.execute", "notebooks/03_classify.ipynb"]
    command += [str(tmp_path / "executed.ipynb"), "-y", "{corpus: nowhere}"]
    began = time.perf_counter()
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert time.perf_counter() - began < 3
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "notebooks/03_classify.ipynb: corpus = 'nowhere' names a folder that does not exist; make "
        "one with 01_preprocess."
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-y", "{a"], "-y '{a' is not YAML: while parsing a flow mapping"),
        (["-y", "{a: 2001-99-99}"], "is not YAML: month must be in"),
        (["-y", "[1]"], "-y '[1]' must name parameters and their values"),
        (["-y", "abc"], "-y 'abc' must name parameters and their values"),
        (["-y", "{1: 2}"], "-y '{1: 2}' must name parameters and their values"),
        (["-y", "{soundfonts: [3]}"], "soundfonts = [3] contains 3, which is not the path of a"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, message, monkeypatch, capsys):
    assert run_main(monkeypatch, "notebooks/01_preprocess.ipynb", "out.ipynb", *arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("notebooks/01_preprocess.ipynb: ")
    assert message in line


@pytest.mark.parametrize(
    ("notebook", "line"),
    [
        ("notebooks/1.ipynb", "notebooks/1.ipynb: No such file or directory"),
        ("README.md", "README.md: The file is not a Jupyter notebook."),
        ("constraints.txt", "constraints.txt: The file is not a Jupyter notebook."),
    ],
)
def test_what_is_no_notebook_is_one_sentence(notebook, line, monkeypatch, capsys):
    assert run_main(monkeypatch, notebook, "out.ipynb") == 1
    assert capsys.readouterr().err.splitlines() == [line]


def run_main(monkeypatch, *arguments):
    """The exit status of ``python -m camil.workbook.execute`` in the project's folder."""
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["execute", *arguments])
    return main()


def test_source_must_exist_where_it_is_read(tmp_path):
    for parameters in (
        {"dataset": "demo", "source": ""},
        {"dataset": "midi", "source": str(tmp_path)},
        {"dataset": "slakh", "source": "later", "download": "baby"},
        {"dataset": "other", "source": ""},
        {},
    ):
        check_source(parameters)
    for source in ("", str(tmp_path / "none")):
        with pytest.raises(ParameterError, match="name a folder or file"):
            check_source({"dataset": "midi", "source": source})


def test_existing_files_and_folders_are_accepted(tmp_path):
    file = tmp_path / "a.sf2"
    file.touch()
    assert exists(str(file)) is None
    assert exists(str(tmp_path)) is None
    assert "does not exist" in exists("none.mid")
    assert all_exist([]) is None
    assert all_exist([str(file)]) is None
    assert all_exist([str(file), "b.sf2"]).endswith("b.sf2")


@pytest.mark.parametrize("name", PATHS)
def test_checks_name_parameters_of_their_notebook(name):
    cells = parameter_cells(PROJECT / "notebooks" / f"{name}.ipynb")
    assert PATHS[name].keys() <= declared_types(cells).keys()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_required_paths_of_every_notebook_are_checked(notebook):
    """A text parameter with a default that is not empty is a path or a name."""
    [cell] = parameter_cells(notebook)
    texts = {
        node.target.id
        for node in ast.parse(cell).body
        if isinstance(node, ast.AnnAssign) and isinstance(ast.literal_eval(node.value), str)
        if ast.literal_eval(node.value)
    }
    assert texts - NAMES <= PATHS[notebook.stem].keys()


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("02_pretrain", "note_dropout", 1.5),
        ("02_pretrain", "tempo_jitter", -0.1),
        ("02_pretrain", "margin", float("inf")),
        ("02b_objectives", "segments", 0),
        ("02c_sound", "clusters", 0),
        ("03_classify", "velocity_jitter", 1.0),
        ("09_questions", "reference_segments", 0),
        ("11_songs", "members", 0),
        ("11_songs", "size", 0),
        ("11_songs", "programs", -1.0),
        ("11_songs", "strength", 2.0),
        ("12_audit", "share", 2.0),
        ("12_audit", "shown", -1),
        ("12_audit", "processes", 0),
        ("13_ablation", "seeds", 0),
        ("13_ablation", "training_songs", -1),
        ("14_tuning", "epoch_counts", []),
        ("14_tuning", "epoch_counts", [2.5]),
        ("14_tuning", "learning_rates", [0.001, "1e-4"]),
        ("14_tuning", "learning_rates", [float("inf")]),
        ("15_other_collections", "random_groups", 1),
        ("15_other_collections", "threshold", 1.5),
        ("16_few_labels", "fine_tuning_rate", 0.0),
        ("16_few_labels", "validation_segments", 0),
        ("16_few_labels", "shares", []),
        ("16_few_labels", "shares", [2.0]),
        ("16_few_labels", "draws", [True]),
        ("16_few_labels", "epochs_per_share", [3, 0]),
        ("16_few_labels", "fine_tuned_shares", [0.0]),
    ],
)
def test_value_out_of_range_is_refused_without_a_kernel(notebook, name, value, monkeypatch):
    monkeypatch.setitem(PATHS, notebook, {})
    path = PROJECT / "notebooks" / f"{notebook}.ipynb"
    with pytest.raises(
        ParameterError, match=rf"^{name} = {re.escape(repr(value))} (.*must|is empty)"
    ):
        check_notebook(path, {name: value})


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_number_has_a_check_and_every_default_passes(notebook, monkeypatch):
    types = declared_types(parameter_cells(notebook))
    numbers = {name for name, declared in types.items() if declared in ("int", "float")}
    assert numbers <= CHECKS.keys()
    # Not the paths: runs and corpora of the defaults need not exist.
    monkeypatch.setitem(PATHS, notebook.stem, {})
    check_notebook(notebook, {})


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_starts_under_its_own_name(notebook):
    for cell in code_of(notebook):
        for name in re.findall(r'start\("(\w+)", globals\(\)\)', cell):
            assert name == notebook.stem
