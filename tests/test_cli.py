"""The command ``camil``, in this process and as a process of its own."""

import importlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
import unicodedata
from pathlib import Path

import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest

from camil.cli import command_parser, main
from camil.labelling import files as labelling_files
from camil.labelling.label import label, repairs, skipped, track_labels
from camil.labelling.networks import TrackReading
from camil.labelling.report import with_joint_probabilities
from camil.midi.instruments import FAMILIES, INSTRUMENTS

PROJECT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT)}
COMMAND = [sys.executable, "-m", "camil.cli"]
CRASH = 113  # notes of the file at which the labeller of one test ends its process


@pytest.fixture
def run():
    """The name of an included network."""
    return "permissive"


def write_song(path, programs=(73, 33), notes=32, name="part"):
    """A song with one part per program, and drums."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for number, program in enumerate((*programs, None)):
        part = pretty_midi.Instrument(program or 0, program is None, f"{name} {number}")
        for i in range(notes):
            pitch = 72 - 12 * number + i * 7 % 11
            part.notes.append(pretty_midi.Note(80, pitch, i / 2, i / 2 + 0.4))
        midi.instruments.append(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))
    return path


@pytest.fixture
def song(tmp_path):
    return write_song(tmp_path / "song.mid")


@pytest.fixture
def folder(tmp_path):
    """Three songs and a broken file."""
    for number, name in enumerate(("a.mid", "b.MID", "below/c.kar")):
        write_song(tmp_path / "songs" / name, programs=range(40, 41 + number))
    (tmp_path / "songs/broken.mid").write_text("no music")
    (tmp_path / "songs/notes.txt").write_text("no music")
    return tmp_path / "songs"


class Fake:
    """A labeller with given answers: of each part, the classes, ``other`` and the programs."""

    classes = INSTRUMENTS
    instruments = FAMILIES

    def __init__(self, *answers):
        self.answers = answers

    def __call__(self, tracks, score):
        return [self.reading(*answer) for answer, _ in zip(self.answers, tracks, strict=True)]

    def reading(self, classes, other=float("nan"), programs=None):
        share = np.full(8, (1 - sum(classes.values())) / (8 - len(classes)))
        for name, value in classes.items():
            share[INSTRUMENTS.index(name)] = value
        if programs is not None:
            programs = np.array([programs.get(number, 0.001) for number in range(128)])
        return TrackReading(np.array([[0.0, 8.0]]), share[None], share, other, programs)


@pytest.fixture
def answers(monkeypatch):
    """Make the command use a labeller with the given answers."""

    def use(*given):
        monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: Fake(*given))

    return use


def programs_of(path):
    """The programs of the pitched parts, read by pretty_midi."""
    parts = pretty_midi.PrettyMIDI(str(path)).instruments
    return [part.program for part in parts if not part.is_drum]


def table_of(text):
    """The parts of a printed table: name to the cells after it."""
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("  part"))
    bounds = [
        head.index(name) for name in ("part", "written", "label", "suggested") if name in head
    ]
    ends = [*bounds[1:], None]
    cells = [
        [line[begin:end].strip() for begin, end in zip(bounds, ends, strict=True)]
        for line in lines[lines.index(head) + 1 :]
        if "-" in line[:6]
    ]
    return {row[0]: row[1:] for row in cells}


def test_table_lists_every_pitched_part_with_its_written_program_and_label(song, run, capsys):
    assert main(["label", str(song), "--pretrained", run]) == 0
    output, errors = capsys.readouterr()
    table = table_of(output)
    parts = [part for part in pretty_midi.PrettyMIDI(str(song)).instruments if not part.is_drum]
    assert [name.partition("-")[2] for name in table] == [part.name for part in parts]
    assert [row[0] for row in table.values()] == ["Flute", "Electric Bass (finger)"]
    expected = track_labels(label(song, run))
    for row, cells in zip(expected.itertuples(), table.values(), strict=True):
        assert f"{row.first} {row.probability:.0%}".replace("%", " %") in cells[1]
    assert output.splitlines()[0] == str(song)
    assert "not labelled: 02-part 2 (drums are not labelled)" in output
    assert "Traceback" not in errors


def test_shades_other_and_suggested_programs_are_printed(tmp_path, answers, capsys):
    song = write_song(tmp_path / "song.mid", programs=(73, 40, 56, 0, 11))
    answers(
        ({"Pipe": 0.9}, 0.0, {73: 0.3, 74: 0.1, 40: 0.5}),
        ({"Pipe": 0.48, "Reed": 0.31}, 0.0, {71: 0.5}),
        ({"Reed": 0.2}, 0.0, {71: 0.5}),
        ({"Reed": 0.95}, 0.1, {66: 0.6, 71: 0.2}),
        ({"Reed": 0.9}, 0.7, {11: 0.6, 71: 0.3}),
    )
    assert main(["label", str(song)]) == 0
    output = capsys.readouterr().out
    table = table_of(output)
    labels = [cells[1] for cells in table.values()]
    # The probabilities of classes are multiplied by 1 - other.
    assert labels == [
        "Pipe 90 %", "Pipe 48 % or Reed 31 %", "uncertain (Reed 20 %)", "Reed 86 %", "other 70 %",
    ]  # fmt: skip
    suggested = [cells[2] for cells in table.values()]
    within_pipe = 0.3 / (0.3 + 0.1 + 6 * 0.001)
    assert suggested[0] == f"Flute {within_pipe:.0%}".replace("%", " %")
    assert suggested[1:3] == ["", ""]
    assert suggested[3].startswith("Tenor Sax")
    assert suggested[4] == ""  # the program of a part of no class is never changed
    *marked, _ = [line for line in output.splitlines() if line.startswith("*")]
    assert len(marked) == 1
    assert "03-part 3" in marked[0]
    assert output.endswith("\n* the label contradicts the program in the file\n")


def test_second_label_is_named_only_as_a_rival_of_the_first():
    shares = pd.DataFrame({"Pipe": [0.44, 0.44, 0.3], "Reed": [0.22, 0.2, 0.3], "Bass": 0.1})
    labels = pd.DataFrame({"file": "a", "track": list("xyz"), "channel": 1, "program": 0})
    labels = labels.join(shares.add_prefix("p_")).join(shares.add_prefix("track_"))
    assert track_labels(labels)["text"].tolist() == ["Pipe or Reed", "uncertain", "Pipe or Reed"]


def test_closed_standard_output_is_wrong_usage(folder):
    command = f"{sys.executable} -m camil.cli label {shlex.quote(str(folder))} >&-"
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr


def test_closed_standard_error_does_not_end_the_command(folder, run):
    command = [*COMMAND, "label", str(folder), "--csv", "--pretrained", run]
    closed = f"{shlex.join(command)} 2>&-"
    finished = subprocess.run(
        ["bash", "-c", closed], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert finished.returncode == 1
    assert len(pd.read_csv(io.StringIO(finished.stdout))["file"].unique()) == 3


def test_form_that_contradicts_the_output_is_refused(folder, capsys):
    assert main(["label", str(folder), "-o", "labels.csv", "--json"]) == 2
    assert "ending of another form" in capsys.readouterr().err


def test_probabilities_of_the_csv_add_up_to_one_with_other():
    shares = {"p_Pipe": [0.75, 0.5], "p_Reed": [0.25, 0.5]}
    found = with_joint_probabilities(pd.DataFrame({"other": [0.6, np.nan], **shares}))
    assert found[["p_Pipe", "p_Reed", "p_other"]].iloc[0].tolist() == pytest.approx([0.3, 0.1, 0.6])
    assert found[["p_Pipe", "p_Reed"]].iloc[1].tolist() == [0.5, 0.5]
    assert np.isnan(found["p_other"].iloc[1])


def test_csv_holds_the_labels_of_the_python_function(folder, run, capsys):
    assert main(["label", str(folder), "--csv", "--pretrained", run]) == 1
    output, errors = capsys.readouterr()
    found = pd.read_csv(io.StringIO(output))
    expected = track_labels(label(folder, run))
    assert (found["file"] == [str(folder / name) for name in expected["file"]]).all()
    shared = expected.columns.drop("file")
    pd.testing.assert_frame_equal(found[shared], expected[shared], atol=1e-4)
    counts = [
        sum(not part.is_drum for part in pretty_midi.PrettyMIDI(str(path)).instruments)
        for path in (folder / "a.mid", folder / "b.MID", folder / "below/c.kar")
    ]
    assert found.groupby("file").size().tolist() == counts
    assert "broken.mid cannot be read" in errors
    assert "3 files labelled, 6 parts" in errors
    assert "1 skipped" in errors


def test_json_holds_the_distribution_of_each_part(song, folder, answers, tmp_path, capsys):
    answers(({"Pipe": 0.8}, 0.25, {73: 0.4, 72: 0.2}), ({"Bass": 0.4, "Guitar": 0.3},))
    assert main(["label", str(song), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (file,) = document["files"]
    flute, bass = file["tracks"]
    assert flute["probabilities"]["other"] == 0.25
    assert flute["probabilities"]["Pipe"] == pytest.approx(0.6)
    assert sum(flute["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert flute["predicted"] == flute["text"] == "Pipe"
    assert (flute["suggested_program"], flute["suggested_program_name"]) == (73, "Flute")
    assert flute["new_program"] is None  # it is a flute already
    assert bass["predicted"] == "uncertain"
    assert bass["text"] == "Bass or Guitar"
    assert (bass["second"], bass["second_probability"]) == ("Guitar", 0.3)
    assert bass["probabilities"]["other"] is None
    assert bass["suggested_program"] is None
    assert sum(value or 0 for value in bass["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert [one["track"] for one in file["skipped"]] == ["02-part 2"]


def test_output_file_decides_the_form_of_the_table(folder, run, tmp_path, capsys):
    for name in ("labels.csv", "new folder/labels.json"):
        assert main(["label", str(folder), "-o", str(tmp_path / name), "--pretrained", run]) == 1
    assert capsys.readouterr().out == ""
    table = pd.read_csv(tmp_path / "labels.csv")
    document = json.loads((tmp_path / "new folder/labels.json").read_text())
    tracks = [track for file in document["files"] for track in file["tracks"]]
    assert [track["predicted"] for track in tracks] == table["predicted"].tolist()
    (omitted,) = document["skipped"]
    assert omitted["file"] == str(folder / "broken.mid")
    assert main(["label", str(folder), "-o", str(tmp_path / "labels.txt")]) == 2
    assert "neither a .csv nor a .json file" in capsys.readouterr().err


def test_threshold_is_applied(song, answers, capsys):
    answers(({"Pipe": 0.8},), ({"Bass": 0.6, "Guitar": 0.3},))
    assert main(["label", str(song), "--json", "--threshold", "0.7"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert [track["text"] for track in file["tracks"]] == ["Pipe", "Bass or Guitar"]
    assert main(["label", str(song), "--threshold", "70"]) == 2
    assert "70 is not between 0 and 1" in capsys.readouterr().err


def test_copies_play_the_suggested_programs_and_originals_stay(tmp_path, answers, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = write_song(tmp_path / "in/song.mid", programs=(40, 57, 24, 60, 11))
    before = song.read_bytes()
    answers(
        ({"Pipe": 0.9}, 0.0, {73: 0.3, 75: 0.4}),  # a violin: becomes a pan flute
        ({"Brass": 0.9}, 0.0, {56: 0.9}),  # a trombone: stays one
        ({"Pipe": 0.45}, 0.0, {73: 0.9}),  # uncertain
        ({"Reed": 0.9},),  # without programs: the default, a clarinet
        ({"Reed": 0.9}, 0.8, {80: 0.9}),  # of no class
    )
    assert main(["label", "in", "--apply"]) == 0
    assert programs_of("labelled/song.mid") == [75, 57, 24, 71, 11]
    assert song.read_bytes() == before
    notes = [[(n.pitch, n.start, n.end) for n in part.notes] for path in (song, "labelled/song.mid")
             for part in pretty_midi.PrettyMIDI(str(path)).instruments]  # fmt: skip
    assert notes[:6] == notes[6:]


def test_originals_are_overwritten_only_if_output_names_them(
    tmp_path, answers, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    song = write_song(tmp_path / "labelled/song.mid", programs=(40,))
    answers(({"Pipe": 0.9},))
    assert main(["label", "labelled", "--apply"]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert programs_of(song) == [40]
    assert main(["label", str(song), "--apply", "-o", str(song)]) == 0
    assert programs_of(song) == [73]


def test_copies_of_earlier_calls_are_not_labelled_again(tmp_path, answers, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "songs/a.mid", programs=(40,))
    answers(({"Pipe": 0.9},))
    for output in ([], ["-o", "labelled"]):
        assert main(["label", ".", "--apply", *output]) == 0
    assert [str(path) for path in sorted(Path("labelled").rglob("*.mid"))] == [
        "labelled/songs/a.mid"
    ]


def test_copies_with_the_same_path_are_refused(tmp_path, answers, capsys):
    songs = [write_song(tmp_path / name / "song.mid", programs=(40,)) for name in "ab"]
    answers(({"Pipe": 0.9},))
    out = str(tmp_path / "out")
    assert main(["label", *map(str, songs), "--apply", "-o", out]) == 2
    assert "would both be copied" in capsys.readouterr().err
    assert main(["label", *map(str, songs), "--apply", "-o", f"{out}.mid"]) == 2
    assert "cannot all be copied" in capsys.readouterr().err
    assert main(["label", str(songs[0]), str(songs[0]), "--apply", "-o", f"{out}.mid"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["label", "nowhere.mid"], "nowhere.mid: there is no such file or folder"),
        (["label", "empty"], "the folder empty contains no .mid"),
        (["label", "text.mid"], "text.mid cannot be read: the file does not begin like a MIDI"),
        (["label", "song.mid", "--pretrained", "none"], "there is no labeller none"),
        (["label", "song.mid", "--apply", "-o", "x.csv"], "with --apply, -o names the folder"),
        (["label", "song.mid", "--apply", "--join"], "add --transcription and --apply"),
        (["label", "song.mid", "--transcription", "--join"], "add --transcription and --apply"),
        (["label", "song.mid", "-o", "empty"], "empty is a folder"),
        (["label"], "the following arguments are required: FILE"),
        (["label", "song.mid", "--json", "--csv"], "not allowed with argument"),
        (["label", "song.mid", "--processes", "0"], "0 is less than 1"),
        (["audit", "empty"], "the folder empty contains no .mid"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_errors_are_one_sentence_with_status_2(song, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(song.parent)
    Path("empty").mkdir()
    Path("text.mid").write_text("no music")
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert message in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_missing_files_are_skipped_with_status_1(song, run, capsys):
    paths = [str(song), "nowhere.mid"]
    assert main(["label", *paths, "--json", "--pretrained", run]) == 1
    document = json.loads(capsys.readouterr().out)
    assert len(document["files"]) == 1
    assert "nowhere.mid" in document["skipped"][0]["why"]


def test_control_characters_and_wide_names_keep_the_table_aligned(tmp_path, answers, capsys):
    song = write_song(tmp_path / "song.mid", programs=(73, 33))
    midi = mido.MidiFile(song)
    names = ["\x1b[31mred\x07", "part 1"]
    named = [track for track in midi.tracks if any(m.type == "note_on" for m in track)]
    for track, name in zip(named, names, strict=False):
        track[:] = [message for message in track if message.type != "track_name"]
        track.insert(0, mido.MetaMessage("track_name", name=name))
    midi.save(song)
    answers(({"Pipe": 0.9},), ({"Bass": 0.9},))
    assert main(["label", str(song)]) == 0
    output = capsys.readouterr().out
    assert not {one for one in output if not one.isprintable()} - {"\n"}
    assert [cells[0] for cells in table_of(output).values()] == ["Flute", "Electric Bass (finger)"]


@pytest.mark.parametrize("width", [200, 80, 60, 50, 40, 20])
def test_lines_fit_the_terminal_and_keep_the_labels(tmp_path, answers, monkeypatch, capsys, width):
    name = "\N{CJK UNIFIED IDEOGRAPH-7B1B}" * 20  # 40 columns of a terminal
    as_latin = name.encode().decode("latin-1")  # the encoding in which mido writes
    song = write_song(tmp_path / "song.mid", programs=(73, 40), name=as_latin)
    monkeypatch.setattr("camil.labelling.output.terminal_width", lambda: width)
    answers(({"Pipe": 0.48, "Reed": 0.31}, 0.0, {73: 0.3}), ({"Pipe": 0.9}, 0.0, {73: 0.3}))
    assert main(["label", str(song)]) == 0
    lines = capsys.readouterr().out.splitlines()
    columns = [
        sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line) for line in lines
    ]
    assert max(columns) <= width
    assert ("suggested" in lines[1]) == (width >= 80)
    assert ("written" in lines[1]) == (width >= 50)
    if width >= 40:
        assert "Pipe 48 % or Reed 31 %" in lines[2]
        assert "Pipe 90 %" in lines[3]
        starts = [line[: line.index("Pipe")] for line in lines[2:4]]
        widths = [sum(1 + (ord(one) == 0x7B1B) for one in start) for start in starts]
        assert widths[0] == widths[1]


def test_damaged_file_is_labelled_and_its_repair_printed(song, run, capsys):
    song.write_bytes(song.read_bytes()[:-20])
    assert main(["label", str(song), "--pretrained", run]) == 0
    with pytest.warns(UserWarning, match="damaged"):
        found = repairs(label(song, run))
    line = f"damaged, {len(found)} repairs; the first: track 4, offset {found['offset'][0]}: "
    assert line + found["what"][0] in capsys.readouterr().out


class ByRegister(Fake):
    """A labeller that takes high parts for flutes and low parts for basses."""

    def __call__(self, tracks, score):
        flute, bass = ({"Pipe": 0.9}, 0.0, {73: 0.9}), ({"Bass": 0.9}, 0.0, {32: 0.9})
        return [self.reading(*(flute if t.pitch.mean() > 60 else bass)) for t in tracks]


def test_scattered_part_of_a_transcription_is_joined_labelled_and_copied(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: ByRegister())
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    parts = [pretty_midi.Instrument(0, name=name) for name in ("one", "two", "low", "kit")]
    for i in range(128):
        melody = 72 + (0, 2, 4, 5, 7, 9, 11)[i * 5 % 7]
        parts[i // 16 % 2].notes.append(pretty_midi.Note(80, melody, i / 4, i / 4 + 0.24))
        beat = (36, 42, 38, 42)[i % 4]  # bass drum, hi-hat, snare, hi-hat
        parts[3].notes.append(pretty_midi.Note(80, beat, i / 4, i / 4 + 0.1))
        if i % 8 == 0:
            end = i / 4 + (0.9, 1.4, 1.9)[i // 8 % 3]
            parts[2].notes.append(pretty_midi.Note(80, (31, 33, 43)[i // 8 % 3], i / 4, end))
    midi.instruments.extend(parts)
    song, copy = tmp_path / "song.mid", tmp_path / "copy.mid"
    midi.write(str(song))
    options = ["--transcription", "--apply", "-o", str(copy)]
    assert main(["label", str(song), "--json", *options]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert [merge["tracks"] for merge in file["merges"]] == [["00-one", "01-two"]]
    assert [track["track"] for track in file["tracks"]] == ["00-one", "02-low"]
    assert [one["track"] for one in file["likely_drums"]] == ["03-kit"]
    assert programs_of(copy) == [73, 73, 32, 0]
    assert main(["label", str(song), "--csv", *options]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3  # a row per part, as without --apply
    assert main(["label", str(song), *options]) == 0
    output, summary = capsys.readouterr()
    assert ": 00-one, 01-two" in output
    assert output.count("likely drums") == 1
    assert "copy with 3 programs changed" in output
    assert "; 3 programs changed in the copies" in summary
    assert main(["label", str(song), *options, "--join"]) == 0
    output, summary = capsys.readouterr()
    assert "copy with 3 programs changed" in output
    assert "; 3 programs changed in the copies" in summary
    assert programs_of(copy) == [73, 32]
    assert [part.name for part in pretty_midi.PrettyMIDI(str(copy)).instruments] == [
        "one", "low", "kit",
    ]  # fmt: skip


def test_transcription_of_drums_alone_is_copied_to_channel_10(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: ByRegister())
    midi, kit = pretty_midi.PrettyMIDI(initial_tempo=120), pretty_midi.Instrument(0, name="kit")
    for i in range(128):
        beat = (36, 42, 38, 42)[i % 4]  # bass drum, hi-hat, snare, hi-hat
        kit.notes.append(pretty_midi.Note(80, beat, i / 4, i / 4 + 0.1))
    midi.instruments = [kit]
    song, copy = tmp_path / "song.mid", tmp_path / "copy.mid"
    midi.write(str(song))
    options = ["label", str(song), "--transcription"]
    assert main([*options, "--apply", "--join", "-o", str(copy)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == str(song)
    assert second.startswith("  likely drums, ")
    assert second.endswith(": 00-kit")
    (copied,) = pretty_midi.PrettyMIDI(str(copy)).instruments
    assert copied.is_drum
    assert [note.pitch for note in copied.notes] == [note.pitch for note in kit.notes]
    assert main([*options, "--csv"]) == 0
    (header,) = capsys.readouterr().out.splitlines()
    assert header.startswith("file,track,")
    assert main(["label", str(copy), "--transcription"]) == 2  # drums already, so nothing is found
    assert "no pitched track" in capsys.readouterr().err


class CrashesAtLongParts(Fake):
    """A labeller that ends its process at one file and fails at another one."""

    def __call__(self, tracks, score):
        count = len(tracks[0].pitch)
        if count == CRASH:
            os._exit(3)
        if count == CRASH + 1:
            raise IndexError("a fault of the labeller")
        return [self.reading({INSTRUMENTS[count % 8]: 0.3 + count / 200}) for _ in tracks]


def test_processes_give_the_labels_of_one_process_and_a_crash_skips_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(labelling_files, "FILES_PER_PROCESS", 4)
    monkeypatch.setattr(labelling_files, "FILES_PER_JOB", 3)
    for number in range(10):
        write_song(tmp_path / f"songs/{number}.mid", notes=10 + 9 * number)
    fault = write_song(tmp_path / "songs/55.mid", notes=CRASH + 1)
    alone = label(tmp_path / "songs", CrashesAtLongParts())
    crash = write_song(tmp_path / "songs/5.5.mid", notes=CRASH)
    several = label(tmp_path / "songs", CrashesAtLongParts(), processes=2)
    pd.testing.assert_frame_equal(several, alone, check_exact=True)
    assert len(several["file"].unique()) == 10
    whole_files = skipped(several).query("track == ''").set_index("file")["why"]
    assert whole_files.index.tolist() == [crash.name, fault.name]
    assert "dies every time (exit code 3)" in whole_files[crash.name]
    assert "IndexError: a fault of the labeller" in whole_files[fault.name]


def execute(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, env=ENVIRONMENT, **options)


def test_command_works_as_a_process_with_names_that_are_not_utf_8(song, run, tmp_path):
    odd = os.fsencode(tmp_path / "m") + b"\xfc\xe9.mid"
    os.rename(song, odd)
    for options in (["--json"], ["--csv"], []):
        done = execute("label", odd, "--pretrained", run, *options)
        assert done.returncode == 0, done.stderr
        assert b"Flute" in done.stdout


def test_reader_that_stops_early_ends_the_command_quietly(folder, run):
    process = subprocess.Popen(
        [*COMMAND, "label", str(folder), "--pretrained", run],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait() == 141
    assert "Error" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", ["label", "audit"])
def test_progress_of_both_commands_is_a_line_on_standard_error(
    folder, monkeypatch, capsys, command
):
    monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: StringsAndFlutes())
    monkeypatch.setattr("camil.labelling.output.LINES", 0)
    assert main([command, str(folder), "--csv", "--processes", "1"]) == 1
    output, errors = capsys.readouterr()
    shown = [line.split(",")[0] for line in errors.splitlines() if " files, " in line]
    assert shown[:4] == [f"{number} of 4 files" for number in range(1, 5)]
    assert " of 4 files" not in output


@pytest.mark.parametrize("processes", ["1", "2"])
def test_interrupt_ends_the_command_quietly(tmp_path, run, processes):
    for number in range(40):
        write_song(tmp_path / f"songs/{number}.mid")
    process = subprocess.Popen(
        [*COMMAND, "label", str(tmp_path / "songs"), "--pretrained", run, "--processes", processes],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()  # labelling has begun
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to the workers too
    errors = process.communicate()[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in errors


WITHOUT_EXTRAS = """
import sys
for name in {extras}:
    sys.modules[name] = None  # importing it fails
from camil.cli import main
assert main(["label", *sys.argv[1:]]) == 0
heavy = {{"librosa", "numba", "sklearn", "torchvision", "camil.widgets", "camil.figures"}}
print(sorted(heavy & set(sys.modules)))
"""


def test_labelling_needs_neither_extras_nor_slow_packages(song, run):
    extras = ["IPython", "ipywidgets", "jscatter", "matplotlib", "papermill", "seaborn",
              "snakemake", "tabulate", "tinysoundfont", "umap"]  # fmt: skip
    code = WITHOUT_EXTRAS.format(extras=extras)
    arguments = [sys.executable, "-c", code, str(song), "--csv", "--pretrained", run]
    done = subprocess.run(arguments, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


HELP = """
import sys
from camil.cli import main
assert main(["label", "--help"]) == 0
print(sorted({name.split(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""


def test_help_imports_only_the_standard_library():
    arguments = [sys.executable, "-S", "-c", HELP]  # -S: no site-packages
    done = subprocess.run(arguments, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['__main__', 'camil']"
    for word in ("examples:", "exit status:", "camil label song.mid --apply", "labelled"):
        assert word in done.stdout


def documented_commands():
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return sorted(set(re.findall(r"^\s*(camil (?:label|audit) .+)$", text, re.MULTILINE)))


@pytest.mark.parametrize("line", documented_commands())
def test_documented_command_is_valid(line):
    words = shlex.split(line, comments=True)
    arguments = words[1 : words.index(">") if ">" in words else None]
    assert command_parser().parse_args(arguments).command == words[1]


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out.split() == ["camil", project["version"]]


def test_entry_point_of_the_package_is_the_command():
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["camil"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


class StringsAndFlutes(Fake):
    """A labeller that knows flutes by their programs and takes everything else for strings."""

    def __call__(self, tracks, score):
        flute, strings = {"Pipe": 0.7}, {"Strings": 0.9}
        return [self.reading(flute if track.program == 73 else strings) for track in tracks]


def test_audit_lists_the_tracks_whose_label_contradicts_the_program(folder, monkeypatch, capsys):
    planted = write_song(folder / "wrong.mid", programs=(56, 73))
    monkeypatch.setattr("camil.labelling.command.LabellerByName", lambda name: StringsAndFlutes())
    assert main(["audit", str(folder), "--processes", "1"]) == 1
    output, errors = capsys.readouterr()
    _, *lines = output.splitlines()
    assert len(lines) == 1
    assert planted.name in lines[0]
    assert "Trumpet" in lines[0]
    assert "Strings 90 %" in lines[0]
    assert "the most probable for 1 of 8 parts" in errors
    assert main(["audit", str(folder), "--csv", "--top", "3", "--processes", "1"]) == 1
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(table) == 3
    assert table["file"].iloc[0] == planted.name
    assert main(["audit", str(folder), "--json", "--processes", "1"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 8
