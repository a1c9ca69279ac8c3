"""Study 16: SIC and probes that are trained on the labels of a share of the songs."""

import json
import shutil
from itertools import product

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from notebook_runs import execute, run_notebook
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from camil.corpus.augmentation import Augmentation
from camil.corpus.corpus import Corpus
from camil.encoders.hub import load_encoder, save_encoder
from camil.encoders.resnet import MIDIEncoder
from camil.evaluation import few_labels, label_shares, tuning
from camil.evaluation.baselines import BoostedTrees
from camil.evaluation.few_labels import FewLabels, evenly_spaced, run_of
from camil.evaluation.metrics import scores
from camil.evaluation.probing import REGULARIZATION
from camil.midi.features import segment_features
from camil.workbook.files import write_json
from camil.workbook.parameters import ParameterError

SMALL = {"width": 2, "depth": 10}


@pytest.fixture(scope="module")
def pretrained(tiny_corpus, tmp_path_factory):
    """The folder of a run of 02_pretrain with an untrained encoder."""
    folder = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(1)
    save_encoder(folder / "encoder.safetensors", MIDIEncoder(2, 10, normalize=True))
    parameters = {"objective": "contrastive", "negatives": "random", "pretrained_audio": ""}
    parameters |= {"train_fraction": 1.0}
    write_json(
        folder / "run.json",
        {"parameters": parameters, "corpus": Corpus(tiny_corpus).identity},
    )
    return folder


@pytest.fixture
def study(tiny_corpus, tmp_path):
    return FewLabels(Corpus(tiny_corpus), tmp_path / "parts", **SMALL)


def used_rows(monkeypatch):
    """Record the training rows of `fit` and the labels of `linear_probe`."""
    used = {"fit": [], "probe": []}
    fit, probe = few_labels.fit, few_labels.linear_probe

    def recorded_fit(*arguments, rows, **options):
        used["fit"].append(rows)
        return fit(*arguments, rows=rows, **options)

    def recorded_probe(embeddings, labels, *more, **options):
        used["probe"].append((embeddings, labels))
        return probe(embeddings, labels, *more, **options)

    monkeypatch.setattr(few_labels, "fit", recorded_fit)
    monkeypatch.setattr(few_labels, "linear_probe", recorded_probe)
    return used


def test_all_rows_have_the_same_labelled_segments(study, pretrained, monkeypatch):
    used = used_rows(monkeypatch)
    results = [
        study.sic(0.5, 1, 1),
        study.probe("P", pretrained, 0.5, 1),
        study.fine_tuned("F", pretrained, 0.5, 1, 1, 0.001),
    ]
    table = study.data.table
    train_songs = np.unique(table.loc[table["split"] == "train", "song"])
    rows = study.labelled(0.5, 1)
    songs = table["song"].iloc[rows.numpy()].unique()
    assert set(songs) < set(train_songs)
    assert len(songs) == round(len(train_songs) / 2)
    assert torch.equal(rows, torch.from_numpy(np.flatnonzero(table["song"].isin(songs))))
    for trained_on in used["fit"]:
        assert torch.equal(trained_on, rows)
    assert len(used["fit"]) == len(used["probe"]) == 2
    for embeddings, labels in used["probe"]:
        assert torch.equal(embeddings, study.frozen.embeddings(pretrained)[rows])
        assert torch.equal(labels, study.data.labels[rows])
    assert {result.segments for result in results} == {len(rows)}
    assert {result.songs for result in results} == {len(songs)}


def test_smaller_share_is_a_subset_and_draws_differ(study):
    shares = [set(study.labelled(share, 0).tolist()) for share in (0.2, 0.5, 1.0)]
    assert shares[0] < shares[1] < shares[2]
    assert set(study.labelled(0.2, 1).tolist()) != shares[0]


def test_macro_f1_of_a_probe_equals_scikit_learn(study, pretrained):
    result = study.probe("P", pretrained, 0.5, 0)
    data, encoder = study.data, load_encoder(pretrained / "encoder.safetensors")
    with torch.no_grad():
        embeddings = encoder(data.rolls(torch.arange(len(data)))).double().numpy()
    names = data.table["instrument"].to_numpy()
    train = study.labelled(0.5, 0).numpy()
    held_out, test = (
        np.flatnonzero(data.table["split"] == split) for split in ("validation", "test")
    )
    fits = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        .fit(embeddings[train], names[train])
        for strength in REGULARIZATION
    ]  # fmt: skip
    chosen = [
        f1_score(names[held_out], fit.predict(embeddings[held_out]), average="macro")
        for fit in fits
    ]
    predicted = fits[int(np.argmax(chosen))].predict(embeddings[test])
    expected = f1_score(
        names[test], predicted, average="macro", labels=np.unique(names[test]), zero_division=0
    )
    assert result.macro_f1 == pytest.approx(expected)
    table = study.predictions(result)
    assert (table["predicted"].to_numpy() == predicted).mean() > 0.99  # float32 in the linear layer
    assert table["instrument"].tolist() == names[test].tolist()


def test_trees_equal_those_of_the_baselines_notebook(study, tiny_corpus):
    result = study.trees(0.5, 1)
    data, rows = study.data, study.labelled(0.5, 1).numpy()
    values = segment_features(pq.read_table(tiny_corpus / "segments.parquet")).to_numpy(float)
    labels, held_out = data.labels.numpy(), data.rows("validation").numpy()
    trees = BoostedTrees(len(data.instruments), seed=1)
    trees.fit(values[rows], labels[rows], values[held_out], labels[held_out])
    expected = trees.probabilities(values[data.rows("test").numpy()]).argmax(axis=1)
    assert result.predicted == expected.tolist()
    assert result.segments == len(rows)


def test_class_without_a_label_is_never_predicted(study, pretrained, monkeypatch):
    data, labelled = study.data, study.labelled
    absent = data.instruments.names.index("Bass")

    def without_bass(share, draw):
        rows = labelled(share, draw)
        return rows[data.labels[rows] != absent]

    monkeypatch.setattr(study, "labelled", without_bass)
    for result in (
        study.sic(1.0, 0, 2),
        study.trees(1.0, 0),
        study.probe("P", pretrained, 1.0, 0),
        study.fine_tuned("F", pretrained, 1.0, 0, 1, 0.01),
    ):
        assert result.absent == ["Bass"]
        assert absent not in {*result.predicted, *result.corrected}
        table = study.predictions(result)
        assert "Bass" in set(table["instrument"])
        expected = f1_score(
            table["instrument"], table["predicted"], average="macro",
            labels=table["instrument"].unique(), zero_division=0,
        )  # fmt: skip
        assert result.macro_f1 == pytest.approx(expected)


def test_class_bias_is_corrected_by_the_labels_at_hand(study, pretrained):
    result = study.probe("P", pretrained, 0.5, 0)
    data, rows = study.data, study.labelled(0.5, 0)
    with torch.no_grad():
        head = study.fit_probe(pretrained, rows)
        logits = head(study.frozen.embeddings(pretrained)).numpy()
    labels = data.labels.numpy()
    counts = np.array([max((labels[rows] == one).sum(), 1) for one in range(logits.shape[1])])
    expected = {}
    for strength in np.arange(21) / 20:
        predicted = (logits - strength * np.log(counts)).argmax(axis=1)
        held_out = study.validation
        expected[strength] = f1_score(
            labels[held_out], predicted[held_out], average="macro",
            labels=np.unique(labels[held_out]), zero_division=0,
        )  # fmt: skip
        if strength == pytest.approx(result.strength):
            assert predicted[study.test].tolist() == result.corrected
    assert expected[round(result.strength, 2)] == max(expected.values())
    table = study.predictions(result, corrected=True)
    assert result.corrected_macro_f1 == scores(table["instrument"], table["predicted"])["macro_f1"]


def test_stored_results_are_read_without_training(study, pretrained, monkeypatch):
    first = [study.sic(0.5, 0, 1), study.probe("P", pretrained, 0.5, 0)]
    again = FewLabels(study.data, study.folder, **SMALL)

    def fail(*arguments, **options):
        raise AssertionError("a stored result was computed again")

    for name in ("fit", "embed", "linear_probe"):
        monkeypatch.setattr(few_labels, name, fail)
    assert [again.sic(0.5, 0, 1), again.probe("P", pretrained, 0.5, 0)] == first
    assert not list(study.folder.glob("*/"))  # no checkpoint is left


@pytest.mark.parametrize("change", ["epochs", "rate", "augmentation", "weights", "validation"])
def test_results_of_other_settings_are_not_read(study, pretrained, tmp_path, change, monkeypatch):
    study.sic(0.5, 0, 1)
    study.probe("P", pretrained, 0.5, 0)
    other, epochs, run_folder = FewLabels(study.data, study.folder, **SMALL), 1, pretrained
    if change == "epochs":
        epochs = 2
    elif change == "rate":
        other = FewLabels(study.data, study.folder, **SMALL, learning_rate=0.002)
    elif change == "augmentation":
        corpus = Corpus(study.data.folder, augmentation=Augmentation(transpose=2))
        other = FewLabels(corpus, study.folder, **SMALL)
    elif change == "validation":
        other = FewLabels(study.data, study.folder, **SMALL, validation_segments=5)
    else:
        run_folder = tmp_path / "other"
        shutil.copytree(pretrained, run_folder)
        save_encoder(run_folder / "encoder.safetensors", MIDIEncoder(2, 10))
    used = used_rows(monkeypatch)
    other.sic(0.5, 0, epochs)
    other.probe("P", run_folder, 0.5, 0)
    assert len(used["fit"]) == (change != "weights")
    assert len(used["probe"]) == (change in ("augmentation", "weights", "validation"))


def test_interrupted_training_resumes_to_the_same_result(study, tmp_path, monkeypatch):
    whole = FewLabels(study.data, tmp_path / "whole", **SMALL).sic(0.5, 0, 2)
    scored, validation_f1 = [], tuning.validation_f1

    def interrupted(*arguments):
        scored.append(1)
        if len(scored) == 2:  # after the steps of the second epoch
            raise KeyboardInterrupt
        return validation_f1(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "validation_f1", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.sic(0.5, 0, 2)
    assert not list(study.folder.glob("*.json"))
    drawn, draw_seeds = [], tuning.draw_seeds

    def counted(rows, generator):
        drawn.append(rows)
        return draw_seeds(rows, generator)

    monkeypatch.setattr(tuning, "draw_seeds", counted)
    assert study.sic(0.5, 0, 2) == whole
    rows = len(study.labelled(0.5, 0))
    assert len(drawn) == max(rows // 64, 1)  # the steps of one epoch


def test_evenly_spaced_rows_keep_the_share_of_each_song():
    rows = torch.arange(100, 1000)
    kept = evenly_spaced(rows, 90)
    assert len(kept) == len(kept.unique()) == 90
    assert torch.bincount((kept - 100) // 100).tolist() == [10] * 9
    assert torch.equal(evenly_spaced(rows, 900), rows)


def test_draw_uses_its_run_or_the_only_one():
    assert [run_of("a, b", draw) for draw in (0, 1)] == ["a", "b"]
    assert run_of("a", 2) == "a"
    with pytest.raises(ValueError, match="draw 2 has no run"):
        run_of("a,b", 2)


def test_run_of_another_corpus_is_refused(study, pretrained, tmp_path):
    shutil.copytree(pretrained, tmp_path / "other")
    record = json.loads((tmp_path / "other/run.json").read_text())
    record["corpus"] |= {"sha256": "0" * 64, "folder": "corpora/other"}
    write_json(tmp_path / "other/run.json", record)
    with pytest.raises(ValueError, match="another corpus"):
        study.probe("P", tmp_path / "other", 0.5, 0)
    record["corpus"] = study.data.identity
    record["parameters"] |= {"velocity": True}
    write_json(tmp_path / "other/run.json", record)
    with pytest.raises(ValueError, match="piano rolls"):
        study.probe("P", tmp_path / "other", 0.5, 0)


def test_table_has_means_over_draws_and_paired_differences(study, pretrained):
    results = [
        result
        for share in (0.5, 1.0)
        for draw in (0, 1)
        for result in (
            study.sic(share, draw, 1),
            study.trees(share, draw),
            study.probe("P", pretrained, share, draw),
        )
    ]
    groups = label_shares.grouped(study, results)
    after = label_shares.grouped(study, results, corrected=True)
    table = label_shares.score_table(results, groups, after)
    table = table.set_index(["condition", "train_fraction"])
    assert (table["draws"] == 2).all()
    f1 = {(one.condition, one.train_fraction, one.draw): one.macro_f1 for one in results}
    for condition, share in table.index:
        both = [f1[condition, share, draw] for draw in (0, 1)]
        row = table.loc[(condition, share)]
        assert row["macro_f1"] == pytest.approx(np.mean(both))
        assert row["between_draws"] == pytest.approx(np.std(both, ddof=1))
        assert row["low"] <= row["macro_f1"] <= row["high"]
    expected = table.loc[("P", 0.5), "macro_f1"] - table.loc[("SIC", 0.5), "macro_f1"]
    assert table.loc[("P", 0.5), "difference"] == pytest.approx(expected)
    assert np.isnan(table.loc[("SIC", 0.5), "difference"])
    f1 = {(one.condition, one.train_fraction, one.draw): one.corrected_macro_f1 for one in results}
    expected = np.mean([f1["P", 0.5, draw] - f1["SIC", 0.5, draw] for draw in (0, 1)])
    assert table.loc[("P", 0.5), "corrected_difference"] == pytest.approx(expected)
    with_trees = label_shares.compare_with_trees(groups, after)
    with_trees = with_trees.set_index(["condition", "train_fraction"])
    assert set(with_trees.index) == {(row, share) for row in ("SIC", "P") for share in (0.5, 1.0)}
    for column, score in (
        ("difference", "macro_f1"),
        ("corrected_difference", "corrected_macro_f1"),
    ):
        expected = table.loc[("P", 0.5), score] - table.loc[("GBT on segments", 0.5), score]
        assert with_trees.loc[("P", 0.5), column] == pytest.approx(expected)
    compared = label_shares.compare_shares(groups, after)
    compared = compared[compared["condition"] == "P"]
    assert compared[["train_fraction", "train_fraction_of_sic"]].to_numpy().tolist() == [[1, 1]]
    expected = table.loc[("P", 1.0), "macro_f1"] - table.loc[("SIC", 1.0), "macro_f1"]
    assert compared["difference"].item() == pytest.approx(expected)
    assert f"{expected:+.3f} with 100 % of the labels" in label_shares.answer(compared)
    expected = table.loc[("P", 1.0), "corrected_macro_f1"]
    expected -= table.loc[("SIC", 1.0), "corrected_macro_f1"]
    assert compared["corrected_difference"].item() == pytest.approx(expected)
    assert f"{expected:+.3f} (" in label_shares.answer(compared)
    assert label_shares.answer(compared.iloc[:0]).startswith("No answer yet")


@pytest.mark.parametrize(
    ("draws", "words"),
    [
        ([0], "draw 0 of"),
        ([2, 5], "mean over draws 2 and 5 of"),
        ([0, 1, 2], "mean over draws 0, 1 and 2 of"),
    ],
)
def test_caption_names_the_draws_and_one_draw_has_no_spread(draws, words):
    assert f"songs, {words} the labelled songs." in label_shares.caption(draws)
    shown = label_shares.headings(pd.DataFrame({"draws": [len(draws)] * 2}))
    assert ("between_draws" in shown) == (len(draws) > 1)
    assert label_shares.HEADINGS.items() >= shown.items()


def test_notebook_scores_every_row_at_every_share(tiny_corpus, pretrained, tmp_path):
    parameters = {
        "corpus": str(tiny_corpus), "pretrained": {"Unsupervised CAMIL": str(pretrained)},
        "output": str(tmp_path / "results"), "shares": [0.5, 1.0], "epochs_per_share": [2, 1],
        "draws": [0, 1], "fine_tuned_shares": [1.0], "device": "cpu", **SMALL,
    }  # fmt: skip
    execute("16_few_labels", tmp_path, parameters, runner="papermill")
    results = json.loads((tmp_path / "results.json").read_text())
    scores = pd.DataFrame(results["scores"]).set_index(["condition", "train_fraction"])
    assert set(scores.index) == {
        *product(("SIC", "GBT on segments", "Unsupervised CAMIL"), (0.5, 1.0)),
        ("Fine-tuned Unsupervised CAMIL", 1.0),
    }
    predictions = pd.read_parquet(tmp_path / "results.parquet")
    for condition, share in scores.index:
        recomputed = [
            f1_score(
                predictions["instrument"], predictions[f"{condition}, {share:g}, draw {draw}"],
                average="macro", labels=predictions["instrument"].unique(), zero_division=0,
            )
            for draw in (0, 1)
        ]  # fmt: skip
        assert scores.loc[(condition, share), "macro_f1"] == pytest.approx(np.mean(recomputed))
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("| condition")
    assert "Macro-F1 on test songs, mean over draws 0 and 1 of the labelled songs. Data" in text
    assert (tmp_path / "results.png").stat().st_size > 5000
    assert len(list((tmp_path / "results-parts").glob("*.json"))) == 14


def test_notebook_refuses_fine_tuning_at_a_share_that_it_does_not_study(tiny_corpus):
    parameters = {"corpus": str(tiny_corpus), "shares": [0.5], "epochs_per_share": [1]}
    with pytest.raises(ParameterError, match=r"\[1.0\] must be among the shares \[0.5\]"):
        run_notebook("16_few_labels", tiny={"device": "cpu"}, **parameters)
