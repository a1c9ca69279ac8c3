"""The files that ``camil label`` and ``camil audit`` read and write."""

import io
import json
import shutil

import pandas as pd
import pytest
from beeps import write
from register_labeller import ByRegister

from camil.cli import main


@pytest.fixture(autouse=True)
def labeller(monkeypatch, tmp_path):
    """The commands work in an empty folder, with a labeller of known answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: ByRegister())


@pytest.fixture
def song(tmp_path):
    write(tmp_path / "song.mid", 0)
    return tmp_path / "song.mid"


@pytest.mark.parametrize("form", ["--csv", "--json", "-o.csv", "-o.json", "text"])
def test_audit_of_a_name_that_is_not_utf_8_has_its_rows(song, tmp_path, capsys, form):
    songs = tmp_path / "songs"
    songs.mkdir()
    shutil.copy(song, songs / "caf\udce9.mid")  # the byte E9, as Python reads it
    shutil.copy(song, songs / "a.mid")
    options = {"text": [], "-o.csv": ["-o", "x.csv"], "-o.json": ["-o", "x.json"]}
    assert main(["audit", "songs", *options.get(form, [form])]) == 0
    output = capsys.readouterr().out
    if form.startswith("-o"):
        output = (tmp_path / f"x{form[2:]}").read_text(encoding="utf-8")
    if form == "text":
        files = {line.split()[0] for line in output.splitlines()[1:]}
    elif form.endswith("csv"):
        files = set(pd.read_csv(io.StringIO(output))["file"])
    else:
        files = {row["file"] for row in json.loads(output)}
    assert files == {"a.mid", "caf\\udce9.mid"}


def test_copies_in_the_default_folder_are_not_overwritten(tmp_path, capsys):
    for number, name in enumerate(("a/s.mid", "a/t.mid", "b/s.mid", "b/t.mid")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, number)
    assert main(["label", "a/s.mid", "--apply"]) == 0
    before = (tmp_path / "labelled/s.mid").read_bytes()
    capsys.readouterr()
    assert main(["label", "b/s.mid", "--apply"]) == 2
    output, errors = capsys.readouterr()
    assert output == ""  # nothing was labelled
    assert "there is already labelled/s.mid; add -o labelled to overwrite it" in errors
    assert (tmp_path / "labelled/s.mid").read_bytes() == before
    assert main(["label", "b/t.mid", "--apply"]) == 0
    assert main(["label", "b", "--apply"]) == 2
    assert "2 copies exist already, the first is labelled/s.mid" in capsys.readouterr().err
    assert main(["label", "b", "--apply", "-o", "labelled"]) == 0
    assert (tmp_path / "labelled/s.mid").read_bytes() != before


def test_copy_never_overwrites_the_original_of_another_file(tmp_path, capsys):
    for number, name in enumerate(("other/d/x.mid", "songs/d/x.mid")):
        (tmp_path / name).parent.mkdir(parents=True)
        write(tmp_path / name, number)
    before = (tmp_path / "songs/d/x.mid").read_bytes()
    assert main(["label", "other", "songs/d/x.mid", "--apply", "-o", "songs"]) == 2
    assert "would overwrite the original songs/d/x.mid" in capsys.readouterr().err
    assert (tmp_path / "songs/d/x.mid").read_bytes() == before


def test_copy_named_rmi_is_a_file(song, tmp_path):
    assert main(["label", "song.mid", "--apply", "-o", "new.rmi"]) == 0
    assert (tmp_path / "new.rmi").is_file()
