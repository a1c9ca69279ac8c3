"""Answers of notebook 9 from made-up scores, against results computed by hand."""

import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from camil.evaluation import questions


@dataclass
class StubRun:
    """A run with given predictions."""

    table: pd.DataFrame

    def predictions(self):
        return self.table


def predictions(right):
    """Predictions of 60 segments of 10 songs, of which a share is correct."""
    random = np.random.default_rng(int(100 * right))
    true = np.array(["Bass", "Pipe", "Reed"])[np.arange(60) % 3]
    wrong = np.roll(true, 1)
    return pd.DataFrame({
        "song": [f"song-{number % 10}" for number in range(60)],
        "track": [str(number % 3) for number in range(60)],
        "start_beat": np.arange(60) * 8.0,
        "instrument": true,
        "predicted": np.where(random.random(60) < right, true, wrong),
    })  # fmt: skip


def macro_f1(table):
    return f1_score(table["instrument"], table["predicted"], average="macro")


def test_negatives_are_compared_for_each_share_that_has_both_kinds():
    tables = {("class", 1.0): predictions(0.8), ("random", 1.0): predictions(0.6),
              ("class", 0.1): predictions(0.5)}  # fmt: skip
    experiments = pd.DataFrame(
        [
            {"negatives": kind, "train_fraction": share, "margin": 1.0, "run": StubRun(table)}
            for (kind, share), table in tables.items()
        ]
    )
    found = questions.class_minus_random(experiments, margin=1.0)
    assert found["train_fraction"].tolist() == [1.0]
    expected = macro_f1(tables["class", 1.0]) - macro_f1(tables["random", 1.0])
    assert found["difference"].item() == pytest.approx(expected)
    assert found["low"].item() <= expected <= found["high"].item()
    sentence = questions.shrinking_answer(found)
    assert f"100 %: {expected:+.3f}" in sentence
    assert questions.shrinking_answer(found.iloc[:0]).startswith("No answer yet")
    other_margin = questions.class_minus_random(experiments, margin=2.0)
    assert other_margin.empty


def test_retrieval_answer_names_the_run_with_the_highest_rank():
    rows = [
        {"run": "camil", "R@1": 0.1, "R@5": 0.2, "R@10": 0.3, "MRR": 0.15, "segments": 200},
        {"run": "random", "R@1": 0.3, "R@5": 0.4, "R@10": 0.5, "MRR": 0.35, "segments": 200},
    ]
    sentence = questions.retrieval_answer(pd.DataFrame(rows))
    assert "best after random" in sentence
    assert "30.0% of the cases (0.5% by chance)" in sentence
    assert questions.retrieval_answer(pd.DataFrame()).startswith("No answer yet")


def test_bass_answer_reads_each_number_from_its_row():
    rows = [
        {"trained on": trained, "Bass of the test songs": bass, "macro-F1": score}
        for trained, bass, score in [
            ("real", "as written", 0.61), ("real", "moved", 0.52),
            ("folded", "as written", 0.43), ("folded", "moved", 0.64),
        ]
    ]  # fmt: skip
    sentence = questions.bass_answer(pd.DataFrame(rows), "real", "folded")
    assert [word for word in sentence.split() if word.startswith("0.")] == [
        "0.610", "0.520", "0.640", "0.430",
    ]  # fmt: skip
    alone = questions.bass_answer(pd.DataFrame(rows[:2]), "real", "folded")
    assert "trained on moved Bass" not in alone
    assert questions.bass_answer(pd.DataFrame(), "real", "folded").startswith("No answer yet")


def test_confusions_answer_quotes_the_first_pair():
    pairs = pd.DataFrame(
        [{"instrument": "Pipe", "predicted as": "Reed", "by notes": 0.4, "by sound": 0.1}]
    )
    sentence = questions.confusions_answer(pairs, 0.25)
    assert "Pipe predicted as Reed, 40%; by sound it is 10%" in sentence
    assert "0.25" in sentence


def test_unseen_answer_compares_each_classifier_with_its_own_timbres(tiny_corpus, tmp_path):
    scores = pd.DataFrame(
        [
            {"classifier": "AIC", "tested on": tiny_corpus.name, "macro-F1": 0.9},
            {"classifier": "AIC", "tested on": "other", "macro-F1": 0.7},
        ]
    )
    missing = questions.unseen_answer(scores, str(tiny_corpus), "")
    assert missing.startswith("No answer yet")
    same = questions.unseen_answer(scores, str(tiny_corpus), f"{tiny_corpus}/")
    assert same.startswith("No answer:")
    other = tmp_path / "other"
    shutil.copytree(tiny_corpus, other)
    segments = pq.read_table(other / "segments.parquet")
    timbres = pa.array(["other.sf2"] * len(segments)).dictionary_encode()
    index = segments.schema.get_field_index("timbre")
    pq.write_table(segments.set_column(index, "timbre", timbres), other / "segments.parquet")
    answer = questions.unseen_answer(scores, str(tiny_corpus), str(other))
    assert "AIC 0.700 (0.900 on its own)" in answer
