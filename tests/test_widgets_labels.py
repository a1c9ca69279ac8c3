"""Tests of the views and files of notebook 7."""

import datetime

import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from camil import figures, label, read_midi, track_labels
from camil.labelling.networks import TrackReading
from camil.midi.instruments import FAMILIES, INSTRUMENTS
from camil.widgets import labels as page


class FirstIsReed:
    """A labeller that labels the first track as Reed and is uncertain about all others."""

    classes = INSTRUMENTS
    instruments = FAMILIES

    def __call__(self, tracks, score):
        spans = np.array([[0.0, 8.0], [8.0, 16.0]])
        reed, uncertain = np.eye(8)[7] * 0.92 + 0.01, np.full(8, 0.125)
        return [
            TrackReading(spans, np.stack([reed, uncertain]), uncertain if index else reed)
            for index, _ in enumerate(tracks)
        ]


@pytest.fixture
def song(tmp_path):
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for program, drum, base in ((73, False, 72), (33, False, 36), (0, True, 40)):
        part = pretty_midi.Instrument(program, is_drum=drum, name=f"part {base}")
        for i in range(16):
            part.notes.append(pretty_midi.Note(80, base + i * 7 % 11, i / 2, i / 2 + 0.4))
        midi.instruments.append(part)
    (tmp_path / "songs").mkdir()
    midi.write(str(tmp_path / "songs/song.mid"))
    return tmp_path / "songs/song.mid"


@pytest.fixture
def shown(monkeypatch):
    """Everything displayed, in an interactive notebook."""
    displayed = []
    monkeypatch.setattr(page, "watched", lambda: True)
    monkeypatch.setattr(page, "display", lambda *things: displayed.extend(things))
    return displayed


def choose(button, name, content):
    button.value = (
        {
            "name": name,
            "type": "audio/midi",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime.now(datetime.UTC),
        },
    )


def test_each_track_has_the_colour_of_its_label(song):
    labels = label(song, FirstIsReed())
    figure = figures.song_labels(read_midi(song), labels, track_labels(labels))
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert "Reed 93 %" in texts
    assert "uncertain" in texts
    assert "Drums" in texts
    assert "drums are not labelled" in texts
    notes = [
        c for c in axes.collections if isinstance(c, PolyCollection) and len(c.get_paths()) == 16
    ]
    colours = [to_hex(one.get_facecolor()[0]).upper() for one in notes]
    assert colours == [FAMILIES.colours["Reed"].upper(), figures.UNCERTAIN, figures.UNCERTAIN]
    begins = [path.vertices[:, 0].min() for path in notes[0].get_paths()]
    assert begins == pytest.approx([1 + i / 4 for i in range(16)])  # measures of four quarters


def test_stacked_probabilities_add_up_to_one(song):
    labels = label(song, FirstIsReed())
    (axes,) = figures.song_labels(read_midi(song), labels, track_labels(labels)).axes
    strips = [c for c in axes.collections if len(c.get_paths()) == 2][:8]
    heights = np.sum(
        [[np.ptp(p.vertices[:, 1]) for p in one.get_paths()] for one in strips], axis=0
    )
    assert heights == pytest.approx([0.2, 0.2])
    reed = [np.ptp(path.vertices[:, 1]) / 0.2 for path in strips[7].get_paths()]
    assert reed == pytest.approx([0.93, 0.125])


def test_saved_copies_and_tables_can_be_read(song, tmp_path):
    (song.parent / "below").mkdir()
    (song.parent / "below/other.kar").write_bytes(song.read_bytes())
    (song.parent / "broken.mid").write_text("no music")
    labels = label(song.parent, FirstIsReed())
    copies = page.save(labels, song.parent, tmp_path / "out")
    names = {copy.relative_to(tmp_path / "out").as_posix() for copy in copies}
    assert names == {"song-labelled.mid", "below/other-labelled.kar"}
    for copy in copies:
        changes = [m.program for m in mido.MidiFile(copy) if m.type == "program_change"]
        assert sorted(changes) == [0, 33, 71]
    tracks = pd.read_csv(tmp_path / "out/tracks.csv")
    assert tracks["predicted"].tolist() == ["Reed", "uncertain"] * 2
    assert tracks["written"].tolist() == ["Flute", "Electric Bass (finger)"] * 2
    assert len(pd.read_csv(tmp_path / "out/labels.csv")) == 8
    why = pd.read_csv(tmp_path / "out/skipped.csv").set_index("file")["why"]
    assert "does not begin like a MIDI file" in why["broken.mid"]
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_files_whose_names_are_not_utf_8_are_labelled_apart_and_saved(song, tmp_path):
    names = ["caf\udce8.mid", "caf\udce9.mid"]  # the bytes E8 and E9, as Python reads them
    for name in names:
        (song.parent / name).write_bytes(song.read_bytes())
    (song.parent / "broken-\udce9.mid").write_text("no music")
    labels = label(song.parent, FirstIsReed())
    copies = page.save(labels, song.parent, tmp_path / "out")
    tracks = pd.read_csv(tmp_path / "out/tracks.csv")
    assert tracks.groupby("file").size().tolist() == [2, 2, 2]
    assert [copy.exists() for copy in copies] == [True] * 3
    assert len(set(copies)) == 3
    assert pd.read_csv(tmp_path / "out/skipped.csv")["file"].str.contains("broken").any()


def test_choosing_another_track_shows_and_plays_it(song, shown):
    page.browse_tracks(label(song, FirstIsReed()), song)
    (desk,) = shown
    track, view = desk.children
    assert [text for text, _ in track.options] == ["00-part 72: Reed", "01-part 36: uncertain"]
    before = view.value
    track.value = "01-part 36"
    assert view.value != before
    assert view.value.count("data:audio/flac;base64,") == 2
    assert "data:image/png;base64," in view.value


def test_unattended_view_shows_the_least_certain_track(song, shown, monkeypatch):
    monkeypatch.setattr(page, "watched", lambda: False)
    page.browse_tracks(label(song, FirstIsReed()), song)
    figure, *rest = shown
    assert figure.axes[0].get_title() == "01-part 36"
    sounds = [thing for thing in rest if hasattr(thing, "autoplay")]
    assert len(sounds) == 2
    assert sounds[0].data == sounds[1].data  # uncertain: it keeps its program


def test_sentence_says_why_the_chosen_track_has_its_label(song, shown):
    page.browse_tracks(label(song, FirstIsReed()), song, labeller=FirstIsReed())
    track, view = shown[0].children
    assert view.value.endswith(
        "<p>Reed (93 %) from the part as a whole: 1 of 2 segments agree, as the only part Reed "
        "would have 93 %; it is the highest of 2 parts (median F#5), with 1.0 notes per onset.</p>"
    )
    track.value = "01-part 36"
    assert "<p>Uncertain between " in view.value


def test_table_of_labels_names_shades_and_suggested_programs(song):
    tracks = track_labels(label(song, FirstIsReed()))
    tracks["text"], tracks["suggested_program"] = ["Reed", "Pipe or Reed"], [71, -1]
    table = page.overview_table(tracks)
    assert table["label"].tolist() == ["Reed", "Pipe or Reed"]
    assert table["program"].tolist() == ["Clarinet", ""]
    assert "program" not in page.overview_table(tracks.assign(suggested_program=-1))


def test_uploaded_file_is_shown_and_saved_and_a_broken_one_is_not_kept(song, shown, tmp_path):
    page.upload(FirstIsReed(), tmp_path / "out")
    button, view = shown[0].children
    choose(button, "../mine.mid", song.read_bytes())
    overview, _, saved = view.children
    assert "data:image/png;base64," in overview.value
    assert "Reed" in overview.value
    assert "drums are not labelled" in saved.value
    assert (tmp_path / "out/mine/mine-labelled.mid").is_file()
    assert (tmp_path / "out/mine/labels.csv").is_file()
    choose(button, "letter.mid", b"no music at all")
    (message,) = view.children
    assert "letter.mid cannot be read: the file does not begin like a MIDI file" in message.value
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine", "mine.mid"]
