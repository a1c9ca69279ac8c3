"""Tests of the interactive views: outputs after a slider is moved or a cell is clicked."""

import base64
import io
import re
import sys

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import soundfile

from camil import widgets
from camil.corpus.corpus import Corpus
from camil.midi.instruments import INSTRUMENTS


@pytest.fixture(scope="module")
def data(tiny_corpus):
    return Corpus(tiny_corpus)


@pytest.fixture
def displayed(monkeypatch):
    """Everything displayed, in an interactive notebook."""
    found = []
    for name in ("browse", "confusions", "margins", "space"):
        module = sys.modules[f"camil.widgets.{name}"]
        monkeypatch.setattr(module, "watched", lambda: True)
        monkeypatch.setattr(module, "display", found.append)
    return found


def clips_in(page: str) -> list[np.ndarray]:
    """The audio clips in a piece of HTML."""
    clips = re.findall(r'src="data:audio/\w+;base64,([^"]+)"', page)
    return [soundfile.read(io.BytesIO(base64.b64decode(clip)))[0] for clip in clips]


def inside(box, kind) -> list:
    """All widgets of a class in a box, from top to bottom."""
    here = [box] if isinstance(box, kind) else []
    return here + [found for child in getattr(box, "children", ()) for found in inside(child, kind)]


def test_card_clips_are_as_long_as_the_segment(data):
    made = widgets.Cards(data).card(5)
    sound, notes = clips_in(made.html())
    about = data.table.iloc[5]
    length = round((about["end_seconds"] - about["start_seconds"]) * 16000)
    assert len(sound) == len(notes) == length
    assert np.abs(sound).max() > 0.05
    assert np.abs(notes).max() > 0.05
    assert about["song"] in made.title
    assert "data:image/png" in made.html()


def test_missing_source_is_reported_and_notes_are_still_played(data, monkeypatch):
    cards = widgets.Cards(data)
    cards._parameters = cards._parameters | {"dataset": "midi", "source": "nowhere"}
    made = cards.card(0)
    assert len(clips_in(made.html())) == 1
    assert "cannot be played" in made.html()
    assert "nowhere" in made.html()


def test_browse_shows_the_segment_of_the_chosen_song_and_track(data, displayed):
    widgets.browse(data.folder)
    song, track = inside(displayed[0], ipywidgets.Dropdown)
    (segment,) = inside(displayed[0], ipywidgets.IntSlider)
    (view,) = inside(displayed[0], ipywidgets.HTML)
    assert f"{song.options[0]}, beat" in view.value
    song.value = song.options[7]
    name, track.value = track.options[-1]
    segment.value = segment.max
    mine = data.table[(data.table["song"] == song.value) & (data.table["track"] == track.value)]
    assert segment.max == len(mine)
    assert mine["instrument"].iloc[0] in name
    assert f"{song.value}, beat {mine['start_beat'].iloc[-1]:g}" in view.value


def test_click_on_a_cell_shows_its_most_confident_prediction(data, displayed):
    random = np.random.default_rng(0)
    predictions = data.table[["song", "track", "start_beat", "instrument"]].copy()
    predictions["predicted"] = random.choice(INSTRUMENTS, len(predictions))
    for name in INSTRUMENTS:
        predictions[f"p_{name}"] = random.uniform(0, 0.1, len(predictions))
        predictions.loc[predictions["predicted"] == name, f"p_{name}"] += 0.5
    widgets.confusions(data.folder, predictions)
    (view,) = inside(displayed[0], ipywidgets.HTML)
    buttons = inside(displayed[0], ipywidgets.Button)
    assert len(buttons) == 64
    shares = pd.crosstab(predictions["instrument"], predictions["predicted"], normalize="index")
    for index, button in enumerate(buttons):
        true, predicted = INSTRUMENTS[index // 8], INSTRUMENTS[index % 8]
        share = shares.loc[true].get(predicted, 0) if true in shares.index else 0
        assert button.description == (f"{share:.0%}" if share else "")
        assert button.disabled == (not share)
    true, predicted = shares.where(~np.eye(8, dtype=bool)[: len(shares)]).stack().idxmax()
    assert f"{true} predicted as {predicted}" in view.value
    index = next(i for i, button in enumerate(buttons) if not button.disabled)
    buttons[index].click()
    true, predicted = INSTRUMENTS[index // 8], INSTRUMENTS[index % 8]
    cell = predictions[
        (predictions["instrument"] == true) & (predictions["predicted"] == predicted)
    ]
    best = cell.filter(like="p_").max(axis=1).idxmax()
    assert true in view.value
    assert predictions.loc[best, "song"] in view.value


def test_predictions_of_another_corpus_raise_value_error(data):
    keys = {"song": ["other"], "track": ["0"], "start_beat": [0.0]}
    strange = pd.DataFrame(keys | {"instrument": ["Bass"], "predicted": ["Bass"], "p_Bass": [1.0]})
    with pytest.raises(ValueError, match="1 of 1 segments are not in it"):
        widgets.confusions(data.folder, strange)


def test_margin_slider_redraws_the_curve(displayed):
    widgets.margins(1.0)
    (slider,) = inside(displayed[0], ipywidgets.FloatSlider)
    (view,) = inside(displayed[0], ipywidgets.HTML)
    before = view.value
    slider.value = 0.5
    assert view.value != before
    assert "margin 0.5" in view.value


def test_unattended_views_leave_figures_and_clips(data, monkeypatch):
    left = []
    for name in ("card", "margins"):
        module = sys.modules[f"camil.widgets.{name}"]
        monkeypatch.setattr(module, "display", lambda *shown: left.extend(shown))
    widgets.margins(1.0)
    widgets.browse(data.folder)
    assert [type(one).__name__ for one in left] == [
        "Figure", "Figure", "Markdown", "Audio", "Markdown", "Audio",
    ]  # fmt: skip


@pytest.fixture
def around(data):
    """Twelve segments at random positions of a three-dimensional space."""
    random = np.random.default_rng(1)
    rows = random.permutation(len(data))[:12]
    midi, audio = random.normal(size=(2, 12, 3))
    layout, correct = random.normal(size=(24, 2)), random.random(24) > 0.5
    return widgets.Space(widgets.Cards(data), rows, midi, audio, layout, correct)


@pytest.mark.parametrize("point", [4, 19])
def test_neighbours_match_brute_force_over_the_other_modality(around, point):
    own, others = (around.midi, around.audio) if point < 12 else (around.audio, around.midi)
    here = own[point % 12]
    by_hand = sorted((sum((h - o) ** 2 for h, o in zip(here, other, strict=True)) ** 0.5, i)
                     for i, other in enumerate(others))[:3]  # fmt: skip
    found = around.nearest(point)
    assert found["segment"].tolist() == [i for _, i in by_hand]
    assert found["distance"].to_numpy() == pytest.approx([d for d, _ in by_hand])
    assert (found["point"] // 12 == (1 if point < 12 else 0)).all()
    names = [around.cards.name(around.rows[i]) for _, i in by_hand]
    page = around.html(point)
    offsets = [page.index(name, page.index("Nearest")) for name in names]
    assert offsets == sorted(offsets)
    assert len(clips_in(page)) == 5


def test_click_in_the_scatter_moves_the_slider_and_shows_the_point(around, displayed):
    widgets.space(around)
    import jscatter

    (slider,) = inside(displayed[0], ipywidgets.IntSlider)
    panel = inside(displayed[0], ipywidgets.HTML)[-1]
    (scatter,) = inside(displayed[0], jscatter.widget.JupyterScatter)
    scatter.selection = np.array([17])
    assert slider.value == 17
    assert panel.value == around.html(17)
    assert scatter.selection.tolist() == [17, *around.nearest(17)["point"]]
    (colour,) = inside(displayed[0], ipywidgets.Dropdown)
    before = scatter.color
    colour.value = "probe"
    assert scatter.color != before
    assert scatter.size == [9, 4]  # MIDI, audio
