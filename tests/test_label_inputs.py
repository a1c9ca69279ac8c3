"""Names and kinds of the files that ``camil label`` and ``camil audit`` read and write."""

import errno
import io
import json
import os
import shutil

import mido
import pandas as pd
import pytest
from beeps import write
from register_labeller import ByRegister

from camil.cli import main
from camil.labelling.label import label, skipped, track_labels


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


def test_every_kind_of_midi_file_in_a_folder_is_labelled(song, tmp_path, capsys):
    for name in ("b.midi", "c.KAR", "d.rmi"):
        (tmp_path / name).write_bytes((tmp_path / "song.mid").read_bytes())
    (tmp_path / "e.mp3").write_bytes(b"")
    assert main(["label", ".", "--csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert set(table["file"]) == {"song.mid", "b.midi", "c.KAR", "d.rmi"}


def test_copy_named_rmi_is_a_file(song, tmp_path):
    assert main(["label", "song.mid", "--apply", "-o", "new.rmi"]) == 0
    assert (tmp_path / "new.rmi").is_file()


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder that cannot be read, in the folder `songs`; for root, all can be."""
    folder = tmp_path / "songs/locked"
    folder.mkdir(parents=True)
    write(folder / "a.mid", 0)
    scandir = os.scandir

    def scan(path):
        if os.path.realpath(path) == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    return folder


def test_unreadable_subfolder_is_reported_as_skipped(song, locked, capsys):
    shutil.copy(song, locked.parent)
    why = "the folder songs/locked cannot be read: Permission denied"
    assert main(["label", "songs", "--json"]) == 1
    output, errors = capsys.readouterr()
    assert why in errors
    (one,) = json.loads(output)["skipped"]
    assert why in one["why"]
    assert main(["audit", "songs"]) == 1
    assert why in capsys.readouterr().err
    rows = skipped(label("songs", ByRegister()))
    assert rows[["file", "track", "why"]].to_numpy().tolist() == [["locked", "", why]]


@pytest.mark.parametrize("command", ["label", "audit"])
def test_unreadable_folder_is_not_called_empty(locked, capsys, command):
    assert main([command, str(locked)]) == 2
    errors = capsys.readouterr().err
    assert f"{locked} cannot be read: Permission denied" in errors
    assert "contains no" not in errors


def test_path_that_cannot_be_looked_up_is_skipped(song, capsys):
    name = "x" * 300 + ".mid"
    assert main(["label", name, "song.mid", "--csv"]) == 1
    output, errors = capsys.readouterr()
    assert set(pd.read_csv(io.StringIO(output))["file"]) == {"song.mid"}
    assert f"{name} cannot be read: File name too long" in errors
    assert main(["audit", name]) == 2
    assert f"{name} cannot be read: File name too long" in capsys.readouterr().err


def test_link_to_itself_skips_only_that_file(song, tmp_path, capsys):
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    assert main(["label", ".", "--csv"]) == 1
    output, errors = capsys.readouterr()
    assert set(pd.read_csv(io.StringIO(output))["file"]) == {"song.mid"}
    assert "loop.mid" in errors


def test_empty_name_is_not_the_current_folder(song, tmp_path, capsys):
    assert main(["label", "", "--apply"]) == 2
    assert "an empty name is no file or folder" in capsys.readouterr().err
    assert not (tmp_path / "labelled").exists()
    assert main(["label", "", "song.mid"]) == 1
    assert main(["audit", ""]) == 2
    assert "an empty name is no file or folder" in capsys.readouterr().err
    assert main(["label", "song.mid", "--pretrained", ""]) == 2
    assert "an empty name is no network" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["label", "audit"])
@pytest.mark.parametrize(("name", "empty"), [("x.csv", ""), ("x.json", "[]")])
def test_table_of_an_earlier_call_does_not_remain(tmp_path, command, name, empty):
    (tmp_path / "broken.mid").write_text("no music")
    (tmp_path / name).write_text("stale")
    assert main([command, "broken.mid", "-o", name]) == 2
    text = (tmp_path / name).read_text()
    if command == "label" and empty:
        assert json.loads(text)["files"] == []
    else:
        assert text.strip() == empty


@pytest.mark.parametrize("command", ["label", "audit"])
def test_output_that_cannot_be_written_is_refused_before_labelling(
    song, tmp_path, monkeypatch, capsys, command
):
    def load(name):
        raise AssertionError("labelling has begun")

    monkeypatch.setattr("camil.labelling.command.LabellerByName", load)
    (tmp_path / "file").write_text("")
    assert main([command, "song.mid", "-o", "file/x.csv"]) == 2
    assert f"file/x.csv cannot be written: {tmp_path}/file is not a folder" in (
        capsys.readouterr().err
    )
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # for root, all can be written
    assert main([command, "song.mid", "-o", "new/x.csv"]) == 2
    message = f"new/x.csv cannot be written: no permission to write to {tmp_path}"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_output_follows_links(song, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.csv").symlink_to("elsewhere/x.csv")
    for _ in ("new", "old"):
        assert main(["label", "song.mid", "-o", "link.csv"]) == 0
        assert (tmp_path / "link.csv").is_symlink()
        assert set(pd.read_csv(tmp_path / "elsewhere/x.csv")["file"]) == {"song.mid"}
        (tmp_path / "elsewhere/x.csv").write_text("old")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_output_is_written_into_a_pipe(song, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["label", "song.mid", "-o", "pipe.csv"]) == 0
    with open(reader, encoding="utf-8") as stream:
        assert set(pd.read_csv(stream)["file"]) == {"song.mid"}
    assert pipe.is_fifo()


@pytest.mark.parametrize("command", ["label", "audit"])
@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_table_does_not_overwrite_a_midi_file(song, capsys, command, form):
    before = song.read_bytes()
    assert main([command, "song.mid", "-o", "song.mid", *form]) == 2
    assert "has the ending of a MIDI file" in capsys.readouterr().err
    assert song.read_bytes() == before


def test_note_on_a_copy_is_printed_with_every_form(tmp_path, capsys):
    midi = mido.MidiFile()
    for pitch in (40, 75):  # a bass and a flute on one channel
        notes = [mido.Message("note_on", note=pitch, velocity=64 * (i % 2 == 0), time=240)
                 for i in range(32)]  # fmt: skip
        midi.tracks.append(mido.MidiTrack([mido.Message("program_change", program=0), *notes]))
    midi.save(tmp_path / "shared.mid")
    for options, in_output, in_errors in (([], 1, 0), (["--json"], 1, 0), (["--csv"], 0, 1)):
        assert main(["label", "shared.mid", "--apply", *options, "-o", "copies"]) == 0
        output, errors = capsys.readouterr()
        assert output.count("share channel 1 and got different instruments") == in_output
        assert errors.count("camil: shared.mid: the parts") == in_errors


@pytest.mark.parametrize("threshold", [-0.1, 2, float("nan")])
def test_threshold_that_is_no_probability_raises(song, threshold):
    message = f"threshold = {threshold} must be between 0 and 1"
    with pytest.raises(ValueError, match=message):
        label(song.parent, ByRegister(), threshold)
    with pytest.raises(ValueError, match=message):
        track_labels(label(song, ByRegister()), threshold)


def test_label_refuses_an_empty_path(song):
    with pytest.raises(ValueError, match="the path is empty; name a file or folder"):
        label("", ByRegister())
