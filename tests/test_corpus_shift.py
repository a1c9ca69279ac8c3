"""Classifiers on other songs than their test songs, against direct computations."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score
from synthetic_runs import untrained_classifier

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import load_classifier
from camil.evaluation.corpus_shift import predictions_on, scores_on
from camil.midi.instruments import INSTRUMENTS


@pytest.mark.parametrize("modality", ["midi", "audio"])
@pytest.mark.parametrize("rows", ["test", "validation", [3, 1, 2]])
def test_predictions_are_of_the_chosen_segments(tiny_corpus, tmp_path, modality, rows):
    run = untrained_classifier(tmp_path, tiny_corpus, modality)
    wanted = rows if isinstance(rows, str) else torch.tensor(rows)
    found = predictions_on(run, str(tiny_corpus), rows=wanted)
    data = Corpus(tiny_corpus)
    table = data.table
    chosen = np.flatnonzero(table["split"] == rows) if isinstance(rows, str) else rows
    draw = data.rolls if modality == "midi" else data.mels
    network = load_classifier(run.folder / "classifier.safetensors")
    with torch.no_grad():
        shares = network(draw(torch.as_tensor(chosen))).double().softmax(1).numpy()
    assert found["song"].tolist() == table["song"].iloc[chosen].tolist()
    np.testing.assert_allclose(found[[f"p_{name}" for name in INSTRUMENTS]], shares, atol=1e-5)


def test_scores_are_averaged_over_seeds_and_read_where_a_run_has_them(tiny_corpus, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_corpus, other)
    runs = [untrained_classifier(tmp_path, tiny_corpus, seed=seed) for seed in (0, 1)]
    saved = pd.DataFrame({"instrument": ["Bass", "Pipe"], "predicted": ["Bass", "Bass"]})
    for run in runs:
        saved.to_parquet(run.folder / "predictions.parquet")
    experiments = pd.DataFrame(
        [{"condition": "SIC", "corpus": "tiny", "seed": seed, "run": run}
         for seed, run in enumerate(runs)]
    )  # fmt: skip
    table = scores_on(experiments, ["", str(other)], classes=["Bass"]).set_index("tested on")
    assert table.index.tolist() == [tiny_corpus.name, "other"]
    assert table["seeds"].tolist() == [2, 2]
    own = f1_score(saved["instrument"], saved["predicted"], average="macro", zero_division=0)
    assert table.loc[tiny_corpus.name, "macro-F1"] == pytest.approx(own)
    assert table.loc[tiny_corpus.name, "F1 of Bass"] == pytest.approx(2 / 3)
    expected = []
    for run in runs:
        found = predictions_on(run, str(other))
        names = sorted(set(found["instrument"]))
        expected.append(
            f1_score(found["instrument"], found["predicted"], labels=names, average="macro")
        )
    assert table.loc["other", "macro-F1"] == pytest.approx(np.mean(expected))
    assert scores_on(experiments[:0], [str(other)]).empty
