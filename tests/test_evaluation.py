"""Metrics against scikit-learn; intervals and ranks against loops."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.metrics import accuracy_score, f1_score

from camil.evaluation.metrics import (
    bootstrap_interval,
    paired_difference,
    retrieval,
    scores,
    track_predictions,
)

CLASSES = np.array(["Guitar", "Piano", "Bass", "Reed"])


def table(seed, songs=7, per_song=12, right=0.5):
    """Predictions of one seed; all seeds have the same songs and true classes."""
    truth, generator = np.random.default_rng(0), np.random.default_rng(seed)
    rows = songs * per_song
    true = truth.choice(CLASSES, rows, p=[0.5, 0.3, 0.17, 0.03])
    predicted = np.where(generator.random(rows) < right, true, generator.choice(CLASSES, rows))
    return pd.DataFrame(
        {
            "song": [f"song-{i // per_song}" for i in range(rows)],
            "track": [f"track-{i % per_song // 6}" for i in range(rows)],
            "start_beat": [8.0 * (i % 6) for i in range(rows)],
            "instrument": true,
            "predicted": predicted,
        }
    )


def resampled_songs(run, resamples, seed):
    """The songs of each resample, drawn with numpy's generator for this seed."""
    songs = sorted(run["song"].unique())
    generator = np.random.default_rng(seed)
    return [
        [songs[i] for i in generator.integers(len(songs), size=len(songs))]
        for _ in range(resamples)
    ]


def metric_of(run, songs, metric):
    return scores(*together(run, songs))[metric]


def together(run, songs):
    drawn = pd.concat([run[run["song"] == song] for song in songs])
    return drawn["instrument"], drawn["predicted"]


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learns(seed):
    run = table(seed)
    true, predicted = run["instrument"], run["predicted"]
    result = scores(true, predicted)
    classes = sorted(set(true))
    assert result["macro_f1"] == pytest.approx(
        f1_score(true, predicted, average="macro", labels=classes)
    )
    assert result["weighted_f1"] == pytest.approx(f1_score(true, predicted, average="weighted"))
    assert result["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    each = f1_score(true, predicted, average=None, labels=classes)
    assert result["per_class_f1"] == pytest.approx(dict(zip(classes, each, strict=True)))


def test_macro_f1_averages_over_the_true_classes_only():
    result = scores(["Bass", "Bass", "Reed"], ["Bass", "Pipe", "Guitar"])
    # Bass: precision 1, recall 1/2; Reed: never found; Pipe and Guitar are not in the truth.
    assert result["per_class_f1"] == pytest.approx({"Bass": 2 / 3, "Reed": 0.0})
    assert result["macro_f1"] == pytest.approx(1 / 3)
    assert result["weighted_f1"] == pytest.approx(4 / 9)


def test_perfect_predictions_score_1_and_all_wrong_score_0():
    assert scores(["a", "b"], ["a", "b"])["macro_f1"] == 1
    assert scores(["a", "b"], ["b", "a"])["macro_f1"] == 0


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "not empty"),
        (["a"], ["a", "b"], "got 1 and 2"),
        (["a", None], ["a", "b"], "true has missing values"),
        (["a", "b"], ["a", float("nan")], "predicted has missing values"),
    ],
)
def test_scores_of_empty_or_missing_predictions_raise(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        scores(true, predicted)


def with_probabilities(run, seed=0):
    draws = np.random.default_rng(seed).dirichlet(np.ones(len(CLASSES)), len(run))
    return run.join(pd.DataFrame(draws, columns=[f"p_{name}" for name in CLASSES]))


def test_track_prediction_is_the_mean_of_log_probabilities():
    run = with_probabilities(table(0)).assign(instrument=lambda t: "I of " + t["song"] + t["track"])
    result = track_predictions(run.sample(frac=1, random_state=0, ignore_index=True))
    expected = {}
    for row in run.to_dict("records"):
        logs = expected.setdefault((row["song"], row["track"]), {c: [] for c in CLASSES})
        for name in CLASSES:
            logs[name].append(math.log(row[f"p_{name}"]))
    assert len(result) == len(expected) == 14
    for row in result.to_dict("records"):
        mean = {c: sum(v) / len(v) for c, v in expected[row["song"], row["track"]].items()}
        total = sum(math.exp(value) for value in mean.values())
        assert row["predicted"] == max(mean, key=mean.get)
        assert row["instrument"] == f"I of {row['song']}{row['track']}"
        for name in CLASSES:
            assert row[f"p_{name}"] == pytest.approx(math.exp(mean[name]) / total)


def test_probability_of_0_does_not_exclude_a_class_or_give_nan():
    run = pd.DataFrame(
        {"song": "s", "track": "t", "instrument": "a", "p_a": [0.0, 1, 1, 1], "p_b": [1.0, 0, 0, 0]}
    )
    result = track_predictions(run)
    assert result["predicted"].tolist() == ["a"]
    assert np.isfinite(result[["p_a", "p_b"]].to_numpy()).all()


def test_tracks_with_one_name_in_two_songs_are_separate():
    run = pd.DataFrame(
        {"song": ["s", "u"], "track": "t", "instrument": ["a", "b"], "p_a": [0.9, 0.2]}
    ).assign(p_b=lambda t: 1 - t["p_a"])
    assert track_predictions(run)["predicted"].tolist() == ["a", "b"]


def test_track_with_two_true_instruments_raises():
    run = with_probabilities(table(0)).assign(track="all")
    with pytest.raises(ValueError, match="track all of song song-0 has more than one true"):
        track_predictions(run)


def test_predictions_without_probabilities_raise():
    with pytest.raises(ValueError, match="p_<class> are missing"):
        track_predictions(table(0))


@pytest.mark.parametrize("metric", ["macro_f1", "weighted_f1", "accuracy"])
def test_interval_equals_a_loop_over_resampled_songs(metric):
    runs = [table(1), table(2), table(3)]
    draws = resampled_songs(runs[0], resamples=30, seed=5)
    means = [np.mean([metric_of(run, songs, metric) for run in runs]) for songs in draws]
    # Among the resamples are such without the rare class in their truth.
    assert min(together(runs[0], songs)[0].nunique() for songs in draws) < len(CLASSES)
    low, high = bootstrap_interval(runs, metric, resamples=30, seed=5, level=0.9)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_difference_equals_a_loop_over_resampled_songs():
    a, b = [table(1, right=0.7), table(2, right=0.7)], [table(3)]
    mean = lambda runs, songs: np.mean([metric_of(r, songs, "macro_f1") for r in runs])  # noqa: E731
    differences = [mean(a, s) - mean(b, s) for s in resampled_songs(a[0], resamples=30, seed=5)]
    every_song = sorted(a[0]["song"].unique())
    assert paired_difference(a, b, resamples=30, seed=5) == pytest.approx(
        (mean(a, every_song) - mean(b, every_song), *np.quantile(differences, [0.025, 0.975]))
    )


def test_run_has_no_difference_to_itself():
    assert paired_difference([table(1)], [table(1)], resamples=50) == (0, 0, 0)


def test_interval_is_independent_of_row_order():
    shuffled = table(2).sample(frac=1, random_state=0)
    assert bootstrap_interval([table(1), shuffled], resamples=50) == bootstrap_interval(
        [table(1), table(2)], resamples=50
    )


def test_interval_is_reproducible_by_seed():
    first = bootstrap_interval([table(1)], resamples=50, seed=1)
    assert first == bootstrap_interval([table(1)], resamples=50, seed=1)
    assert first != bootstrap_interval([table(1)], resamples=50, seed=2)


def test_interval_of_tracks_needs_no_start_beat():
    run = with_probabilities(table(0)).assign(instrument="Bass")
    low, high = bootstrap_interval([track_predictions(run)], "accuracy", resamples=50)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.iloc[1:],
        lambda run: run.assign(start_beat=run["start_beat"] + 1),
        lambda run: run.assign(instrument="Bass"),
        lambda run: run.assign(song=run["song"].replace("song-0", "song-9")),
    ],
)
def test_runs_on_other_segments_raise(change):
    with pytest.raises(ValueError, match="runs 0 and 1 do not contain the same test segments"):
        bootstrap_interval([table(1), change(table(2))])
    with pytest.raises(ValueError, match="do not contain the same test segments"):
        paired_difference([table(1)], [change(table(2))])


@pytest.mark.parametrize(
    ("runs", "arguments", "message"),
    [
        ([], {}, "there are no runs"),
        ([table(1, songs=1)], {}, "at least 2 test songs, got 1"),
        ([table(1).drop(columns="predicted")], {}, "needs the column predicted"),
        ([table(1)], {"metric": "f1"}, "macro_f1, weighted_f1, accuracy, got 'f1'"),
        ([table(1)], {"resamples": 0}, "resamples must be at least 1"),
        ([table(1)], {"level": 95, "resamples": 3}, "level must lie between 0 and 1, got 95"),
    ],
)
def test_invalid_interval_arguments_raise(runs, arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(runs, **arguments)


@pytest.mark.parametrize("sides", [([], [table(1)]), ([table(1)], [])])
def test_difference_without_runs_raises(sides):
    with pytest.raises(ValueError, match="both sides need at least one run"):
        paired_difference(*sides)


def ranks(midi, audio):
    for i in range(len(midi)):
        distances = [math.dist(midi[i], other) for other in audio]
        yield sum(distance <= distances[i] for distance in distances)


def test_retrieval_equals_a_loop_over_all_pairs():
    generator = np.random.default_rng(0)
    midi = generator.normal(size=(60, 4))
    audio = midi + generator.normal(size=(60, 4))
    rank = list(ranks(midi.tolist(), audio.tolist()))
    expected = {f"R@{k}": sum(r <= k for r in rank) / 60 for k in (1, 5, 10)}
    assert 0 < expected["R@1"] < expected["R@5"] < expected["R@10"] < 1
    assert retrieval(midi, audio) == pytest.approx(
        expected | {"MRR": sum(1 / r for r in rank) / 60}
    )


def test_chunked_retrieval_equals_retrieval_at_once():
    generator = np.random.default_rng(0)
    midi, audio = generator.normal(size=(2, 700, 4))
    at_once = retrieval(midi, audio)
    with config_context(working_memory=1):  # MiB: about 187 rows per chunk
        assert retrieval(midi, audio) == at_once


def test_collapsed_space_retrieves_nothing():
    point = np.full((20, 8), 0.1, dtype=np.float32)
    expected = {"R@1": 0, "R@5": 0, "R@10": 0, "MRR": 1 / 20}
    assert retrieval(point, point) == pytest.approx(expected)


def test_identical_pairs_are_all_retrieved():
    points = np.random.default_rng(0).normal(size=(20, 8))
    assert retrieval(points, points) == {"R@1": 1, "R@5": 1, "R@10": 1, "MRR": 1}


def test_single_pair_is_retrieved():
    assert retrieval([[0.0]], [[5.0]])["MRR"] == 1


@pytest.mark.parametrize(
    ("midi", "audio", "message"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), r"got \(3, 2\) and \(4, 2\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "not empty"),
        (np.zeros(3), np.zeros(3), r"\(segments, embedding\)"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "have diverged"),
    ],
)
def test_invalid_embeddings_raise(midi, audio, message):
    with pytest.raises(ValueError, match=message):
        retrieval(midi, audio)
