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
