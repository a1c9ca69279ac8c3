import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from camil.corpus.corpus import Corpus
from camil.corpus.splits import splits_of
from camil.midi.instruments import INSTRUMENTS


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return Corpus(tiny_corpus)


@pytest.fixture(scope="module")
def written(tiny_corpus):
    """The rows of the file itself, read without `Corpus`."""
    return pq.read_table(tiny_corpus / "segments.parquet").to_pylist()


def test_a_roll_matches_its_notes_drawn_one_by_one(corpus, written):
    rows = torch.tensor([5, 0, len(written) - 1, 5])
    rolls = corpus.rolls(rows)
    assert rolls.shape == (4, 1, 84, 192)
    for roll, row in zip(rolls, rows.tolist(), strict=True):
        expected = np.zeros((84, 192))
        segment = written[row]
        for pitch, step, length in zip(
            segment["pitch"], segment["step"], segment["length"], strict=True
        ):
            for column in range(step, step + length):
                expected[pitch - 24, column] = 1
        assert np.array_equal(roll[0].numpy(), expected)


def test_every_segment_has_notes_within_the_roll_and_a_known_class(written):
    for segment in written:
        assert segment["instrument"] in INSTRUMENTS
        assert min(segment["pitch"]) >= 24
        assert max(segment["pitch"]) <= 107
        assert min(segment["step"]) >= 0
        ends = np.add(segment["step"], segment["length"])
        assert ends.max() <= 192
        assert segment["start_seconds"] < segment["end_seconds"]


def test_a_mel_is_the_row_of_the_file_scaled_to_one(corpus, tiny_corpus, written):
    rows = torch.tensor([3, 1])
    mels = np.load(tiny_corpus / "mels.npy")
    assert mels.shape == (len(written), 128, 282)
    expected = 1 + mels[[written[3]["mel"], written[1]["mel"]]].astype(np.float32) / 80
    assert np.allclose(corpus.mels(rows)[:, 0].numpy(), expected, atol=1e-6)
    assert corpus.mels(rows).min() >= 0
    assert corpus.mels(rows).max() <= 1


def test_held_mels_equal_streamed_mels(tiny_corpus):
    streamed, held = Corpus(tiny_corpus), Corpus(tiny_corpus)
    held.hold_mels()
    rows = torch.tensor([7, 2])
    assert torch.equal(streamed.mels(rows), held.mels(rows))


def test_labels_and_notes_agree_with_the_file(corpus, written):
    assert [INSTRUMENTS[i] for i in corpus.labels.tolist()] == [s["instrument"] for s in written]
    notes = corpus.notes(4)
    for column in ("pitch", "step", "length", "velocity"):
        assert notes[column].tolist() == written[4][column]


def test_no_song_is_in_two_splits(written):
    songs = pd.DataFrame(written).groupby("song")["split"].nunique()
    assert songs.max() == 1


def test_a_share_of_the_songs_is_a_subset_of_every_larger_share(corpus):
    shares = [set(corpus.rows("train", share, seed=3).tolist()) for share in (0.25, 0.5, 1.0)]
    assert shares[0] < shares[1] < shares[2]
    train = corpus.table[corpus.table["split"] == "train"]
    half = corpus.table.loc[sorted(shares[1])]
    assert half["song"].nunique() == round(0.5 * train["song"].nunique())
    # whole songs, never some of a song's segments
    assert len(half) == train["song"].isin(set(half["song"])).sum()


def test_a_share_does_not_depend_on_labels(tiny_corpus):
    first, second = Corpus(tiny_corpus), Corpus(tiny_corpus)
    second.labels = second.labels.flip(0)
    second.table["instrument"] = second.table["instrument"].to_numpy()[::-1]
    assert torch.equal(first.rows("train", 0.5, 1), second.rows("train", 0.5, 1))


def test_require_labels_lists_the_classes_without_training_segments(corpus):
    train = corpus.rows("train")
    assert corpus.require_labels(train) == []
    lacking = [INSTRUMENTS.index(name) for name in ("Guitar", "Pipe")]
    without = train[torch.isin(corpus.labels[train], torch.tensor(lacking), invert=True)]
    assert corpus.require_labels(without) == ["Guitar", "Pipe"]


def test_training_segments_of_one_class_raise_with_its_name(corpus):
    train = corpus.rows("train")
    with pytest.raises(ValueError, match=r"are Pipe; a classifier needs two classes"):
        corpus.require_labels(train[corpus.labels[train] == INSTRUMENTS.index("Pipe")])


def test_a_share_without_songs_raises_with_the_parameter(corpus):
    with pytest.raises(ValueError, match="train_fraction"):
        corpus.rows("train", 0.001)


def test_an_unknown_split_raises_with_the_splits(corpus):
    with pytest.raises(ValueError, match=r"no split 'nix'; choose one of train, validation, test"):
        corpus.rows("nix")


def test_a_folder_without_corpus_raises_with_the_notebook(tmp_path):
    with pytest.raises(FileNotFoundError, match="01_preprocess"):
        Corpus(tmp_path)


def test_files_that_do_not_belong_together_raise(tiny_corpus, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(tiny_corpus, folder, ignore=shutil.ignore_patterns("midi"))
    information = json.loads((folder / "corpus.json").read_text())
    information["segments"] += 1
    (folder / "corpus.json").write_text(json.dumps(information))
    with pytest.raises(ValueError, match="do not belong together"):
        Corpus(folder)


def test_splits_keep_groups_together_and_leave_none_empty():
    groups = [f"g{i % 17}" for i in range(60)]
    splits = splits_of(groups, seed=1)
    assert set(splits) == set(groups)
    assert set(splits.values()) == {"train", "validation", "test"}
    assert set(splits_of(["a", "b", "c"]).values()) == {"train", "validation", "test"}
    assert splits == splits_of(sorted(groups, reverse=True), seed=1)


def test_splits_have_the_documented_shares():
    counts = pd.Series(splits_of([f"g{i}" for i in range(1000)])).value_counts()
    assert counts.to_dict() == {"train": 700, "validation": 150, "test": 150}
