"""Figures show the numbers they are given, in one style."""

import io
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.pyplot import imread
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix
from torchvision.models.resnet import BasicBlock, ResNet

from camil import figures
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.midi.instruments import INSTRUMENTS

TIMES = "\N{MULTIPLICATION SIGN}"


def texts(figure: Figure) -> list[str]:
    """Everything written in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture
def segments() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "instrument": np.repeat(INSTRUMENTS, 6),
            "split": ["train", "train", "train", "train", "validation", "test"] * 8,
            "bpm": generator.uniform(60, 180, 48),
            "pitch": [generator.integers(24, 108, 5) for _ in range(48)],
        }
    )


# Fig. 1


def halved(size: int, kernel: int) -> int:
    """Output size of a convolution or pooling of stride 2 and padding (kernel - 1) / 2."""
    return (size + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1


@pytest.mark.parametrize(
    ("encoder", "height", "width"), [(MIDIEncoder, 84, 192), (AudioEncoder, 128, 282)]
)
def test_fig_1_has_the_sizes_that_arithmetic_gives(encoder, height, width):
    expected = []
    for channels, kernel in ((8, 7), (8, 3), (8, 3), (16, 3), (32, 3), (64, 3)):
        height, width = halved(height, kernel), halved(width, kernel)
        expected.append((channels, height, width))
    expected += [(64,), (24,)]

    found = figures.layers(encoder(width=8, embedding=24))

    assert [layer.shape for layer in found] == expected
    drawn = texts(figures.architecture(MIDIEncoder(8, embedding=24), AudioEncoder(8, embedding=24)))
    for shape in expected:
        assert TIMES.join(map(str, shape)) in drawn


def test_fig_1_is_read_from_the_model_and_not_from_our_class():
    model = ResNet(BasicBlock, [3, 4, 6, 3], num_classes=10)  # ResNet-34: stage 1 has stride 1
    found = figures.layers(model, input_shape=(224, 224))
    assert [layer.shape for layer in found] == [
        (64, 112, 112), (64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7),
        (512,), (10,),
    ]  # fmt: skip
    blocks = [layer.detail.split("\n") for layer in found if layer.kind == "stage"]
    assert blocks == [
        ["3 blocks", "stride 1"], ["4 blocks", "stride 2"], ["6 blocks", "stride 2"],
        ["3 blocks", "stride 2"],
    ]  # fmt: skip


def test_drawing_fig_1_leaves_the_model_as_it_was():
    encoder = MIDIEncoder(width=4).train()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    figures.layers(encoder)
    assert encoder.training
    assert not any(module._forward_hooks for module in encoder.modules())
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]), name  # batch statistics too


def test_fig_1_says_what_it_cannot_draw():
    with pytest.raises(ValueError, match="input_shape"):
        figures.layers(ResNet(BasicBlock, [1, 1, 1, 1]))
    with pytest.raises(ValueError, match="no convolution"):
        figures.layers(torch.nn.Linear(3, 4), input_shape=(1, 3))


# Fig. 2


def test_fig_2_has_the_numbers_of_scikit_learn():
    generator = np.random.default_rng(1)
    true = generator.choice(INSTRUMENTS[:7], 400)  # no Reed among the true
    predicted = np.where(generator.random(400) < 0.5, true, generator.choice(INSTRUMENTS, 400))
    expected = confusion_matrix(true, predicted, labels=INSTRUMENTS, normalize="true") * 100

    axes = figures.confusion(true, predicted).axes[0]

    np.testing.assert_allclose(axes.images[0].get_array(), expected, atol=1e-9)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    for (row, column), percent in np.ndenumerate(expected):
        assert cells.get((column, row), "0") == f"{percent:.0f}"
    for row, name in enumerate(INSTRUMENTS):
        assert cells[7.7, row] == str((true == name).sum())
    assert [label.get_text() for label in axes.get_xticklabels()] == list(INSTRUMENTS)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{name} ({i})" for i, name in enumerate(INSTRUMENTS)
    ]


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        (["Piano"], ["Piano", "Reed"], "1 true and 2 predicted"),
        (["Piano", "Kazoo"], ["Piano", "Piano"], "'Kazoo'"),
        ([], [], "at least one segment"),
    ],
)
def test_fig_2_names_what_is_wrong(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        figures.confusion(true, predicted)


# One style


def test_an_instrument_has_one_colour_in_all_figures(segments):
    one_each = np.arange(16.0).reshape(8, 2)
    confusion = figures.confusion(INSTRUMENTS, INSTRUMENTS).axes[0]
    for squares in confusion.collections[:2]:
        assert [to_hex(c).upper() for c in squares.get_facecolors()] == list(
            figures.COLOURS.values()
        )

    space = figures.joint_space(one_each, INSTRUMENTS, ["MIDI"] * 8).axes[0]
    dots = space.collections[0]
    for (x, _), colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True):
        assert to_hex(colour).upper() == figures.COLOURS[INSTRUMENTS[int(x) // 2]]

    overview = figures.corpus_overview(segments).axes[0]
    for bar, name in zip(overview.containers[0], INSTRUMENTS, strict=True):
        assert to_hex(bar.get_facecolor()).upper() == figures.COLOURS[name]

    spans = np.stack([np.arange(8), np.arange(8) + 1.0], axis=1)
    timeline = figures.label_timeline(np.full(8, 60), spans[:, 0], spans[:, 1], spans, np.eye(8))
    notes = timeline.axes[0].collections[0].get_facecolors()
    assert [to_hex(colour).upper() for colour in notes] == list(figures.COLOURS.values())

    roll = np.zeros((84, 192))
    roll[30, 10:20] = 1
    for name in INSTRUMENTS:
        drawn = figures.roll_and_mel(roll, np.zeros((128, 282)), 4.0, instrument=name).axes[0]
        assert to_hex(drawn.collections[0].get_facecolors()[0]).upper() == figures.COLOURS[name]


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
    """CIE Lab of a colour as someone with that vision sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.asarray(to_xyz) @ linear / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_instruments_are_told_apart_with_any_vision(vision):
    colours = {**figures.COLOURS, "white": "#FFFFFF"}
    for (a, first), (b, second) in combinations(colours.items(), 2):
        least = 20 if "white" in (a, b) else 25
        assert np.linalg.norm(lab(first, vision) - lab(second, vision)) > least, (a, b)


def test_figures_are_opaque_white_and_as_wide_as_a_column_or_a_page(segments, table):
    for figure in (
        figures.architecture(MIDIEncoder(4), AudioEncoder(4)),
        figures.confusion(INSTRUMENTS, INSTRUMENTS),
        figures.corpus_overview(segments),
        figures.data_efficiency(table),
    ):
        assert figure.get_facecolor() == (1, 1, 1, 1)
        assert figure.get_figwidth() in (3.5, 7.16)


def test_no_text_overlaps_another_or_leaves_the_page(segments, table, monkeypatch):
    drawn, draw = set(), Text.draw
    monkeypatch.setattr(Text, "draw", lambda self, *args: drawn.add(self) or draw(self, *args))
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0]})
    names = ("CAMIL", "SIC", "Unsupervised CAMIL", "Fine-tuned CAMIL")
    with_f1 = history.assign(validation_loss=[2.1, 1.5], validation_macro_f1=[0.1, 0.5])
    histories = {f"{n}, pre-training": history for n in names} | dict.fromkeys(names, with_f1)
    for figure in (
        figures.architecture(MIDIEncoder(64), AudioEncoder(64)),
        figures.confusion(INSTRUMENTS * 200, INSTRUMENTS * 200, title="CAMIL"),
        figures.joint_space(np.eye(8, 2), INSTRUMENTS, ["MIDI", "audio"] * 4),
        figures.corpus_overview(segments),
        figures.data_efficiency(table),
        figures.training_curves(histories),
    ):
        drawn.clear()
        figure.savefig(io.BytesIO())
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in drawn  # and not the ticks that lie outside the axes
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
            assert min(width, height) < 3, (a, b)  # pixels of 200 an inch


def test_the_readers_own_settings_neither_enter_a_figure_nor_are_lost():
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 30, "figure.facecolor": "black"}):
        figure = figures.confusion(INSTRUMENTS, INSTRUMENTS)
        assert plt.rcParams["font.size"] == 30
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.axes[0].xaxis.label.get_fontsize() == 7.5
    assert not plt.get_fignums()  # a notebook would show it twice


# Files


def test_equal_data_give_equal_files(tmp_path, table):
    for name in ("a", "b"):
        figures.save(figures.data_efficiency(table), tmp_path / name, note="demonstration corpus")
    for suffix in (".pdf", ".png"):
        a, b = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("a", "b"))
        assert a == b
        assert len(a) > 5000


def test_save_writes_both_files_under_the_whole_name_and_forgets_the_note(tmp_path, table):
    figure = figures.data_efficiency(table)
    files = figures.save(figure, tmp_path / "new" / "fig.2", note="demonstration corpus")
    assert [file.name for file in files] == ["fig.2.pdf", "fig.2.png"]
    assert files[0].read_bytes().startswith(b"%PDF")
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert "demonstration corpus" not in texts(figure)
    assert figures.save(figure, tmp_path / "again")[1].read_bytes() != files[1].read_bytes()


def test_a_note_moves_nothing_in_the_figure(tmp_path, table):
    figure = figures.data_efficiency(table)  # with a legend outside the axes
    plain = imread(figures.save(figure, tmp_path / "plain")[1])
    noted = imread(figures.save(figure, tmp_path / "noted", note="demonstration corpus")[1])
    assert noted.shape[0] == plain.shape[0] + 48  # 0.16 in at 300 dpi
    assert plain.shape[1] == 3.5 * 300
    np.testing.assert_array_equal(noted[: len(plain)], plain)
    assert noted[len(plain) :].min() < 0.6


# Embeddings, histories, music


def test_umap_gives_the_same_points_for_the_same_seed_and_keeps_clusters_apart():
    generator = np.random.default_rng(0)
    embeddings = np.concatenate([generator.normal(centre, 0.1, (20, 8)) for centre in (0, 5)])
    points = figures.umap_points(embeddings, seed=3)
    assert points.shape == (40, 2)
    np.testing.assert_array_equal(points, figures.umap_points(embeddings, seed=3))
    first, second = points[:20], points[20:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > spread
    assert figures.umap_points(embeddings[:4]).shape == (4, 2)
    with pytest.raises(ValueError, match="4 or more"):
        figures.umap_points(embeddings[:3])
    with pytest.raises(ValueError, match="not finite"):
        figures.umap_points(embeddings * np.nan)


def test_the_joint_space_marks_modalities():
    points = np.array([[0.0, 0], [1, 1], [2, 0], [3, 1]])
    kinds = ["MIDI", "audio"] * 2
    axes = figures.joint_space(points, ["Pipe", "Pipe", "Reed", "Reed"], kinds).axes[0]
    midi, audio = axes.collections
    assert sorted(midi.get_offsets()[:, 0]) == [0, 2]
    assert sorted(audio.get_offsets()[:, 0]) == [1, 3]
    assert len(midi.get_paths()[0]) != len(audio.get_paths()[0])
    with pytest.raises(ValueError, match="'score'"):
        figures.joint_space(points, ["Pipe"] * 4, ["MIDI", "audio", "MIDI", "score"])


def test_training_curves_show_the_history_and_part_pre_training_from_classification():
    pretraining = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.5, 0.4, 0.3]})
    classifying = pretraining.assign(
        validation_loss=[2.0, 1.5, 1.4], validation_macro_f1=[0.1, 0.4, 0.5]
    )
    figure = figures.training_curves({"CAMIL, pre-training": pretraining, "SIC": classifying})
    drawn = [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes]
    assert drawn == [[[0.5, 0.4, 0.3]], [[0.5, 0.4, 0.3], [2.0, 1.5, 1.4]], [[0.1, 0.4, 0.5]]]
    with pytest.raises(ValueError, match="SIC needs the column train_loss"):
        figures.training_curves({"SIC": pretraining.drop(columns="train_loss")})
    with pytest.raises(ValueError, match="at least one history"):
        figures.training_curves({})


def test_data_efficiency_draws_every_row_once_also_on_a_broken_axis(table):
    for shift in (0.0, 0.3):  # with the audio reference far above, and among the others
        moved = table.copy()
        moved.loc[0, ["macro_f1", "macro_f1_low", "macro_f1_high"]] -= shift
        figure = figures.data_efficiency(moved)
        drawn = [
            value
            for axes in figure.axes
            for container in axes.containers
            for value in container.lines[0].get_ydata()
        ]
        assert sorted(drawn) == sorted(moved["macro_f1"])
        assert len(figure.axes) == (2 if not shift else 1)
    with pytest.raises(ValueError, match="the column condition"):
        figures.data_efficiency(table.drop(columns="condition"))


def test_the_roll_is_drawn_in_seconds_under_the_right_pitch():
    roll = np.zeros((84, 192))
    roll[60 - 24, 24:48] = 1  # middle C on the second quarter note
    roll[60 - 24, 72:96] = 1
    figure = figures.roll_and_mel(roll, np.zeros((128, 282)), seconds=3.0, beats=6)
    above, below = figure.axes
    bars = [path.get_extents() for path in above.collections[0].get_paths()]
    assert [(bar.x0, bar.x1) for bar in bars] == [(0.5, 1.0), (1.5, 2.0)]
    assert all(bar.y0 < 60 < bar.y1 for bar in bars)
    names = dict(
        zip(above.get_yticks(), [t.get_text() for t in above.get_yticklabels()], strict=True)
    )
    assert names[60] == "C4"
    assert above.get_xlim() == below.get_xlim() == (0, 3)
    with pytest.raises(ValueError, match=r"\(84, 192\)"):
        figures.roll_and_mel(roll[:80], np.zeros((128, 282)), 3.0)
    with pytest.raises(ValueError, match="positive"):
        figures.roll_and_mel(roll, np.zeros((128, 282)), 0.0)


def test_an_empty_segment_is_drawn_too():
    figures.roll_and_mel(np.zeros((84, 192)), np.full((128, 282), -80.0), 4.0)
    figures.label_timeline([], [], [], [[0, 8]], [np.full(8, 0.125)])


def test_the_corpus_overview_counts_segments(segments):
    axes = figures.corpus_overview(segments).axes[0]
    counts = segments.groupby(["split", "instrument"]).size()
    for bars, split in zip(axes.containers, ("train", "validation", "test"), strict=True):
        assert [bar.get_width() for bar in bars] == [counts[split, name] for name in INSTRUMENTS]
    with pytest.raises(ValueError, match="the column pitch"):
        figures.corpus_overview(segments.drop(columns="pitch"))
    with pytest.raises(ValueError, match="empty"):
        figures.corpus_overview(segments[:0])


def test_the_timeline_greys_what_the_model_is_not_sure_of():
    spans = np.array([[0, 8], [8, 16], [24, 32]])
    probabilities = np.full((3, 8), 0.05)
    probabilities[0, INSTRUMENTS.index("Pipe")] = 0.65
    probabilities[1, INSTRUMENTS.index("Reed")] = 0.45  # the most probable, and still unsure
    probabilities[2, INSTRUMENTS.index("Bass")] = 0.65
    starts = np.array([0.0, 8.0, 20.0, 31.0])  # the third note lies between two segments
    figure = figures.label_timeline(np.full(4, 60), starts, starts + 1, spans, probabilities)
    notes = figure.axes[0].collections[0].get_facecolors()
    pipe, bass = figures.COLOURS["Pipe"], figures.COLOURS["Bass"]
    expected = [pipe, figures.NOT_SURE, figures.NOT_SURE, bass]
    assert [to_hex(colour).upper() for colour in notes] == [colour.upper() for colour in expected]
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[1].containers]
    np.testing.assert_allclose(np.transpose(heights), probabilities)
    with pytest.raises(ValueError, match="between 0 and 1"):
        figures.label_timeline([60], [0], [1], spans, probabilities * 3)
    with pytest.raises(ValueError, match="do not fit"):
        figures.label_timeline([60], [0], [1], spans[:2], probabilities)
