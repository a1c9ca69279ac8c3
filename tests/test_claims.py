"""The verdicts on the paper's claims follow from a paired bootstrap over test songs."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from camil.evaluation.bootstrap import counts_by_song
from camil.evaluation.claims import ATTRACTION, CLAIMS, COLUMNS, RECALL, attraction, claim_rows
from camil.evaluation.conditions import table_rows
from camil.evaluation.finished_runs import find_runs
from camil.evaluation.markdown_tables import plain
from camil.midi.instruments import FAMILIES

NAMES = FAMILIES.names
FREQUENCY = np.arange(8, 0, -1) / 36  # Guitar most, Reed least
SONGS = 40
PAPER = {
    "AIC": (1.0,), "SIC": (1.0, 0.5), "CAMIL": (1.0, 0.5), "Fine-tuned CAMIL": (1.0,),
    "Unsupervised CAMIL": (1.0, 0.5),
}  # fmt: skip


def segments_of_test_songs(songs=SONGS):
    """Segments of test songs, whose classes have the training frequencies."""
    random = np.random.default_rng(7)
    rows = songs * 12
    return pd.DataFrame({
        "song": [f"song-{i % songs}" for i in range(rows)],
        "track": [f"song-{i % songs}-{i // songs % 3}" for i in range(rows)],
        "start_beat": np.arange(rows) * 8.0,
        "instrument": random.choice(NAMES, rows, p=FREQUENCY),
    })  # fmt: skip


def leave_run(folder, condition, seed, fraction=1.0, right=0.6, attracted=(), songs=SONGS):
    """Write a run whose predictions are right with a given probability and return them.

    Args:
        right: probability of a right prediction, or one per class in the order of `NAMES`.
        attracted: classes that wrong predictions go to; by default any.
    """
    random = np.random.default_rng([seed, int(10 * fraction), *condition.encode()])
    table = segments_of_test_songs(songs).assign(track=lambda t: t["track"] + "-" + t["instrument"])
    true = np.array([NAMES.index(name) for name in table["instrument"]])
    wrong = np.array([NAMES.index(name) for name in attracted or NAMES])
    known = random.random(len(true)) < np.broadcast_to(right, 8)[true]
    predicted = np.where(known, true, random.choice(wrong, len(true)))
    table["predicted"] = np.array(NAMES)[predicted]
    probabilities = random.dirichlet(np.ones(8), len(true)) * 0.1
    probabilities[np.arange(len(true)), predicted] += 0.9
    for i, name in enumerate(NAMES):
        table[f"p_{name}"] = probabilities[:, i]
    run = folder / "runs" / f"{condition}-{fraction}-{seed}"
    run.mkdir(parents=True)
    table.to_parquet(run / "predictions.parquet")
    metrics = {"condition": condition, "train_fraction": fraction, "negatives": ""}
    (run / "metrics.json").write_text(json.dumps(metrics))
    corpus = {"folder": str(folder / "corpus"), "source": "demo", "sha256": "0123456789abcdef"}
    about = {"commit": "abc", "device": "cpu", "seconds": 1.0, "corpus": corpus}
    about["parameters"] = {"seed": seed, "train_fraction": fraction}
    (run / "run.json").write_text(json.dumps(about))
    return table


def leave_corpus(folder):
    (folder / "corpus").mkdir()
    counts = (3600 * FREQUENCY).astype(int)
    table = pd.DataFrame({"instrument": np.repeat(NAMES, counts), "split": "train"})
    other = pd.DataFrame({"instrument": ["Reed"] * 5000, "split": "test"})
    pd.concat([table, other]).to_parquet(folder / "corpus" / "segments.parquet")


def verdicts(folder, **options):
    runs = find_runs(str(folder / "runs"))
    rows = claim_rows(runs, table_rows(runs), **{"resamples": 200} | options)
    return rows.set_index("claim")


def macro_f1(tables, songs):
    """The mean macro-F1 of runs over songs, which may occur repeatedly; by scikit-learn."""
    drawn = [pd.concat([table[table["song"] == song] for song in songs]) for table in tables]
    values = [
        f1_score(
            one["instrument"], one["predicted"], average="macro",
            labels=sorted(set(one["instrument"])), zero_division=0,
        )
        for one in drawn
    ]  # fmt: skip
    return np.mean(values)


def draws(resamples, seed):
    generator = np.random.default_rng(seed)
    songs = sorted(f"song-{i}" for i in range(SONGS))
    return [[songs[i] for i in generator.integers(SONGS, size=SONGS)] for _ in range(resamples)]


def test_differences_of_differences_equal_a_loop_over_resampled_songs(tmp_path):
    runs = {
        (name, share): [leave_run(tmp_path, name, seed, share) for seed in (0, 1)]
        for name, shares in PAPER.items()
        for share in shares
    }
    rows = verdicts(tmp_path, resamples=20, seed=3)
    f1 = lambda name, share, songs: macro_f1(runs[name, share], songs)  # noqa: E731

    def sic_against_camil(songs):
        loss = [f1(name, 1.0, songs) - f1(name, 0.5, songs) for name in ("SIC", "CAMIL")]
        return loss[0] - loss[1]

    def fine_tuned_against_frozen(songs):
        return f1("Fine-tuned CAMIL", 1.0, songs) - f1("CAMIL", 1.0, songs)

    every_song = sorted(f"song-{i}" for i in range(SONGS))
    for claim, difference in (
        ("CAMIL loses less than SIC at half the data", sic_against_camil),
        ("Fine-tuning scores above frozen CAMIL", fine_tuned_against_frozen),
    ):
        resampled = [difference(songs) for songs in draws(20, 3)]
        expected = difference(every_song), *np.quantile(resampled, [0.025, 0.975])
        found = rows.loc[claim, ["difference", "low", "high"]].tolist()
        assert found == pytest.approx(expected)
        assert rows.loc[claim, "seeds"] == 2


def test_rank_correlations_equal_a_loop_over_resampled_songs(tmp_path):
    leave_corpus(tmp_path)
    falling = np.linspace(0.9, 0.3, 8)
    table = leave_run(tmp_path, "CAMIL", 0, right=falling)
    rows = verdicts(tmp_path, resamples=20, seed=3)

    def correlations(songs):
        drawn = pd.concat([table[table["song"] == song] for song in songs])
        right = drawn["instrument"] == drawn["predicted"]
        recall = [right[drawn["instrument"] == name].mean() for name in NAMES]
        wrong = drawn[~right]
        beyond = [
            (wrong["predicted"] == name).mean() - (wrong["instrument"] != name).mean() / 7
            for name in NAMES
        ]
        known = ~np.isnan(recall)
        return (
            spearmanr(FREQUENCY[known], np.array(recall)[known]).statistic,
            spearmanr(FREQUENCY, beyond).statistic,
        )

    value = correlations(sorted(f"song-{i}" for i in range(SONGS)))
    resampled = np.array([correlations(songs) for songs in draws(20, 3)])
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    for number, claim in enumerate((RECALL, ATTRACTION)):
        found = rows.loc[claim, ["difference", "low", "high"]].tolist()
        assert found == pytest.approx([value[number], low[number], high[number]])
    assert rows.loc[RECALL, "verdict"] == "holds"


def test_clear_effects_hold_and_clear_opposites_do_not(tmp_path):
    leave_corpus(tmp_path)
    right = {
        ("SIC", 1.0): 0.6, ("SIC", 0.5): 0.3, ("CAMIL", 1.0): np.linspace(0.95, 0.7, 8),
        ("CAMIL", 0.5): 0.7, ("Fine-tuned CAMIL", 1.0): 0.5, ("Unsupervised CAMIL", 1.0): 0.3,
        ("Unsupervised CAMIL", 0.5): 0.5,
    }  # fmt: skip
    for (name, share), probability in right.items():
        frequent = NAMES[:2] if name == "CAMIL" else ()
        leave_run(tmp_path, name, 0, share, probability, frequent)
    found = verdicts(tmp_path)["verdict"]
    assert found.tolist() == [
        "holds",  # CAMIL above SIC
        "holds",  # at half the data
        "does not hold",  # fine-tuned above frozen
        "does not hold",  # unsupervised at or above SIC
        "holds",  # at half the data
        "holds",  # CAMIL loses less
        "holds",  # unsupervised loses less: it gains
        "holds",  # recall
        "holds",  # attraction
    ]


def test_condition_of_equal_quality_is_undecided(tmp_path):
    for name in ("SIC", "CAMIL"):
        for seed in range(3):
            leave_run(tmp_path, name, seed)
    row = verdicts(tmp_path).loc["CAMIL scores above SIC"]
    assert row["verdict"] == "undecided"
    assert row["low"] < 0 < row["high"]


def test_errors_independent_of_the_class_leave_the_claims_on_imbalance_undecided(tmp_path):
    leave_corpus(tmp_path)
    for seed in range(3):
        leave_run(tmp_path, "CAMIL", seed, right=0.3)
    found = verdicts(tmp_path).loc[[RECALL, ATTRACTION]]
    assert set(found["verdict"]) == {"undecided"}
    assert (found["low"] < 0).all()
    assert (found["high"] > 0).all()


def test_equal_predictions_are_not_above_but_at_or_above(tmp_path):
    for name in ("SIC", "CAMIL", "Unsupervised CAMIL"):
        leave_run(tmp_path, name, 0)
        (tmp_path / "runs" / f"{name}-1.0-0" / "predictions.parquet").write_bytes(
            (tmp_path / "runs" / "SIC-1.0-0" / "predictions.parquet").read_bytes()
        )
    found = verdicts(tmp_path)
    assert found.loc["CAMIL scores above SIC", "verdict"] == "does not hold"
    unsupervised = found.loc["Unsupervised CAMIL scores at or above SIC"]
    assert unsupervised["verdict"] == "holds"
    assert unsupervised["threshold"] == -0.01
    assert unsupervised["unreliable"] == (
        "Unsupervised CAMIL: same predictions as SIC; Unsupervised CAMIL: same predictions as CAMIL"
    )


def test_missing_runs_corpus_and_songs_have_no_verdict(tmp_path):
    leave_run(tmp_path, "SIC", 0)
    found = verdicts(tmp_path)
    assert set(found["verdict"]) == {"no runs"}
    assert found[["difference", "low", "high"]].isna().all(axis=None)
    assert set(found["seeds"]) == {0}
    leave_run(tmp_path, "CAMIL", 0)
    found = verdicts(tmp_path)["verdict"]
    assert found[RECALL] == found[ATTRACTION] == "no corpus"
    assert found["CAMIL scores above SIC at half the data"] == "no runs"
    leave_run(tmp_path, "Fine-tuned CAMIL", 0, songs=SONGS - 1)
    found = verdicts(tmp_path)["verdict"]
    assert found["Fine-tuning scores above frozen CAMIL"] == "other test songs"


def test_single_test_song_is_undecided(tmp_path):
    for name in ("SIC", "CAMIL"):
        leave_run(tmp_path, name, 0, songs=1)
    row = verdicts(tmp_path).loc["CAMIL scores above SIC"]
    assert row["verdict"] == "undecided"
    assert np.isnan(row["low"])


def test_warnings_of_table1_are_repeated_with_their_conditions(tmp_path):
    for name in ("SIC", "CAMIL"):
        leave_run(tmp_path, name, 0, songs=29)
    record = tmp_path / "runs" / "SIC-1.0-0" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"untrained": ["Reed"]}))
    row = verdicts(tmp_path).loc["CAMIL scores above SIC"]
    assert row["unreliable"] == "only 29 test songs; SIC: not trained on Reed"


def test_condition_without_a_remark_and_by_segment_is_preferred(tmp_path):
    for name in ("SIC (width 8)", "SIC", "CAMIL"):
        leave_run(tmp_path, name, 0)
    expected = verdicts(tmp_path).loc["CAMIL scores above SIC", "difference"]
    folder = tmp_path / "runs" / "SIC (width 8)-1.0-0"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert verdicts(tmp_path).loc["CAMIL scores above SIC", "difference"] == expected


def test_paper_values_are_the_differences_of_its_table():
    paper = [round(claim.paper, 4) for claim in CLAIMS]
    assert paper == [0.0228, 0.0199, 0.0034, 0.0078, 0.0195, -0.0029, 0.0117]


def test_attraction_sums_to_0_and_is_0_for_an_even_spread():
    even = np.full((8, 8), 3.0) + np.diag(np.arange(8.0))
    assert attraction(even) == pytest.approx(np.zeros(8))
    counts = np.random.default_rng(0).integers(0, 9, (5, 8, 8))
    assert attraction(counts).sum(axis=1) == pytest.approx(np.zeros(5))
    assert np.isnan(attraction(np.eye(8))).all()


def test_counts_with_other_classes_raise():
    run = segments_of_test_songs().assign(predicted="Kazoo")
    with pytest.raises(ValueError, match="contain Kazoo, not among the classes"):
        counts_by_song([run], NAMES)


def test_markdown_table_has_every_column(tmp_path):
    leave_run(tmp_path, "SIC", 0)
    text = plain(verdicts(tmp_path).reset_index(), "", COLUMNS)
    head, _, *rows = text.strip().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == list(COLUMNS.values())
    assert len(rows) == len(CLAIMS) + 2
