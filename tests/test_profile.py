import json
from pathlib import Path

import pytest
import yaml

from camil.workbook.parameters import ParameterError
from camil.workbook.profile import check_profile

PROJECT = Path(__file__).parent.parent
PROFILES = sorted((PROJECT / "config").glob("*.yaml"))


@pytest.fixture
def profile():
    return yaml.safe_load((PROJECT / "config/demo.yaml").read_text())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_the_profiles_that_come_with_the_project_are_right(path, tmp_path):
    profile = yaml.safe_load(path.read_text()) | {"source": str(tmp_path)}
    check_profile(profile, PROJECT / "notebooks")


@pytest.mark.parametrize(
    ("notebook", "stage", "run"),
    [("02_pretrain", "pretrain", "unsupervised"), ("03_classify", "classify", "sic")],
)
def test_a_notebook_run_by_hand_makes_what_the_graph_makes(profile, notebook, stage, run):
    cells = json.loads((PROJECT / f"notebooks/{notebook}.ipynb").read_text())["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    defaults: dict = {}
    exec("".join(cell["source"]), defaults)
    assert defaults["run"] == f"runs/demo/{run}-seed0"
    for name, value in (profile[stage]["all"] | profile[stage]["runs"][run]).items():
        assert defaults[name] == value, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("seeds"), "has no seeds"),
        (lambda p: p["pretrain"]["all"].update(epohcs=3), r"pretrain: all: .*mean epochs\?"),
        (lambda p: p["classify"]["runs"]["sic"].update(freeze="no"), "classify: sic: freeze"),
        (lambda p: p["classify"]["all"].update(learning_rate="1e-4"), "must be a number"),
        (lambda p: p["preprocess"].update(songs="many"), "preprocess: songs"),
        (lambda p: p["classify"]["runs"]["camil-tuned"].update(pretrained="x"), "names x"),
        (lambda p: p["pretrain"]["runs"]["camil"].update(pretrained_audio="x"), "names x"),
        (lambda p: p.update(shown="sic"), "shown: sic must be"),
        (lambda p: p.update(shown="sick"), "shown: sick must be a run of classify"),
        (lambda p: p["pretrain"].pop("all"), "must hold `all` and `runs`"),
        (lambda p: p.update(soruce="x"), r"Did you mean source\?"),
        (lambda p: p["preprocess"].update(dataset="midi"), "source = '' is not a folder"),
        (lambda p: p.update(seeds=0), "seeds = 0 must be a list"),
        (lambda p: p["classify"]["all"].update(seed=3), "seed is set by the graph"),
        (lambda p: p["pretrain"]["all"].update(negatives="clas"), "must be one of 'class'"),
        (lambda p: p["classify"]["all"].update(train_fraction=5), "at most 1"),
        (lambda p: p["pretrain"]["runs"].update(sic={}), "sic names a run of pretrain and"),
        (lambda p: p["classify"]["runs"]["sic"].update(corpus="x"), "corpus names x.* are demo"),
        (
            lambda p: p.update(corpora={"quiet": {"audoi": False}}),
            r"corpora: quiet: .*mean audio\?",
        ),
        (lambda p: p.update(corpora=["quiet"]), "corpora must name"),
        (lambda p: p["preprocess"].update(corpus="x"), "corpus is set by the graph"),
    ],
)
def test_a_wrong_entry_is_named_before_any_job_starts(profile, change, message):
    change(profile)
    with pytest.raises(ParameterError, match=message):
        check_profile(profile, PROJECT / "notebooks")


def test_a_run_may_be_trained_on_another_corpus_of_its_profile(profile):
    profile["corpora"] = {"one-a-track": {"max_segments_per_track": 1, "seed": 3}}
    profile["classify"]["runs"]["sic"]["corpus"] = "one-a-track"
    check_profile(profile, PROJECT / "notebooks")


def test_what_a_profile_asks_for_beside_is_checked_too(profile):
    check_profile(profile | {"floors": {}, "questions": None}, PROJECT / "notebooks")
    with pytest.raises(ParameterError, match=r"questions: .*mean points\?"):
        check_profile(profile | {"questions": {"point": 3}}, PROJECT / "notebooks")
    with pytest.raises(ParameterError, match="transfer: sic must name a run of classify"):
        check_profile(profile | {"transfer": {"camil": "camil"}}, PROJECT / "notebooks")


def test_a_source_that_is_fetched_first_need_not_be_there(profile):
    profile["preprocess"] |= {"dataset": "slakh", "download": "baby"}
    check_profile(profile | {"source": "nowhere/babyslakh_16k"}, PROJECT / "notebooks")
    profile["preprocess"] |= {"download": ""}
    with pytest.raises(ParameterError, match="is not a folder"):
        check_profile(profile | {"source": "nowhere/babyslakh_16k"}, PROJECT / "notebooks")
