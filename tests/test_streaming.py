"""Batches of a corpus are equal whether they are streamed or in memory, joint or single."""

import numpy as np
import pytest
import torch

from benchmarks.made_up_corpus import made_up_corpus
from camil.corpus.augmentation import Augmentation, draw_seeds
from camil.corpus.corpus import Corpus
from camil.losses.logit_adjustment import LogitAdjustedCrossEntropy

ROWS = torch.tensor([17, 3, 40, 3, 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up_corpus(tmp_path_factory.mktemp("corpus") / "made_up", 48)


def test_mels_equal_the_file_with_and_without_prefetch(folder):
    data = Corpus(folder)
    expected = 1 + np.load(folder / "mels.npy")[ROWS].astype(np.float32) / 80
    np.testing.assert_allclose(data.mels(ROWS)[:, 0].numpy(), expected, atol=1e-6)
    data.prefetch(ROWS)
    np.testing.assert_allclose(data.mels(ROWS)[:, 0].numpy(), expected, atol=1e-6)
    data.prefetch(torch.tensor([1, 2]))  # another batch than the one that is read next
    np.testing.assert_allclose(data.mels(ROWS)[:, 0].numpy(), expected, atol=1e-6)


def test_a_prefetched_batch_is_not_read_again(folder, monkeypatch):
    data = Corpus(folder)
    data.prefetch(ROWS)
    data._coming[1].result()
    monkeypatch.setattr(data, "_read", lambda rows: pytest.fail("read again"))
    data.mels(ROWS)


def test_rolls_equal_their_notes(folder):
    data = Corpus(folder)
    rolls = data.rolls(ROWS)
    for roll, row in zip(rolls, ROWS.tolist(), strict=True):
        expected = torch.zeros(1, 84, 192)
        for pitch, step, length, _ in data.notes(row).itertuples(index=False):
            expected[0, pitch - 24, step : step + length] = 1
        assert torch.equal(roll, expected)


def test_an_augmented_roll_depends_only_on_its_seed(folder):
    changes = Augmentation(transpose=5, note_dropout=0.3, tempo=0.1, velocity=0.2)
    data = Corpus(folder, onsets=True, velocity=True, augmentation=changes)
    seeds = draw_seeds(len(ROWS), torch.Generator().manual_seed(0))
    together = data.rolls(ROWS, seeds)
    assert together.shape == (5, 2, 84, 192)
    for i in range(5):
        assert torch.equal(data.rolls(ROWS[i : i + 1], seeds[i : i + 1])[0], together[i])
    assert not torch.equal(together[1], together[3])  # one segment, two seeds
    plain = Corpus(folder, onsets=True, velocity=True).rolls(ROWS)
    assert torch.equal(data.rolls(ROWS), plain)  # no seeds, no change


def test_logit_adjustment_adds_the_logarithm_of_the_class_share():
    counts, logits = torch.tensor([6, 0, 3]), torch.tensor([[0.3, -1.0, 2.0], [1.0, 0.0, 0.5]])
    total = 0.0
    for row, label in zip(logits.tolist(), (2, 1), strict=True):
        weighed = [n * np.exp(x) for n, x in zip((6, 1, 3), row, strict=True)]
        total -= np.log(weighed[label] / sum(weighed))
    loss = LogitAdjustedCrossEntropy(counts)(logits, torch.tensor([2, 1]))
    assert loss.item() == pytest.approx(total / 2, rel=1e-5)
