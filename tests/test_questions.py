"""Answers of notebook 9 from made-up scores, against results computed by hand."""

import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from camil.evaluation import new_instruments as new
from camil.evaluation import questions
from camil.evaluation.retrieval import CHANCE


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
            {"negatives": kind, "train_fraction": share, "pretrain_fraction": share, "margin": 1.0,
             "run": StubRun(table)}
            for (kind, share), table in tables.items()
        ]
    )  # fmt: skip
    # A classifier with few labels whose pre-training used all songs is not compared.
    few = {"negatives": "random", "train_fraction": 0.1, "pretrain_fraction": 1.0, "margin": 1.0}
    experiments.loc[len(experiments)] = few | {"run": StubRun(predictions(0.4))}
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
        {"run": run, "direction": direction, "MRR": rank, "R@1": rank / 2, "R@10": rank * 2,
         "objective": "InfoNCE", "audio": "scratch, trained", "tested on": "real", "segments": 200}
        for run, direction, rank in [
            ("margin", "notes to sound", 0.15), ("margin", "sound to notes", 0.45),
            ("clip", "notes to sound", 0.36), ("clip", "sound to notes", 0.34),
            ("chance", "notes to sound", 0.02), ("chance", "sound to notes", 0.02),
        ]
    ]  # fmt: skip
    sentence = questions.retrieval_answer(pd.DataFrame(rows))
    assert "best after clip (InfoNCE; audio encoder scratch, trained)" in sentence
    assert "18.0% of the cases (1.0% by chance)" in sentence
    assert "in 72.0%; MRR 0.360 (0.020 by chance), and 0.340 from sound to notes" in sentence
    assert questions.retrieval_answer(pd.DataFrame()).startswith("No answer yet")


def test_new_instruments_answer_is_of_the_run_with_the_most_recognized():
    rows = []
    for run, share in (("margin", 0.2), ("clip", 0.4)):
        for method, top in ((new.NOTES, share), (new.FAMILY, 0.3), (new.SIC, 0.5),
                            (new.SEEN, 0.6), (new.CENTRED, 0.7), (CHANCE, 0.125)):  # fmt: skip
            ends = {"top-1 low": top - 0.1, "top-1 high": top + 0.1}
            rows.append({"run": run, "method": method, "among": new.LEFT_OUT, "candidates": 8,
                         "top-1": top} | ends)  # fmt: skip
        for method, top in ((new.NOTES, share / 4), (CHANCE, 0.01)):
            rows.append({"run": run, "method": method, "among": new.ALL, "candidates": 100,
                         "top-1": top})  # fmt: skip
    table = pd.DataFrame(rows)
    sentence = questions.new_instruments_answer(table)
    assert sentence.startswith("After clip, which had no pair of 8 programs, 40.0% of their parts")
    assert "(30.0% to 50.0%, averaged over programs; 12.5% by chance)" in sentence
    assert "30.0% by the sound of the rest of the family" in sentence
    assert "50.0% by the family that SIC predicts" in sentence
    assert "60.0% after a pre-training that had their pairs" in sentence
    assert "70.0% with both modalities centred" in sentence
    assert "Among all 100 programs it is 10.0% (1.0% by chance)." in sentence
    assert "SIC" not in questions.new_instruments_answer(table[table["method"] != new.SIC])
    assert questions.new_instruments_answer(pd.DataFrame()).startswith("No answer yet")


def test_bass_answer_reads_each_number_from_its_row():
    rows = [
        {"trained on": trained, "tested on": tested, "macro-F1": score}
        for trained, tested, score in [
            ("real", "real", 0.61), ("real", "folded", 0.52),
            ("folded", "real", 0.43), ("folded", "folded", 0.64),
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
