"""Tests of the common style of the figures, and of their files."""

import io
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.pyplot import imread
from matplotlib.text import Text

from camil import figures
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.midi.instruments import FAMILIES, INSTRUMENTS


def texts(figure: Figure) -> list[str]:
    """All texts of a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def test_each_instrument_has_the_same_colour_in_all_figures(drawn_segments):
    one_each = np.arange(16.0).reshape(8, 2)
    confusion = figures.confusion(INSTRUMENTS, INSTRUMENTS).axes[0]
    for squares in confusion.collections[:2]:
        assert [to_hex(c).upper() for c in squares.get_facecolors()] == list(
            FAMILIES.colours.values()
        )

    space = figures.joint_space(one_each, INSTRUMENTS, ["MIDI"] * 8).axes[0]
    dots = space.collections[0]
    for (x, _), colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True):
        assert to_hex(colour).upper() == FAMILIES.colours[INSTRUMENTS[int(x) // 2]]

    overview = figures.corpus_overview(drawn_segments).axes[0]
    for bar, name in zip(overview.containers[0], INSTRUMENTS, strict=True):
        assert to_hex(bar.get_facecolor()).upper() == FAMILIES.colours[name]

    spans = np.stack([np.arange(8), np.arange(8) + 1.0], axis=1)
    timeline = figures.label_timeline(np.full(8, 60), spans[:, 0], spans[:, 1], spans, np.eye(8))
    notes = timeline.axes[0].collections[0].get_facecolors()
    assert [to_hex(colour).upper() for colour in notes] == list(FAMILIES.colours.values())

    roll = np.zeros((84, 192))
    roll[30, 10:20] = 1
    for name in INSTRUMENTS:
        drawn = figures.roll_and_mel(roll, np.zeros((128, 282)), 4.0, instrument=name).axes[0]
        assert to_hex(drawn.collections[0].get_facecolors()[0]).upper() == FAMILIES.colours[name]


# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour: str, vision: str) -> np.ndarray:
    """CIE Lab of a colour under simulated colour vision."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.asarray(to_xyz) @ linear / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_distinguishable_with_any_colour_vision(vision):
    colours = {**FAMILIES.colours, "white": "#FFFFFF"}
    for (a, first), (b, second) in combinations(colours.items(), 2):
        least = 20 if "white" in (a, b) else 25
        assert np.linalg.norm(lab(first, vision) - lab(second, vision)) > least, (a, b)


def test_figures_are_white_and_one_column_or_page_wide(drawn_segments, table):
    for figure in (
        figures.architecture(MIDIEncoder(4), AudioEncoder(4)),
        figures.confusion(INSTRUMENTS, INSTRUMENTS),
        figures.corpus_overview(drawn_segments),
        figures.data_efficiency(table),
    ):
        assert figure.get_facecolor() == (1, 1, 1, 1)
        assert figure.get_figwidth() in (3.5, 7.16)


def test_texts_neither_overlap_nor_leave_the_page(drawn_segments, table, monkeypatch):
    drawn, draw = set(), Text.draw
    monkeypatch.setattr(Text, "draw", lambda self, *args: drawn.add(self) or draw(self, *args))
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0]})
    names = (
        "CAMIL",
        "SIC",
        "Unsupervised CAMIL",
        "Fine-tuned, self-supervised audio encoder",
    )
    with_f1 = history.assign(validation_loss=[2.1, 1.5], validation_macro_f1=[0.1, 0.5])
    histories = {f"{n}, pre-training": history for n in names} | dict.fromkeys(names, with_f1)
    for figure in (
        figures.architecture(MIDIEncoder(64), AudioEncoder(64)),
        figures.confusion(INSTRUMENTS * 9000, INSTRUMENTS * 9000, title="CAMIL"),
        figures.joint_space(np.eye(8, 2), INSTRUMENTS, ["MIDI", "audio"] * 4),
        figures.corpus_overview(drawn_segments),
        figures.data_efficiency(table),
        figures.training_curves(histories),
    ):
        drawn.clear()
        figure.savefig(io.BytesIO())
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in drawn  # without the ticks outside the axes
            if text.get_text().strip() and text.get_rotation() % 90 == 0
        ]
        assert len(boxes) > 5
        for text, box in boxes:
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text
            assert box.y1 <= figure.bbox.y1, text
        for (a, first), (b, second) in combinations(boxes, 2):
            width = min(first.x1, second.x1) - max(first.x0, second.x0)
            height = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert min(width, height) < 3, (a, b)  # pixels at 200 per inch


def test_user_rcparams_neither_affect_a_figure_nor_change():
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 30, "figure.facecolor": "black"}):
        figure = figures.confusion(INSTRUMENTS, INSTRUMENTS)
        assert plt.rcParams["font.size"] == 30
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.axes[0].xaxis.label.get_fontsize() == 7.5
    assert not plt.get_fignums()  # a notebook would display it twice


def test_equal_figures_give_identical_files(tmp_path, table):
    for name in ("a", "b"):
        figures.save(figures.data_efficiency(table), tmp_path / name, note="demonstration corpus")
    for suffix in (".pdf", ".png"):
        a, b = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("a", "b"))
        assert a == b
        assert len(a) > 5000


def test_save_writes_pdf_and_png_and_removes_the_note(tmp_path, table):
    figure = figures.data_efficiency(table)
    files = figures.save(figure, tmp_path / "new" / "fig.2", note="demonstration corpus")
    assert [file.name for file in files] == ["fig.2.pdf", "fig.2.png"]
    assert files[0].read_bytes().startswith(b"%PDF")
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert "demonstration corpus" not in texts(figure)
    assert figures.save(figure, tmp_path / "again")[1].read_bytes() != files[1].read_bytes()


def test_a_note_does_not_change_the_figure_above_it(tmp_path, table):
    figure = figures.data_efficiency(table)  # with a legend outside the axes
    plain = imread(figures.save(figure, tmp_path / "plain")[1])
    noted = imread(figures.save(figure, tmp_path / "noted", note="demonstration corpus")[1])
    assert noted.shape[0] == plain.shape[0] + 48  # 0.16 in at 300 dpi
    assert plain.shape[1] == 3.5 * 300
    np.testing.assert_array_equal(noted[: len(plain)], plain)
    assert noted[len(plain) :].min() < 0.6
