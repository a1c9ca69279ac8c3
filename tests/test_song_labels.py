"""Tests of the picture of a song with its labels."""

from itertools import combinations

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex, to_rgb

from camil import figures, read_midi
from camil.figures.song_labels import MOST_ROWS, OTHER
from camil.figures.style import PAGE
from camil.midi.instruments import FAMILIES, INSTRUMENTS


def song_of(folder, pitched, drums=0, measures=8):
    """A score with the given number of parts; part ``i`` has ``i + 2`` notes per measure."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for number in range(pitched + drums):
        name = f"a part with the rather long name {number}"
        part = pretty_midi.Instrument(number % 128, is_drum=number >= pitched, name=name)
        for measure in range(measures):
            for note in range(number + 2):
                start = measure * 2 + note / (number + 2) * 2
                pitch = 30 + (number * 7 + note) % 60
                part.notes.append(pretty_midi.Note(80, pitch, start, start + 0.02))
        midi.instruments.append(part)
    midi.write(str(folder / "song.mid"))
    return read_midi(folder / "song.mid")


def labels_of(score, **columns):
    """Labels per segment and per track; every part is Reed unless ``columns`` say otherwise."""
    names = [track.name for track in score.tracks if not track.is_drum]
    last = score.measures[-1]
    spans = [(name, begin, begin + 8.0) for name in names for begin in np.arange(0, last, 8)]
    segments = pd.DataFrame(spans, columns=["track", "start_beat", "end_beat"])
    tracks = pd.DataFrame({"track": names, "written": "Acoustic Grand Piano"})
    for name in INSTRUMENTS:
        segments[f"p_{name}"] = tracks[f"p_{name}"] = 0.93 if name == "Reed" else 0.01
    about = {"predicted": "Reed", "probability": 0.93, "text": "Reed", "first": "Reed",
             "second": "Pipe", "second_probability": 0.01, "suggested_program": -1}  # fmt: skip
    return segments, tracks.assign(**(about | columns))


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def keys_of(axes):
    """Colour and height of the labels' keys, from top to bottom."""
    found = sorted(axes.patches, key=lambda patch: patch.get_y())
    return [(to_hex(one.get_facecolor()).upper(), one.get_height()) for one in found]


def test_all_drum_tracks_are_one_row_at_the_bottom(tmp_path):
    score = song_of(tmp_path, pitched=2, drums=3)
    (axes,) = figures.song_labels(score, *labels_of(score)).axes
    assert axes.get_ylim() == (3, 0)
    assert texts_of(axes)[-3:] == ["Drums", "3 tracks", "drums are not labelled"]
    bars = [len(c.get_paths()) for c in axes.collections if isinstance(c, PolyCollection)]
    assert bars[-1] == sum(len(track.pitch) for track in score.tracks if track.is_drum)


def test_label_between_two_classes_has_both_names_and_colours(tmp_path):
    score = song_of(tmp_path, pitched=1)
    shades = {"predicted": "uncertain", "probability": 0.48, "text": "Pipe or Reed",
              "first": "Pipe", "second": "Reed", "second_probability": 0.32}  # fmt: skip
    (axes,) = figures.song_labels(score, *labels_of(score, **shades)).axes
    assert texts_of(axes)[-2:] == ["Pipe or Reed", "48 % or 32 %"]
    (first, pipe), (second, reed) = keys_of(axes)
    assert (first, second) == tuple(FAMILIES.colours[name].upper() for name in ("Pipe", "Reed"))
    assert pipe / reed == pytest.approx(48 / 32)


def test_other_and_uncertain_have_different_greys(tmp_path):
    score = song_of(tmp_path, pitched=2)
    labels = {"predicted": ["other", "uncertain"], "text": ["other", "uncertain"],
              "probability": [0.7, 0.2], "first": ["other", "Reed"]}  # fmt: skip
    (axes,) = figures.song_labels(score, *labels_of(score, **labels)).axes
    assert [colour for colour, _ in keys_of(axes)] == [OTHER.upper(), figures.UNCERTAIN.upper()]
    assert "other 70 %" in texts_of(axes)
    assert texts_of(axes)[-2:] == ["uncertain", "Reed? 20 %"]
    other, uncertain = (np.dot(to_rgb(c), (0.299, 0.587, 0.114)) for c in (OTHER, "#BBBBBB"))
    assert uncertain - other > 0.2


def test_suggested_program_is_named_below_the_label(tmp_path):
    score = song_of(tmp_path, pitched=1)
    (axes,) = figures.song_labels(score, *labels_of(score, suggested_program=71)).axes
    assert texts_of(axes)[-2:] == ["Reed 93 %", "Clarinet"]


def test_of_sixty_parts_those_with_most_notes_are_drawn_and_the_axis_says_so(tmp_path):
    score = song_of(tmp_path, pitched=60, drums=2, measures=2)
    (axes,) = figures.song_labels(score, *labels_of(score)).axes
    assert axes.get_ylim() == (MOST_ROWS, 0)
    kept = MOST_ROWS - 1
    sizes = sorted((len(t.pitch) for t in score.tracks if not t.is_drum), reverse=True)
    share = sum(sizes[kept:]) / sum(len(track.pitch) for track in score.tracks)
    assert axes.get_xlabel() == (
        f"measure; not drawn: 37 parts with few notes ({100 * share:.0f} % of all notes)"
    )
    names = [track.name[:28] for track in score.tracks if len(track.pitch) >= sizes[kept - 1]]
    assert [text for text in texts_of(axes) if text in names][:kept] == names[:kept]


@pytest.mark.parametrize(("pitched", "measures"), [(3, 8), (24, 150), (60, 8)])
def test_texts_do_not_overlap_and_fit_the_page(tmp_path, pitched, measures):
    score = song_of(tmp_path, pitched, drums=1, measures=measures)
    shades = {"predicted": "uncertain", "probability": 0.48, "text": "Strings or Guitar",
              "first": "Strings", "second": "Guitar", "second_probability": 0.32}  # fmt: skip
    figure = figures.song_labels(score, *labels_of(score, **shades), title="the title")
    assert figure.get_size_inches()[0] == PAGE
    assert figure.get_size_inches()[1] < 10
    figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = [*axes.texts, *axes.get_xticklabels(), axes.xaxis.label, axes.title]
    boxes = [text.get_window_extent() for text in shown if text.get_text()]
    boxes += [text.get_window_extent() for text in figure.legends[0].get_texts()]
    page = figure.bbox
    for one, other in combinations(boxes, 2):
        assert (
            min(one.x1, other.x1) <= max(one.x0, other.x0) + 0.5
            or min(one.y1, other.y1) <= max(one.y0, other.y0) + 0.5
        )
    for box in boxes:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
