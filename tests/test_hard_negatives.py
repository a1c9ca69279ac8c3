"""Hard negatives and the memory bank, against loops over all candidates."""

import math

import pytest
import torch

from camil.samplers import Batch, ClassNegatives, RandomNegatives
from camil.samplers.hard import HardNegatives
from camil.samplers.memory_bank import MemoryBank
from camil.samplers.pairs import admissible

LABELS = torch.tensor([0, 1, 0, 2, 2, 0, 3])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    midi = torch.randn(7, 5, generator=generator)
    return midi, midi + 0.7 * torch.randn(7, 5, generator=generator)


def test_admissible_implements_equations_2_and_3():
    rows = torch.tensor([5, 9, 2])
    for i in range(3):
        for j in range(3):
            assert admissible(rows, rows)[i, j] == (i != j)
    for i, j in [(i, j) for i in range(7) for j in range(7)]:
        assert admissible(LABELS, LABELS)[i, j] == (LABELS[i] != LABELS[j])


@pytest.mark.parametrize("kind", ["hardest", "semi-hard"])
def test_hard_negatives_are_the_nearest_admissible_candidates(batch, kind):
    midi, audio = batch
    admitted = admissible(LABELS, LABELS)
    chosen = HardNegatives(kind, per_anchor=2)(midi, audio, audio, admitted)
    fell_back = 0
    for i in range(7):
        distance = {
            j: math.dist(midi[i].tolist(), audio[j].tolist())
            for j in range(7)
            if LABELS[j] != LABELS[i]
        }
        own = math.dist(midi[i].tolist(), audio[i].tolist())
        nearest = sorted(distance, key=distance.get)
        if kind == "semi-hard":
            farther = [j for j in nearest if distance[j] > own]
            nearer = [j for j in reversed(nearest) if distance[j] <= own]
            fell_back += len(farther) < 2
            nearest = farther + nearer
        assert chosen[i].tolist() == nearest[:2]
    assert kind == "hardest" or fell_back < 7


def test_uniform_draws_exactly_the_admissible_candidates(batch):
    midi, audio = batch
    admitted = admissible(LABELS, LABELS)
    draw = HardNegatives("uniform", per_anchor=300)
    chosen = draw(midi, audio, audio, admitted, torch.Generator().manual_seed(0))
    for i in range(7):
        assert set(chosen[i].tolist()) == {j for j in range(7) if LABELS[j] != LABELS[i]}


@pytest.mark.parametrize("kind", ["uniform", "semi-hard", "hardest"])
def test_negatives_repeat_if_too_few_are_admissible(batch, kind):
    midi, audio = batch
    admitted = torch.zeros(7, 7, dtype=torch.bool)
    admitted[:, 3] = True
    chosen = HardNegatives(kind, per_anchor=9)(midi, audio, audio, admitted)
    assert chosen.shape == (7, 9)
    assert (chosen == 3).all()


def test_anchor_without_admissible_candidate_raises(batch):
    one_class = torch.zeros(7, dtype=int)
    with pytest.raises(ValueError, match="anchor 0 of the batch has no negative"):
        HardNegatives()(*batch, batch[1], admissible(one_class, one_class))


def test_memory_bank_stores_the_latest_embeddings_without_gradient():
    bank = MemoryBank(5, 2)
    kept = []
    for begin in range(0, 12, 3):
        audio = torch.arange(begin, begin + 3.0)[:, None].repeat(1, 2).requires_grad_()
        rows = torch.arange(begin, begin + 3)
        candidates, candidate_rows = bank.candidates(audio, rows)
        assert candidate_rows.tolist() == [*rows.tolist(), *kept]
        assert candidates[:, 0].tolist() == [float(row) for row in candidate_rows]
        bank.remember(audio, rows)
        assert not bank.embeddings.requires_grad
        kept = [*rows.tolist(), *kept][:5]


def test_memory_bank_round_trips_through_its_state_dict():
    bank, other = MemoryBank(4, 2), MemoryBank(4, 2)
    bank.remember(torch.rand(3, 2), torch.arange(3))
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.embeddings, bank.embeddings)
    assert torch.equal(other.rows, bank.rows)


def test_memory_bank_of_size_zero_returns_the_batch():
    audio, rows = torch.rand(3, 2), torch.arange(3)
    candidates, candidate_rows = MemoryBank(0, 2).candidates(audio, rows)
    assert torch.equal(candidates, audio)
    assert torch.equal(candidate_rows, rows)


def test_batch_negatives_are_the_samplers_draws():
    labels, rows = torch.arange(20) % 3, torch.tensor([7, 2, 19, 4])
    batch = Batch(rows, labels, ClassNegatives(2), torch.Generator().manual_seed(1))
    midi, audio = torch.randn(4, 3), torch.randn(4, 3)
    negatives, candidates = batch.negatives(midi, audio)
    drawn = ClassNegatives(2)(torch.tensor([1, 2, 1, 1]), torch.Generator().manual_seed(1))
    assert torch.equal(negatives, drawn)
    assert torch.equal(candidates, audio)
    assert batch.labels.tolist() == [1, 2, 1, 1]


@pytest.mark.parametrize("sampler", [ClassNegatives(6), RandomNegatives(6)])
@pytest.mark.parametrize("mining", [None, HardNegatives("hardest", 2)])
def test_batch_negatives_from_the_memory_bank_are_admissible(sampler, mining):
    labels, bank = torch.arange(20) % 3, MemoryBank(5, 3)
    bank.remember(torch.randn(5, 3), torch.tensor([0, 1, 2, 7, 8]))
    rows = torch.tensor([7, 2, 19, 4])
    batch = Batch(rows, labels, sampler, torch.Generator().manual_seed(1), mining, bank)
    negatives, candidates = batch.negatives(torch.randn(4, 3), torch.randn(4, 3))
    assert len(candidates) == 9
    candidate_rows = [7, 2, 19, 4, 0, 1, 2, 7, 8]
    for row, chosen in zip(rows.tolist(), negatives.tolist(), strict=True):
        for index in chosen:
            if sampler.uses_labels:
                assert labels[candidate_rows[index]] != labels[row]
            else:
                assert candidate_rows[index] != row


def test_batch_of_random_negatives_ignores_the_labels():
    rows, one_class = torch.tensor([3, 1, 2]), torch.zeros(5, dtype=torch.int64)
    batch = Batch(rows, one_class, RandomNegatives(), torch.Generator().manual_seed(0))
    assert batch.allowed.tolist() == [[i != j for j in range(3)] for i in range(3)]
    assert len(batch.negatives(torch.randn(3, 2), torch.randn(3, 2))[0]) == 3
