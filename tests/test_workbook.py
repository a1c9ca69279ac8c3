"""The notebooks and the graph, executed on a corpus of a few songs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score, f1_score

from camil.encoders.hub import load_encoder
from camil.encoders.resnet import MIDIEncoder
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.workbook import rooms

PROJECT = Path(__file__).parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
CONDITIONS = {
    ("AIC", 1.0),
    ("SIC", 1.0),
    ("CAMIL", 1.0),
    ("Fine-tuned CAMIL", 1.0),
    ("Unsupervised CAMIL", 1.0),
    ("AIC", 0.5),
    ("SIC", 0.5),
    ("CAMIL", 0.5),
    ("Unsupervised CAMIL", 0.5),
}
# Rows of an audio encoder that was trained without labels.
WITHOUT_LABELS = {
    ("CAMIL, self-supervised teacher", 1.0, "segment"),
    ("Self-supervised audio", 1.0, "segment"),
}
# Conditions without audio, and their context: segments, as all of the above, tracks or songs.
NOTES_ALONE = {
    ("Majority", 1.0, "segment"),
    ("GBT on segments", 1.0, "segment"),
    ("GBT on tracks", 1.0, "track"),
    ("GBT on songs", 1.0, "song"),
    ("CAMIL+ on segments", 1.0, "segment"),
    ("CAMIL+ on tracks", 1.0, "track"),
    ("CAMIL+ on songs", 1.0, "song"),
}
SMALL = {"width": 4, "epochs": 1, "batch_size": 32}
CLUSTERS = 8
SMALL_SONGS = {"width": 8, "size": 8, "epochs": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with a tiny demo, whose graph was run once."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("camil", "notebooks", "config", "Snakefile"):
        copy = shutil.copytree if (PROJECT / part).is_dir() else shutil.copy
        copy(PROJECT / part, folder / part)
    profile = yaml.safe_load((folder / "config/demo.yaml").read_text())
    profile["preprocess"] |= {"songs": 30, "max_segments_per_track": 2}
    for stage in ("sound", "pretrain", "classify"):
        profile[stage]["all"] |= SMALL
    profile["sound"]["runs"]["teacher"]["clusters"] = CLUSTERS
    profile["songs"] |= SMALL_SONGS
    (folder / "config/demo.yaml").write_text(yaml.safe_dump(profile))
    result = graph(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def graph(
    folder: Path, *options: str, profile: str = "demo", python: str | Path = sys.executable
) -> subprocess.CompletedProcess:
    command = [python, "-m", "snakemake", "--cores", "2", "--show-failed-logs"]
    command += ["--configfile", f"config/{profile}.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500)


def jobs(folder: Path, **how) -> set[str]:
    """The jobs that the graph would run now: rule and run of each."""
    result = graph(folder, "--dry-run", **how)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = (result.stdout + result.stderr).splitlines()
    rules = [i for i, line in enumerate(lines) if line.strip().startswith(("rule", "localrule"))]
    found = set()
    for i in rules:
        name = lines[i].strip().rstrip(":").split()[1]
        run = next((line.split("name=")[1].split(",")[0] for line in lines[i : i + 10]
                    if "name=" in line), "")  # fmt: skip
        found.add(f"{name} {run}".strip())
    return found - {"all"}


def conditions(table: pd.DataFrame) -> set[tuple[str, float, str]]:
    columns = ["condition", "train_fraction", "context"]
    return set(table[columns].itertuples(index=False, name=None))


def test_table_has_every_condition_of_the_paper_recomputed_from_predictions(project):
    table = pd.read_csv(project / "figures/demo/table1.csv")
    of_the_paper = {(*condition, "segment") for condition in CONDITIONS}
    assert conditions(table) == of_the_paper | WITHOUT_LABELS | NOTES_ALONE
    runs = {}
    for path in project.glob("runs/demo/*/metrics.json"):
        about = {"context": "segment"} | json.loads(path.read_text())
        runs[about["condition"], about["train_fraction"], about["context"]] = path.parent
    for row in table.to_dict("records"):
        folder = runs[row["condition"], row["train_fraction"], row["context"]]
        predictions = pd.read_parquet(folder / "predictions.parquet")
        true, predicted = predictions["instrument"], predictions["predicted"]
        classes = sorted(set(true))
        macro = f1_score(true, predicted, average="macro", labels=classes, zero_division=0)
        assert row["macro_f1"] == pytest.approx(macro, abs=1e-6)
        assert row["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-6)
        assert row["macro_f1_low"] <= row["macro_f1"] <= row["macro_f1_high"]
        columns = [name for name in predictions if name.startswith("p_")]
        assert predictions[columns].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
        best = predictions[columns].idxmax(axis=1).str.removeprefix("p_")
        assert (best == predicted).all()


def test_predictions_cover_all_test_segments(project):
    segments = pd.read_parquet(project / "corpora/demo/segments.parquet")
    test = segments[segments["split"] == "test"]
    predictions = pd.read_parquet(project / "runs/demo/sic-seed0/predictions.parquet")
    keys = ["song", "track", "start_beat", "instrument"]
    assert predictions[keys].to_numpy().tolist() == test[keys].to_numpy().tolist()


def test_every_question_has_an_answer_or_names_the_missing_runs(project):
    table = pd.read_csv(project / "figures/demo/questions/answers.csv").set_index("question")
    answers = table["answer"]
    assert answers["margin"].startswith("No answer yet")
    assert "scores highest" in answers["controls"]
    searched = pd.read_csv(project / "figures/demo/questions/retrieval.csv")
    assert f"MRR {searched['MRR'].max():.3f}" in answers["retrieval"]
    tasks = pd.read_csv(project / "figures/demo/transfer/answers.csv").set_index("task")["answer"]
    assert "macro-F1" in tasks["role"]
    assert tasks["composer"].startswith("No answer")


def test_every_figure_exists_and_tables_state_the_demonstration_corpus(project):
    for name in ("fig1", "fig2", "umap", "data_efficiency", "training_curves"):
        for suffix in (".pdf", ".png"):
            assert (project / "figures/demo" / (name + suffix)).stat().st_size > 5000
    for name in ("table1.md", "table1.tex"):
        assert "emonstration corpus" in (project / "figures/demo" / name).read_text()


def test_every_notebook_of_the_graph_was_executed_from_top_to_bottom(project):
    executed = list((project / "runs/demo/notebooks").glob("*.ipynb"))
    assert {path.name[:2] for path in executed} == {name[:2] for name in rooms.NOTEBOOKS}
    for path in executed:
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
        assert path.stat().st_size < 3_000_000


def test_notebooks_with_sound_contain_audio(project):
    for name in (
        "01_preprocess-demo",
        "02c_sound-teacher-seed0",
        "05_umap",
        "07_label",
        "08_baselines",
        "12_audit",
    ):
        text = (project / f"runs/demo/notebooks/{name}.ipynb").read_text()
        assert "data:audio/flac;base64," in text


def test_audit_lists_every_track_of_the_demo(project):
    tracks = pd.read_csv(project / "runs/demo/audit/audit.csv")
    segments = pd.read_parquet(project / "corpora/demo/segments.parquet")
    audited = set(zip(tracks["file"], tracks["track"], strict=True))
    assert audited >= {
        (f"{song}.mid", track)
        for song, track in zip(segments["song"], segments["track"], strict=True)
    }
    assert tracks["suspicion"].is_monotonic_decreasing
    scores = pd.read_csv(project / "runs/demo/audit/planting.csv")
    assert scores.loc[0, "auc_low"] <= scores.loc[0, "auc"] <= scores.loc[0, "auc_high"]


def test_labelled_copy_has_the_programs_of_the_labels(project):
    tracks = pd.read_csv(project / "runs/demo/label/tracks.csv")
    assert len(tracks) >= 2
    (copy,) = (project / "runs/demo/label").glob("*-labelled.mid")
    pitched = [i for i in pretty_midi.PrettyMIDI(str(copy)).instruments if not i.is_drum]
    for row, instrument in zip(tracks.to_dict("records"), pitched, strict=True):
        if row["predicted"] in ("uncertain", INSTRUMENT_OF_PROGRAM.get(row["program"])):
            assert instrument.program == row["program"]
        else:
            assert INSTRUMENT_OF_PROGRAM[instrument.program] == row["predicted"]


def test_second_run_of_the_graph_reruns_nothing(project):
    result = graph(project)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr


def test_another_name_of_the_same_python_reruns_nothing(project):
    here = Path(sys.executable)
    names = (here.with_name(name) for name in ("python", "python3"))
    other = next((path for path in names if path.exists() and path != here), None)
    if not other:
        pytest.skip("this Python has one name only")
    assert jobs(project, python=other) == set()


def test_changed_parameter_reruns_its_condition_and_its_dependents(project):
    path = project / "config/demo.yaml"
    before = path.read_text()
    profile = yaml.safe_load(before)
    profile["pretrain"]["runs"]["unsupervised"]["margin"] = 0.9
    path.write_text(yaml.safe_dump(profile))
    expected = {"pretrain unsupervised", "classify unsupervised-frozen", "results", "questions"}
    assert jobs(project) == expected
    path.write_text(before)
    assert jobs(project) == set()


def test_edited_loss_reruns_training_but_neither_preprocessing_nor_baselines(project):
    path = project / "camil/losses/contrastive.py"
    before = path.read_text()
    path.write_text(before + "\n# edited\n")
    planned = jobs(project)
    assert {"pretrain camil", "pretrain unsupervised", "classify camil-frozen"} <= planned
    assert not {"preprocess", "baselines"} & planned
    path.write_text(before)


def test_prose_and_outputs_of_a_notebook_rerun_nothing(project):
    path = project / "notebooks/03_classify.ipynb"
    before = path.read_text()
    content = json.loads(before)
    content["cells"][0]["source"] = ["# Other prose"]
    code = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["executed"]}]
    path.write_text(json.dumps(content))
    assert jobs(project) == set()
    path.write_text(before)


@pytest.mark.parametrize(
    ("notebook", "parameters"),
    [
        ("03_classify", SMALL),
        ("08_baselines", {}),
        ("11_songs", SMALL_SONGS),
        ("02_pretrain", SMALL),
        ("02c_sound", SMALL | {"clusters": CLUSTERS}),
    ],
)
def test_finished_run_is_shown_instead_of_computed_again(project, tmp_path, notebook, parameters):
    folders = ("corpora/demo", "runs/demo", "figures/demo")
    files = [path for folder in folders for path in (project / folder).rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    result = execute(project, notebook, tmp_path / "executed.ipynb", parameters)
    assert result.returncode == 0, result.stderr
    assert "already contains this run" in (tmp_path / "executed.ipynb").read_text()
    assert [path for path in files if path.read_bytes() != before[path]] == []
    assert jobs(project) == set()


def test_run_that_was_replaced_by_hand_is_made_again(project, tmp_path):
    run, table = project / "runs/demo/sic-seed0", project / "figures/demo/table1.csv"
    before = table.read_text()
    by_hand = execute(project, "03_classify", tmp_path / "executed.ipynb", SMALL | {"width": 5})
    assert by_hand.returncode == 0, by_hand.stderr
    assert json.loads((run / "run.json").read_text())["parameters"]["width"] == 5
    message = "runs/demo/sic-seed0 is made again: it was made with width=5."
    assert message in graph(project, "--dry-run").stderr
    assert (run / "run.json").exists()
    result = graph(project)
    assert result.returncode == 0, result.stderr
    assert message in result.stderr
    assert json.loads((run / "run.json").read_text())["parameters"]["width"] == 4
    assert table.read_text() == before


def test_changed_predictions_and_deleted_figures_are_made_again(project):
    predictions = project / "runs/demo/aic-half-seed0/predictions.parquet"
    figure = project / "figures/demo/training_curves.png"
    before = predictions.read_bytes()
    predictions.write_bytes(before[:-1])
    figure.unlink()
    result = graph(project)
    assert result.returncode == 0, result.stderr
    assert "runs/demo/aic-half-seed0 is made again: files were changed" in result.stderr
    assert predictions.read_bytes() == before
    assert figure.exists()
    assert jobs(project) == set()


def test_failing_notebook_prints_the_error_and_keeps_its_copy(project):
    notebook = project / "notebooks/04_confusion.ipynb"
    before = notebook.read_text()
    notebook.write_text(before.replace("figures.confusion(", "figures.no_such_figure("))
    result = graph(project)
    shown = result.stdout + result.stderr
    assert result.returncode != 0
    assert "no_such_figure" in shown
    assert "runs/demo/notebooks/04_confusion.log" in shown
    assert "no_such_figure" in (project / "runs/demo/notebooks/04_confusion.ipynb").read_text()
    notebook.write_text(before)
    assert graph(project).returncode == 0


def test_notes_profile_runs_on_a_folder_of_midi_without_audio(project, tmp_path):
    shutil.copytree(project / "corpora/demo/midi", tmp_path / "songs")
    profile = yaml.safe_load((project / "config/notes.yaml").read_text())
    profile |= {"source": str(tmp_path / "songs"), "seeds": [0]}
    profile["preprocess"]["max_segments_per_track"] = 2
    profile["classify"]["all"] |= SMALL
    profile["songs"] |= SMALL_SONGS
    (project / "config/notes.yaml").write_text(yaml.safe_dump(profile))
    result = graph(project, profile="notes")
    assert result.returncode == 0, result.stdout + result.stderr
    table = pd.read_csv(project / "figures/notes/table1.csv")
    assert conditions(table) == {("SIC", 1.0, "segment")} | NOTES_ALONE
    assert table["macro_f1"].between(0, 1).all()
    assert len(np.load(project / "corpora/notes/mels.npy")) == 0
    assert not (project / "figures/notes/umap.pdf").exists()
    # A removed file is noticed, and the corpus is made again.
    assert jobs(project, profile="notes") == set()
    next((tmp_path / "songs").glob("*.mid")).unlink()
    assert "preprocess" in jobs(project, profile="notes")


def test_another_instrument_table_runs_through_the_whole_graph(project):
    profile = yaml.safe_load((project / "config/demo.yaml").read_text())
    profile |= {"name": "families5", "label": "corpora/families5/midi/song-018.mid"}
    profile["audit"] = "corpora/families5/midi"
    profile["preprocess"]["instruments"] = "config/families5.yaml"
    for stage, kept in {
        "sound": {"teacher"},
        "pretrain": {"camil"},
        "classify": {"aic", "sic", "camil-frozen"},
    }.items():
        runs = profile[stage]["runs"]
        profile[stage]["runs"] = {name: runs[name] for name in kept}
    for stage in ("questions", "transfer"):
        del profile[stage]
    (project / "config/five.yaml").write_text(yaml.safe_dump(profile))
    result = graph(project, profile="five")
    assert result.returncode == 0, result.stdout + result.stderr
    table = yaml.safe_load((PROJECT / "config/families5.yaml").read_text())
    programs = {one["name"]: one["programs"][0] for one in table["instruments"]}
    segments = pd.read_parquet(project / "corpora/families5/segments.parquet")
    assert set(segments["instrument"]) <= set(programs)
    for name, rows in segments.groupby("instrument"):
        low, high = map(int, programs[name].split("-"))
        assert rows["program"].between(low, high).all()
    for run in ("sic-seed0", "camil-frozen-seed0", "baseline-songs-seed0", "plus-seed0-song"):
        predictions = pd.read_parquet(project / f"runs/families5/{run}/predictions.parquet")
        assert [c[2:] for c in predictions if c.startswith("p_")] == list(programs)
    by_class = pd.read_csv(project / "figures/families5/instruments.csv")
    assert set(programs) & set(by_class) == set(segments["instrument"]) & set(by_class)
    assert not {"Organ", "Pipe", "Reed"} & set(by_class)
    labels = pd.read_csv(project / "runs/families5/label/labels.csv")
    assert set(labels["predicted"]) <= {*programs, "uncertain"}
    tracks = pd.read_csv(project / "runs/families5/audit/audit.csv")
    assert set(tracks["family"]) <= {*programs, "other"}
    assert {name[2:] for name in tracks if name.startswith("p_")} == {*programs, "other"}
    assert (project / "figures/families5/fig2.pdf").is_file()
    assert (project / "figures/families5/umap.pdf").is_file()


def execute(folder: Path, notebook: str, output: Path, parameters: dict):
    command = [
        sys.executable,
        "-m",
        "camil.workbook.execute",
        f"notebooks/{notebook}.ipynb",
        str(output),
    ]
    command += ["-y", yaml.safe_dump(parameters, default_flow_style=True)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("notebook", "parameters", "message"),
    [
        ("01_preprocess", {"dataset": "midi", "source": "nowhere"}, "nowhere"),
        ("01_preprocess", {"dataset": "midi", "source": "config"}, "no .mid"),
        ("02_pretrain", {"epohcs": 3}, "Did you mean epochs?"),
        ("02_pretrain", {"corpus": "corpora/none"}, "make one with 01_preprocess"),
        ("03_classify", {"freeze": "false"}, "must be true or false"),
        ("03_classify", {"train_fraction": 0.02}, "train_fraction"),
        ("06_results", {"runs": "runs/nowhere", "figures": "figures/x"}, "runs/nowhere"),
    ],
)
def test_wrong_parameter_is_reported_without_a_traceback(
    project, tmp_path, notebook, parameters, message
):
    result = execute(project, notebook, tmp_path / "executed.ipynb", parameters)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_random_encoder_is_probed_unchanged(project, tmp_path):
    given = {"run": str(tmp_path / "run"), "condition": "Random encoder", "freeze": True}
    given |= {"width": 4, "embedding": 16, "seed": 3}
    result = execute(project, "03_classify", tmp_path / "executed.ipynb", given)
    assert result.returncode == 0, result.stderr
    torch.manual_seed(3)
    untouched = MIDIEncoder(4, 18, 16).state_dict()
    kept = load_encoder(tmp_path / "run/encoder.safetensors").state_dict()
    assert all(torch.equal(kept[name], untouched[name]) for name in untouched)


def test_midi_supcon_needs_no_audio(project, tmp_path):
    corpus = shutil.copytree(
        project / "corpora/demo", tmp_path / "silent", ignore=shutil.ignore_patterns("*.mid")
    )
    np.save(corpus / "mels.npy", np.empty((0, 128, 282), np.float16))
    given = {"corpus": str(corpus), "run": str(tmp_path / "run"), "objective": "midi-supcon"}
    given |= {"negatives": "class", "width": 4, "epochs": 1}
    result = execute(project, "02_pretrain", tmp_path / "executed.ipynb", given)
    assert "compares two augmented views" in result.stderr
    result = execute(project, "02_pretrain", tmp_path / "executed.ipynb", given | {"transpose": 1})
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run/encoder.safetensors").is_file()
    assert not (tmp_path / "run/audio_encoder.safetensors").exists()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_finds_the_parameters_of_every_notebook(notebook):
    content = json.loads(notebook.read_text())
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    declared = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert len(declared) == 1
    lines = "".join(declared[0]["source"]).splitlines()
    help_text = subprocess.run(
        [sys.executable, "-m", "papermill", "--help-notebook", str(notebook)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in (line for line in lines if not line.startswith("#")):
        name, kind = line.split("=")[0].split(":")
        assert f"{name}: {kind.strip()}" in help_text
        assert line.partition("#")[2].strip() in help_text
        assert "#" in line, f"{name} has no comment"


def test_two_processes_train_a_notebook_together(tmp_path, tiny_corpus):
    """torchrun starts the notebook, as in the graph; the run equals that of one process."""
    losses = {}
    for processes in (1, 2):
        run = tmp_path / f"run-{processes}"
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command = [
            sys.executable,
            *(launch if processes == 2 else []),
            "-m",
            "camil.workbook.execute",
        ]
        command += [PROJECT / "notebooks/02_pretrain.ipynb", tmp_path / f"{processes}.ipynb"]
        parameters = {"corpus": str(tiny_corpus), "run": str(run), "width": 4, "epochs": 2}
        parameters |= {"batch_size": 16, "device": "cpu"}
        result = subprocess.run(
            [*command, "-y", json.dumps(parameters)], capture_output=True, text=True, timeout=600
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert (run / "encoder.safetensors").is_file()
        assert (run / "run.json").is_file()
        lines = (run / "history.jsonl").read_text().splitlines()
        losses[processes] = [json.loads(line)["train_loss"] for line in lines]
    assert len(losses[1]) == 2
    # In half precision the sums of two shares are rounded differently from one sum.
    np.testing.assert_allclose(losses[2], losses[1], rtol=0.05)
