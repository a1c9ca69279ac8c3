"""Tests of the figures: drawn values against their inputs."""

import librosa
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.metrics import confusion_matrix

from camil import figures
from camil.midi.instruments import FAMILIES, INSTRUMENTS, InstrumentClass, InstrumentTable


def test_fig_2_matches_scikit_learn():
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
def test_fig_2_rejects_invalid_labels(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        figures.confusion(true, predicted)


def test_joint_space_has_one_marker_per_modality():
    points = np.array([[0.0, 0], [1, 1], [2, 0], [3, 1]])
    kinds = ["MIDI", "audio"] * 2
    axes = figures.joint_space(points, ["Pipe", "Pipe", "Reed", "Reed"], kinds).axes[0]
    midi, audio = axes.collections
    assert sorted(midi.get_offsets()[:, 0]) == [0, 2]
    assert sorted(audio.get_offsets()[:, 0]) == [1, 3]
    assert len(midi.get_paths()[0]) != len(audio.get_paths()[0])
    with pytest.raises(ValueError, match="'score'"):
        figures.joint_space(points, ["Pipe"] * 4, ["MIDI", "audio", "MIDI", "score"])


def test_training_curves_separate_pre_training_and_classification():
    pretraining = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.5, 0.4, 0.3]})
    classifying = pretraining.assign(
        validation_loss=[2.0, 1.5, 1.4], validation_macro_f1=[0.1, 0.4, 0.5]
    )
    figure = figures.training_curves({"CAMIL, pre-training": pretraining, "SIC": classifying})
    drawn = [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes]
    assert drawn == [[[0.5, 0.4, 0.3]], [[0.5, 0.4, 0.3], [2.0, 1.5, 1.4]], [[0.1, 0.4, 0.5]]]
    _, losses, f1 = (axes.lines for axes in figure.axes)
    training, validation = losses
    assert training.get_linestyle() != validation.get_linestyle() == f1[0].get_linestyle()
    with pytest.raises(ValueError, match="SIC needs the column train_loss"):
        figures.training_curves({"SIC": pretraining.drop(columns="train_loss")})
    with pytest.raises(ValueError, match="at least one history"):
        figures.training_curves({})


def test_training_curves_of_one_condition_differ_in_colour_only():
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0]})
    names = ["CAMIL, seed 0", "CAMIL, seed 1", "CAMIL, seed 2"]
    (axes,) = figures.training_curves(dict.fromkeys(names, history)).axes
    assert len({line.get_linestyle() for line in axes.lines}) == 1
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 3


def test_data_efficiency_draws_every_row_once_on_plain_and_broken_axes(table):
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


def test_roll_is_drawn_in_seconds_at_its_pitch():
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


def test_mel_bands_are_labelled_at_their_frequency_in_hertz():
    below = figures.roll_and_mel(
        np.zeros((84, 192)), np.zeros((128, 282)), 3.0, sample_rate=16000
    ).axes[1]
    # The centre of band i, at height i + 0.5, is the frequency that librosa gives it.
    centres = librosa.mel_frequencies(128 + 2, fmin=0, fmax=8000)[1:-1]
    labels = [text.get_text() for text in below.get_yticklabels()]
    hertz = [float(text.replace("k", "e3")) for text in labels]
    assert hertz == [250, 500, 1000, 2000, 4000]
    np.testing.assert_allclose(
        np.interp(below.get_yticks() - 0.5, range(128), centres), hertz, 1e-2
    )


def test_empty_segments_are_drawn():
    figures.roll_and_mel(np.zeros((84, 192)), np.full((128, 282), -80.0), 4.0)
    figures.label_timeline([], [], [], [[0, 8]], [np.full(8, 0.125)])


def test_corpus_overview_counts_segments(drawn_segments):
    axes = figures.corpus_overview(drawn_segments).axes[0]
    counts = drawn_segments.groupby(["split", "instrument"]).size()
    for bars, split in zip(axes.containers, ("train", "validation", "test"), strict=True):
        assert [bar.get_width() for bar in bars] == [counts[split, name] for name in INSTRUMENTS]
    with pytest.raises(ValueError, match="the column pitch"):
        figures.corpus_overview(drawn_segments.drop(columns="pitch"))
    with pytest.raises(ValueError, match="empty"):
        figures.corpus_overview(drawn_segments[:0])


def test_timeline_shows_uncertain_segments_in_grey():
    spans = np.array([[0, 8], [8, 16], [24, 32]])
    probabilities = np.full((3, 8), 0.05)
    probabilities[0, INSTRUMENTS.index("Pipe")] = 0.65
    probabilities[1, INSTRUMENTS.index("Reed")] = 0.45  # the most probable, but below the threshold
    probabilities[2, INSTRUMENTS.index("Bass")] = 0.65
    starts = np.array([0.0, 8.0, 20.0, 31.0])  # the third note lies between two segments
    figure = figures.label_timeline(np.full(4, 60), starts, starts + 1, spans, probabilities)
    notes = figure.axes[0].collections[0].get_facecolors()
    pipe, bass = FAMILIES.colours["Pipe"], FAMILIES.colours["Bass"]
    expected = [pipe, figures.UNCERTAIN, figures.UNCERTAIN, bass]
    assert [to_hex(colour).upper() for colour in notes] == [colour.upper() for colour in expected]
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[1].containers]
    np.testing.assert_allclose(np.transpose(heights), probabilities)
    with pytest.raises(ValueError, match="between 0 and 1"):
        figures.label_timeline([60], [0], [1], spans, probabilities * 3)
    with pytest.raises(ValueError, match="do not fit"):
        figures.label_timeline([60], [0], [1], spans[:2], probabilities)


@pytest.mark.parametrize("name", ["$", "$x_{$", "100 $ und \\frac"])
def test_names_with_dollar_signs_are_drawn_as_they_are(name):
    roll, mel = np.zeros((84, 192), np.float32), np.zeros((128, 282), np.float32)
    drawn = figures.roll_and_mel(roll, mel, seconds=4.0, beats=8.0, title=name)
    drawn.canvas.draw()
    assert drawn.axes[0].get_title() == name


def test_timeline_counts_measures_where_their_starts_are_given():
    spans, measures = np.array([[0.0, 6.0], [6.0, 12.0]]), np.arange(0, 13, 3)  # of 3/4
    shares = np.full((2, 8), 0.125)
    above, below = figures.label_timeline([60], [3.0], [4.5], spans, shares, measures=measures).axes
    note = above.collections[0].get_paths()[0].get_extents()
    assert (note.x0, note.x1) == (2, 2.5)
    assert below.get_xlim() == (1, 5)
    assert below.get_xlabel() == "measure"


def test_figures_use_another_instrument_table(drawn_segments):
    winds = InstrumentTable(
        "two families",
        [
            InstrumentClass("Winds", tuple(range(64, 80)), 73, "#112233"),
            InstrumentClass("Keys", tuple(range(0, 24)), 0, "#445566"),
        ],
    )
    names = np.tile(winds.names, 24)
    table = drawn_segments.assign(instrument=names)
    counts = figures.class_counts(names, winds).axes[0]
    assert [bar.get_width() for bar in counts.patches] == [24, 24]
    scores = figures.class_scores({"Winds": 0.5, "Keys": 0.25}, {"Winds": 0.75}, instruments=winds)
    for axes in (
        figures.confusion(names, names, instruments=winds).axes[0],
        figures.corpus_overview(table, winds).axes[0],
        figures.feature_ranges(table[["bpm"]], names, {"bpm": "per minute"}, winds).axes[0],
        scores.axes[0],
        counts,
    ):
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert [label.split()[0] for label in labels] == list(winds.names)
    assert [to_hex(bar.get_facecolor()) for bar in counts.patches] == ["#112233", "#445566"]
    with pytest.raises(ValueError, match="'Winds'"):
        figures.confusion(names, names)
