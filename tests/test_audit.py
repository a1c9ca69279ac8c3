"""The audit of programs, and its measurement by planted errors."""

import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pandas as pd
import pretty_midi
import pytest
import torch
from notebook_runs import execute
from sklearn.metrics import precision_recall_curve, roc_auc_score

import camil
from camil import figures
from camil.encoders.song import SongEncoder
from camil.encoders.song_ensemble import SongEnsemble, save_songs
from camil.evaluation import metrics, planted_errors
from camil.evaluation.planted_errors import (
    ALL,
    CONFIRMED,
    CONTRADICTED,
    plant,
    planting_scores,
    precision_recall,
    separation,
    suspicion,
)
from camil.labelling.audit import audit, audited
from camil.labelling.networks import TrackReading
from camil.labelling.report import audit_text
from camil.midi.instruments import FAMILIES, INSTRUMENTS
from camil.midi.segments import segments_of

PROJECT = Path(__file__).parent.parent


class FakeLabeller:
    """A labeller with fixed answers.

    Args:
        answers: per track name without its number, the probabilities of classes by name.
        other: per track name, the probability of no class; unknown by default.
        programs: per track name, the most probable program.
    """

    classes, instruments = INSTRUMENTS, FAMILIES

    def __init__(self, answers, other=None, programs=None):
        self.answers, self.other, self.programs = answers, other or {}, programs or {}

    def __call__(self, tracks, score):
        return [self.reading(track, score) for track in tracks]

    def reading(self, track, score):
        name = track.name.partition("-")[2]
        spans = np.array([(s.start_beat, s.end_beat) for s in segments_of(track, score)])
        shares = np.array([self.answers[name].get(one, 0.0) for one in self.classes])
        other = self.other.get(name, float("nan"))
        programs = None
        if name in self.programs:
            programs = np.full(128, 0.001)
            programs[self.programs[name]] = 0.873
        return TrackReading(spans, np.tile(shares, (len(spans), 1)), shares, other, programs)


def write_song(path, parts):
    """Write eight measures per part, given as (name, program, is_drum); None: no program change."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for name, program, is_drum in parts:
        part = pretty_midi.Instrument(program, is_drum=is_drum, name=name)
        part.notes = [pretty_midi.Note(80, 50 + i % 12, i / 2, i / 2 + 0.4) for i in range(32)]
        midi.instruments.append(part)
    midi.write(str(path))


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "songs/song.mid"
    path.parent.mkdir()
    parts = [("Bass gtr", 73, False), ("Klavier", 0, False), ("Pad", 89, False), ("Kit", 0, True)]
    write_song(path, parts)
    return path


ANSWERS = {
    "Bass gtr": {"Bass": 0.9, "Pipe": 0.02, "Guitar": 0.08},
    "Klavier": {"Piano": 0.7, "Organ": 0.3},
    "Pad": {"Strings": 0.6, "Organ": 0.4},
}


def test_rows_by_hand(song):
    table = audit(song, FakeLabeller(ANSWERS)).set_index("name")
    assert table.index.tolist() == ["Bass gtr", "Klavier", "Pad"]  # the most suspicious first
    flute, piano, pad = table.to_dict("records")
    assert flute["file"] == "song.mid"
    assert flute["track"] == "00-Bass gtr"
    assert (flute["channel"], flute["program"], flute["written"]) == (1, 73, "Flute")
    assert (flute["family"], flute["best"]) == ("Pipe", "Bass")
    assert flute["probability"] == pytest.approx(0.02)
    assert flute["best_probability"] == pytest.approx(0.9)
    assert flute["suspicion"] == pytest.approx(np.log(0.98 / 0.02))
    assert (flute["suggested"], flute["suggested_name"]) == (33, "Electric Bass (finger)")
    assert piano["suspicion"] == pytest.approx(-np.log(0.7 / 0.3))
    assert (piano["best"], piano["suggested"]) == ("Piano", 0)
    assert [one["name_verdict"] for one in (flute, piano, pad)] == [
        "contradicts", "confirms", "confirms",
    ]  # fmt: skip


def test_program_of_no_class_is_other_and_unknown_without_a_prediction(song):
    pad = audit(song, FakeLabeller(ANSWERS)).set_index("name").loc["Pad"]
    assert pad["family"] == "other"
    assert np.isnan([pad["probability"], pad["suspicion"], pad["p_other"]]).all()
    assert (pad["best"], pad["suggested"]) == ("Strings", 48)


def test_probabilities_are_joint_with_that_of_no_class(song):
    other = {"Bass gtr": 0.25, "Klavier": 0.9, "Pad": 0.9}
    programs = {"Bass gtr": 36, "Klavier": 12, "Pad": 80}
    table = audit(song, FakeLabeller(ANSWERS, other, programs)).set_index("name")
    assert table.filter(like="p_").sum(axis=1).to_numpy() == pytest.approx(1)
    assert table.loc["Bass gtr", "best_probability"] == pytest.approx(0.75 * 0.9)
    assert table.loc["Klavier", "probability"] == pytest.approx(0.1 * 0.7)
    assert table.loc["Klavier", "best"] == "other"
    assert table.loc["Klavier", "suspicion"] == pytest.approx(np.log(0.93 / 0.07))
    assert table.loc["Pad", "probability"] == pytest.approx(0.9)
    # The network's program within the best class; a program of the best class is kept.
    assert table["suggested"].to_dict() == {"Bass gtr": 36, "Klavier": 12, "Pad": 89}
    assert table["suggested_name"]["Klavier"] == "Marimba"


def test_no_program_is_suggested_for_other_without_predicted_programs(song):
    labeller = FakeLabeller(ANSWERS, {"Klavier": 0.9})
    piano = audit(song, labeller).set_index("name").loc["Klavier"]
    assert (piano["best"], piano["suggested"], piano["suggested_name"]) == ("other", -1, "")


def test_part_without_a_program_is_left_out(song):
    labels = camil.label(song, FakeLabeller(ANSWERS))
    labels.loc[labels["track"] == "01-Klavier", "labelled"] = False
    assert audited(labels)["name"].tolist() == ["Bass gtr", "Pad"]


def test_file_without_any_program_has_an_empty_audit_with_all_columns(song):
    labels = camil.label(song, FakeLabeller(ANSWERS))
    whole = audited(labels)
    empty = audited(labels.assign(labelled=False))
    assert empty.empty
    assert empty.columns.tolist() == whole.columns.tolist()
    assert audit_text(empty).split()[:3] == ["file", "part", "written"]


def test_unreadable_file_is_reported_and_csv_has_all_columns(song, tmp_path):
    (song.parent / "broken.mid").write_bytes(b"MThd, but no music")
    table = audit(song.parent, FakeLabeller(ANSWERS))
    assert camil.skipped(table)["file"].tolist() == ["broken.mid", "song.mid"]
    assert "drums" in camil.skipped(table)["why"].iloc[1]
    table.to_csv(tmp_path / "audit.csv", index=False)
    again = pd.read_csv(tmp_path / "audit.csv")
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_name_equal_to_the_general_midi_name_is_silent(tmp_path):
    """The reader gives it to parts without a name."""
    write_song(tmp_path / "a.mid", [("", 73, False), ("Flute", 72, False)])
    answers = {"Flute": {"Pipe": 1.0}}
    table = audit(tmp_path / "a.mid", FakeLabeller(answers)).set_index("program")
    assert table["name"].to_dict() == {73: "Flute", 72: "Flute"}
    assert table["name_verdict"].to_dict() == {73: "silent", 72: "confirms"}


def test_name_of_a_track_that_changes_its_program_contradicts_none_if_it_fits_one(tmp_path):
    path = tmp_path / "a.mid"
    write_song(path, [("Klavier", 0, False), ("Klavier", 40, False), ("Klavier", 41, False)])
    labels = camil.label(path, FakeLabeller({"Klavier": {"Piano": 1.0}}))
    assert audited(labels)["name_verdict"].tolist() == ["contradicts", "contradicts", "confirms"]
    labels.loc[labels["program"] == 40, "channel"] = 1  # as if on the track of the piano
    verdicts = audited(labels).set_index("program")["name_verdict"]
    assert verdicts.to_dict() == {0: "confirms", 40: "silent", 41: "contradicts"}


def tracks(count=400, songs=40, seed=0):
    """Audited tracks of a network that is right in about two thirds."""
    generator = np.random.default_rng(seed)
    family = generator.integers(0, 8, count)
    logits = generator.normal(size=(count, 8))
    logits[np.arange(count), family] += 2.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(shares, columns=[f"p_{name}" for name in INSTRUMENTS])
    table.insert(0, "file", [f"song-{number}" for number in generator.integers(0, songs, count)])
    table.insert(1, "family", np.array(INSTRUMENTS, dtype=object)[family])
    verdicts = generator.choice(["confirms", "silent", "contradicts"], count, p=[0.5, 0.4, 0.1])
    table.insert(2, "name_verdict", verdicts)
    table["p_other"] = np.nan
    return table


def probability_of(table):
    return np.array([row[f"p_{row['family']}"] for row in table.to_dict("records")])


def test_suspicion_is_the_log_odds_against_the_written_class():
    assert suspicion([0.5, 0.1, 0.99]) == pytest.approx([0, np.log(9), -np.log(99)])
    assert np.isfinite(suspicion([0.0, 1.0])).all()
    assert np.isnan(suspicion([np.nan])).all()


def test_audit_is_imported_without_scikit_learn():
    code = "import sys, camil.labelling.audit; assert 'sklearn' not in sys.modules"
    assert run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
    assert planted_errors.SMALLEST_PROBABILITY == metrics.SMALLEST_PROBABILITY


def test_planting_changes_the_given_share_to_another_class():
    table = tracks()
    planted = plant(table, 0.05, seed=3)
    assert planted["planted"].sum() == 20
    changed = planted["family"] != table["family"]
    assert (changed == planted["planted"]).all()
    assert planted["probability"].to_numpy() == pytest.approx(probability_of(planted))
    assert planted["suspicion"].to_numpy() == pytest.approx(suspicion(probability_of(planted)))
    assert planted.equals(plant(table, 0.05, seed=3))
    assert not planted["planted"].equals(plant(table, 0.05, seed=4)["planted"])


def test_every_other_class_is_planted_equally_often():
    table = tracks(8000).assign(family="Brass")
    planted = plant(table, 0.7)
    counts = planted.loc[planted["planted"], "family"].value_counts()
    assert set(counts.index) == set(INSTRUMENTS) - {"Brass"}
    assert counts.between(800 - 4 * 27, 800 + 4 * 27).all()  # four standard deviations


def test_tracks_of_no_class_receive_no_error():
    table = tracks()
    table.loc[:99, "family"] = "other"
    assert len(plant(table)) == 300
    assert planting_scores(table, resamples=10).loc[0, "tracks"] == 300


@pytest.mark.parametrize("share", [0, 1, -0.1, 5])
def test_share_outside_zero_to_one_raises_value_error(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        plant(tracks(), share)


def test_too_few_tracks_and_missing_columns_raise_value_error():
    with pytest.raises(ValueError, match="at least 2 tracks"):
        plant(tracks().head(1))
    with pytest.raises(ValueError, match="name_verdict"):
        plant(tracks().drop(columns="name_verdict"))


def test_separation_by_hand():
    wrong = np.array([True, False, True, False, False])
    scores = np.array([5.0, 4.0, 3.0, 2.0, 3.0])
    # Of the six pairs, 5 > 4, 3, 2 and 3 > 2 are in order, 3 = 3 counts half, and 3 < 4 not.
    auc, precision = separation(wrong, scores, np.ones(5))
    assert auc == pytest.approx(4.5 / 6)
    assert precision == 1  # the threshold 5 finds one of two
    auc, precision = separation(wrong, scores, np.array([1, 1, 3, 1, 1]))
    assert precision == pytest.approx(4 / 6)  # the threshold 3 is needed to find two of four


@pytest.mark.parametrize("ties", [False, True])
def test_separation_agrees_with_scikit_learn(ties):
    generator = np.random.default_rng(1)
    for _ in range(20):
        wrong, scores = generator.random(60) < 0.3, generator.normal(size=60)
        scores = np.round(scores + wrong) if ties else scores + wrong
        weights = generator.integers(0, 4, 60)
        auc, precision = separation(wrong, scores, weights)
        assert auc == pytest.approx(roc_auc_score(wrong, scores, sample_weight=weights))
        curve = precision_recall_curve(wrong, scores, sample_weight=weights)
        assert precision == pytest.approx(curve[0][curve[1] >= 0.5][-1])


def test_separation_without_wrong_tracks_is_nan():
    assert np.isnan(separation([False, False], [1.0, 2.0], [1, 1])).all()
    assert np.isnan(separation([True, True], [1.0, 2.0], [1, 1])).all()
    assert np.isnan(separation([], [], [])).all()


def test_curve_agrees_with_scikit_learn():
    planted = plant(tracks(), 0.1)
    curves = precision_recall(planted)
    for name, rows in ((ALL, planted), (CONFIRMED, planted.query("name_verdict == 'confirms'"))):
        precision, recall, threshold = precision_recall_curve(rows["planted"], rows["suspicion"])
        drawn = curves[curves["compared"] == name]
        assert drawn["suspicion"].to_numpy() == pytest.approx(threshold[::-1])
        assert drawn["precision"].to_numpy() == pytest.approx(precision[-2::-1])
        assert drawn["recall"].to_numpy() == pytest.approx(recall[-2::-1])


def test_scores_and_intervals_agree_with_a_brute_force_computation():
    table = tracks(120, songs=6)
    measured = planting_scores(table, 0.1, plantings=2, resamples=20, seed=5).set_index("compared")
    plantings = [plant(table, 0.1, seed) for seed in (5, 6)]

    def auc(rows):
        return roc_auc_score(rows["planted"], rows["suspicion"])

    assert measured.loc[ALL, "auc"] == pytest.approx(np.mean([auc(one) for one in plantings]))
    confirmed = [one[one["name_verdict"] == "confirms"] for one in plantings]
    assert measured.loc[CONFIRMED, "auc"] == pytest.approx(np.mean([auc(x) for x in confirmed]))
    assert measured.loc[CONFIRMED, "wrong"] == np.mean([x["planted"].sum() for x in confirmed])
    named = table[table["name_verdict"] != "silent"]
    contradicts = named["name_verdict"] == "contradicts"
    expected = roc_auc_score(contradicts, suspicion(probability_of(named)))
    assert measured.loc[CONTRADICTED, "auc"] == pytest.approx(expected)

    generator, names = np.random.default_rng(5), np.unique(table["file"])
    resampled = []
    for _ in range(20):
        drawn = names[generator.integers(6, size=6)]
        copies = [pd.concat([one[one["file"] == x] for x in drawn]) for one in plantings]
        resampled.append(np.mean([auc(copy) for copy in copies]))
    interval = measured.loc[ALL, ["auc_low", "auc_high"]].to_numpy(float)
    assert interval == pytest.approx(np.quantile(resampled, [0.025, 0.975]))


def test_confident_network_finds_every_planted_error():
    table = tracks()
    columns = [f"p_{name}" for name in INSTRUMENTS]
    table[columns] = 0.001
    for name in INSTRUMENTS:
        table.loc[table["family"] == name, f"p_{name}"] = 0.993
    scores = planting_scores(table, resamples=10).set_index("compared")
    assert scores.loc[[ALL, CONFIRMED], ["auc", "precision", "auc_low"]].eq(1).all(axis=None)
    assert scores.loc[CONTRADICTED, "auc"] == 0.5  # nothing distinguishes them


def test_names_that_are_all_silent_leave_nan():
    table = tracks().assign(name_verdict="silent")
    scores = planting_scores(table, resamples=10).set_index("compared")
    assert scores.loc[[CONFIRMED, CONTRADICTED], ["auc", "precision"]].isna().all(axis=None)
    assert precision_recall(plant(table))["compared"].unique().tolist() == [ALL]


def test_figure_draws_the_curves_and_marks_half_of_the_errors():
    curves = precision_recall(plant(tracks(), 0.1))
    axes = figures.precision_recall(curves, 0.1).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    for name, rows in curves.groupby("compared"):
        np.testing.assert_allclose(lines[name].get_xydata(), rows[["recall", "precision"]])
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == 2
    assert all(0.5 <= recall < 0.6 for recall, _ in dots)
    assert lines["random order"].get_ydata()[0] == 0.1
    with pytest.raises(ValueError, match="precision"):
        figures.precision_recall(curves.drop(columns="precision"), 0.1)


def test_notebook_writes_every_track_and_the_scores_of_planted_errors(tiny_corpus, tmp_path):
    torch.manual_seed(0)
    network = SongEnsemble([SongEncoder(INSTRUMENTS, width=8, size=16)], 2).eval()
    save_songs(tmp_path / "songs.safetensors", network)
    parameters = {"midi_folder": str(tiny_corpus / "midi"), "pretrained": str(tmp_path)}
    parameters |= {"output": str(tmp_path / "audit"), "share": 0.2}
    execute("12_audit", tmp_path, parameters, runner="papermill")
    written = pd.read_csv(tmp_path / "audit/audit.csv")
    expected = audit(tiny_corpus / "midi", tmp_path)
    assert written["track"].tolist() == expected["track"].tolist()
    assert written["suspicion"].to_numpy() == pytest.approx(expected["suspicion"].to_numpy())
    scores = pd.read_csv(tmp_path / "audit/planting.csv")
    assert scores["tracks"].iloc[0] == (expected["family"] != "other").sum()
    assert {path.suffix for path in (tmp_path / "audit").glob("planting.*")} == {
        ".csv", ".pdf", ".png",
    }  # fmt: skip
