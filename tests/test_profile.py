"""Profiles are checked against the notebooks before any job starts."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from camil.midi.instruments import read_instruments
from camil.workbook.parameters import ParameterError, parameter_cells
from camil.workbook.profile import check_profile, runs_of
from camil.workbook.source import remember, remembered, source_state

PROJECT = Path(__file__).parent.parent
FILES = sorted((PROJECT / "config").glob("*.yaml"))
# The folder also holds an instrument table.
PROFILES = [path for path in FILES if "seeds" in yaml.safe_load(path.read_text())]


@pytest.fixture
def profile():
    return yaml.safe_load((PROJECT / "config/demo.yaml").read_text())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profiles_of_the_project_are_accepted(path, tmp_path):
    profile = yaml.safe_load(path.read_text()) | {"source": str(tmp_path)}
    check_profile(profile, PROJECT / "notebooks")


def defaults_of(notebook):
    """The default parameters of a notebook."""
    (cell,) = parameter_cells(PROJECT / f"notebooks/{notebook}.ipynb")
    values: dict = {}
    exec(cell, values)
    return values


@pytest.mark.parametrize(
    ("notebook", "stage", "run"),
    [
        ("02_pretrain", "pretrain", "unsupervised"),
        ("02c_sound", "sound", "teacher"),
        ("03_classify", "classify", "sic"),
    ],
)
def test_defaults_of_a_notebook_make_a_run_of_the_demo(profile, notebook, stage, run):
    defaults = defaults_of(notebook)
    assert defaults["run"] == f"runs/demo/{run}-seed0"
    for name, value in (profile[stage]["all"] | profile[stage]["runs"][run]).items():
        assert defaults[name] == value, name


@pytest.mark.parametrize(
    ("notebook", "stage"),
    [("01_preprocess", "preprocess"), ("08_baselines", "baselines"), ("11_songs", "songs")],
)
def test_defaults_of_a_notebook_are_those_of_the_demo(profile, notebook, stage):
    """Running all cells of a notebook therefore does not change the demo's corpus and runs."""
    defaults = defaults_of(notebook)
    for name, value in profile[stage].items():
        assert defaults[name] == value, name
    assert defaults["seed"] == profile["seeds"][0]


@pytest.mark.parametrize("notebook", sorted((PROJECT / "notebooks").glob("*.ipynb")))
def test_defaults_write_no_figure_or_label_of_the_graph(notebook):
    defaults = defaults_of(notebook.stem)
    for name in ("figure", "figures", "output"):
        folder = str(defaults.get(name, ""))
        assert folder not in ("runs/demo/label", "runs/demo/audit")
        assert not folder.startswith("figures/demo"), name


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
        (lambda p: p["pretrain"]["runs"]["heard"].update(pretrained_audio="camil"), "names camil"),
        (
            lambda p: p["pretrain"]["runs"]["camil"].update(pretrained_audio="sic"),
            "names sic, which reads notes",
        ),
        (lambda p: p["sound"]["all"].update(clustres=3), r"sound: all: .*mean clusters\?"),
        (
            lambda p: p["sound"]["runs"].update(sic={}),
            "sic names a run of classify and one of sound",
        ),
        (lambda p: p.update(shown="sic"), "shown: sic must be"),
        (lambda p: p.update(shown="sick"), "shown: sick must be a run of classify"),
        (lambda p: p["pretrain"].pop("all"), "must contain `all` and `runs`"),
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
        (lambda p: p["classify"]["all"].update(pretrained="x"), "aic: pretrained names x"),
        (lambda p: p["pretrain"]["all"].update(pretrained_audio="x"), "pretrained_audio names x"),
        (lambda p: p["classify"]["all"].update(corpus="x"), "corpus names x.* are demo"),
        (lambda p: p["classify"]["runs"]["sic"].update(pretrained="sic"), "itself: sic on sic"),
        (lambda p: p.update(preprocess=None), "preprocess must hold parameters"),
        (lambda p: p.update(pretrain=None), "must contain `all` and `runs`, but contains nothing"),
        (lambda p: p["classify"].update(runs=["sic"]), r"classify: runs: \['sic'\] must be names"),
        (lambda p: p["classify"]["runs"].update(sic="SIC"), "classify: sic: 'SIC' must be names"),
        (lambda p: p.update(baselines=True), "baselines: True must be names"),
        (lambda p: p.update(shown=["sic"]), "must be a run of classify"),
        (lambda p: p.update(seeds=[0, 0]), "list of different whole numbers"),
        (lambda p: p.update(seeds=[-1]), "list of different whole numbers"),
        (lambda p: p.update(threads="two"), "threads = 'two' must be a whole number, at least 1"),
        (lambda p: p.update(shards=0), "shards = 0 must be a whole number, at least 1"),
        (lambda p: p.update({5: 6}), "There is no parameter 5"),
        (lambda p: p.update(name=2026), "name: 2026 must be text"),
        (lambda p: p.update(name=""), "name: '' must be text"),
        (lambda p: p["classify"]["runs"].update({"a,b": {}}), "classify: 'a,b' must be text of"),
        (lambda p: p["classify"]["runs"].update({"a|b": {}}), "classify: 'a|b' must be text of"),
        (lambda p: p["pretrain"]["runs"].update({"a/b": {}}), "pretrain: 'a/b' must be text of"),
        (lambda p: p["pretrain"]["runs"].update({18: {}}), "pretrain: 18 must be text of"),
        (lambda p: p["preprocess"].update(soundfonts=["x.sf2"]), "not exist: x.sf2"),
        (lambda p: p["preprocess"].update(soundfonts=[5]), "soundfonts = .* contains 5"),
        (
            lambda p: p.update(corpora={"two": {"soundfonts": ["x.sf2"]}}),
            "corpora: two: soundfonts",
        ),
        (lambda p: p.update(label="nowhere.mid"), "label = 'nowhere.mid' does not exist"),
        (lambda p: p.update(label=None), "label = None does not exist"),
        (lambda p: p.update(audit="nowhere"), "audit = 'nowhere' does not exist"),
    ],
)
def test_wrong_entry_raises_with_its_name(profile, change, message):
    change(profile)
    with pytest.raises(ParameterError, match=message):
        check_profile(profile, PROJECT / "notebooks")


def test_runs_have_the_parameters_of_all_runs_and_their_own(profile):
    profile["classify"] = {
        "all": {"epochs": 3, "pretrained": "camil"},
        "runs": {"short": {"epochs": 1}, "two words": None},
    }
    assert runs_of(profile, "classify") == {
        "short": {"epochs": 1, "pretrained": "camil"},
        "two words": {"epochs": 3, "pretrained": "camil"},
    }
    profile |= {"shown": "two words"}
    del profile["transfer"]
    profile["pretrain"] = {"all": None, "runs": {"camil": None}}
    check_profile(profile, PROJECT / "notebooks")
    assert runs_of(profile, "pretrain") == {"camil": {}}
    assert runs_of({}, "sound") == {}


def test_run_may_use_another_corpus_of_its_profile(profile):
    profile["corpora"] = {"one-a-track": {"max_segments_per_track": 1, "seed": 3}}
    profile["classify"]["runs"]["sic"]["corpus"] = "one-a-track"
    check_profile(profile, PROJECT / "notebooks")


def test_optional_sections_are_checked(profile):
    check_profile(profile | {"baselines": {}, "questions": None}, PROJECT / "notebooks")
    with pytest.raises(ParameterError, match=r"questions: .*mean points\?"):
        check_profile(profile | {"questions": {"point": 3}}, PROJECT / "notebooks")
    with pytest.raises(ParameterError, match="transfer: sic must name a run of classify"):
        check_profile(profile | {"transfer": {"camil": "camil"}}, PROJECT / "notebooks")


def test_source_that_is_downloaded_may_be_missing(profile):
    profile["preprocess"] |= {"dataset": "slakh", "download": "baby"}
    check_profile(profile | {"source": "nowhere/babyslakh_16k"}, PROJECT / "notebooks")
    profile["preprocess"] |= {"download": ""}
    with pytest.raises(ParameterError, match="is not a folder"):
        check_profile(profile | {"source": "nowhere/babyslakh_16k"}, PROJECT / "notebooks")


def test_what_is_labelled_may_be_any_file_or_one_of_a_corpus_to_be_made(profile, tmp_path):
    (tmp_path / "a.mid").touch()
    more = {"label": str(tmp_path / "a.mid"), "audit": str(tmp_path)}
    check_profile(profile | more, PROJECT / "notebooks")
    check_profile(profile | {"label": "corpora/new/midi/a.mid"}, PROJECT / "notebooks")


def test_instrument_table_of_a_profile_must_be_readable(profile):
    profile["preprocess"]["instruments"] = "config/families5.yaml"
    check_profile(profile, PROJECT / "notebooks")
    profile["preprocess"]["instruments"] = "config/nowhere.yaml"
    with pytest.raises(ParameterError, match=r"preprocess: instruments = .* is not a usable"):
        check_profile(profile, PROJECT / "notebooks")


def test_families5_is_the_table_of_dong_et_al():
    table = read_instruments(PROJECT / "config/families5.yaml")
    assert table.names == ("Piano", "Guitar", "Bass", "Strings", "Brass")
    assert [table.of_program(program) for program in (0, 27, 33, 40, 60, 73)] == [
        "Piano", "Guitar", "Bass", "Strings", "Brass", None,
    ]  # fmt: skip


def test_source_and_soundfonts_are_remembered_for_a_profile(tmp_path):
    assert remembered("real", {}, tmp_path) == {}
    remember("real", {}, tmp_path)
    assert not (tmp_path / "real").exists()
    given = {"SOURCE": "a folder/ü", "SOUNDFONTS": "a.sf2:b.sf2", "HOME": "x", "UNSEEN": ""}
    expected = {"SOURCE": "a folder/ü", "SOUNDFONTS": "a.sf2:b.sf2"}
    assert remembered("real", given, tmp_path) == expected
    remember("real", expected, tmp_path)
    assert remembered("real", {}, tmp_path) == expected
    changed = remembered("real", {"SOURCE": "b"}, tmp_path)
    assert changed == expected | {"SOURCE": "b"}
    assert remembered("real", {}, tmp_path) == expected
    remember("real", changed, tmp_path)
    assert remembered("real", {}, tmp_path) == changed
    assert remembered("other", {}, tmp_path) == {}


def test_mistyped_source_is_not_remembered(tmp_path):
    for part in ("camil", "notebooks"):
        shutil.copytree(PROJECT / part, tmp_path / part)
    shutil.copy(PROJECT / "Snakefile", tmp_path)
    (tmp_path / "songs").mkdir()
    profile = yaml.safe_load((PROJECT / "config/demo.yaml").read_text())
    profile["preprocess"] = {"dataset": "midi"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(profile))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", "mine.yaml"]
    for source, status in (("songs", 0), ("sonsg", 1), ("", 0)):
        environment = os.environ | {"SOURCE": source}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr


def test_source_state_changes_with_every_file(tmp_path):
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "a.mid"
    file.write_bytes(b"a")
    (tmp_path / "b.mid").write_bytes(b"b")
    first = source_state(tmp_path)
    assert source_state(str(tmp_path)) == first
    file.write_bytes(b"ab")
    changed = source_state(tmp_path)
    file.unlink()
    removed = source_state(tmp_path)
    assert len({first, changed, removed}) == 3
    assert source_state("") == source_state(tmp_path / "nowhere") == ""
    assert source_state(tmp_path / "b.mid")


def songs_and_manifest(folder):
    """A folder with a song, and a manifest above it; returns the song and the manifest."""
    song, manifest = folder / "songs" / "a.mid", folder / "manifest.csv"
    song.parent.mkdir()
    song.write_bytes(b"a")
    manifest.write_text("path,group\nsongs/a.mid,one\n")
    return song, manifest


def test_state_of_a_plain_folder_is_that_of_its_files_alone(tmp_path):
    """Corpora of earlier commits are therefore not rebuilt."""
    song, manifest = songs_and_manifest(tmp_path)
    manifest.unlink()
    os.utime(song, ns=(0, 5))
    assert source_state(song.parent) == hashlib.sha256(b"a.mid 1 5").hexdigest()


def test_source_state_changes_with_the_manifest_above_the_folder(tmp_path):
    song, manifest = songs_and_manifest(tmp_path)
    first = source_state(song.parent)
    assert source_state(song.parent) == first
    manifest.write_text("path,group,split\nsongs/a.mid,one,test\n")
    assert source_state(song.parent) != first


@pytest.mark.parametrize("name", ["manifest.csv", "list.txt"])
def test_source_state_changes_with_every_listed_file(tmp_path, monkeypatch, name):
    song, manifest = songs_and_manifest(tmp_path)
    (tmp_path / "list.txt").write_text("songs/a.mid\n")
    first = source_state(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert source_state(name) == first
    song.write_bytes(b"ab")
    changed = source_state(name)
    song.unlink()
    removed = source_state(name)
    manifest.write_text("path,group\nsongs/a.mid,other\n")
    assert len({first, changed, removed, source_state(name)}) == 4


def test_unusable_list_or_manifest_has_a_state(tmp_path):
    """It is reported by the notebook that reads the source."""
    _, manifest = songs_and_manifest(tmp_path)
    first = source_state(manifest)
    manifest.write_text("song;composer\n")
    assert len({first, source_state(manifest), source_state(tmp_path)}) == 3
    (tmp_path / "binary.txt").write_bytes(b"\xff\x00")
    assert source_state(tmp_path / "binary.txt")
    (tmp_path / "name.txt").write_text("a\0b.mid\n")
    assert source_state(tmp_path / "name.txt")
