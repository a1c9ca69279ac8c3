"""Negatives by distance and from the memory bank, against loops over all candidates."""

import math

import pytest
import torch

from camil.samplers.hard import HardNegatives
from camil.samplers.memory_bank import MemoryBank
from camil.samplers.pairs import admissible

LABELS = torch.tensor([0, 1, 0, 2, 2, 0, 3])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    midi = torch.randn(7, 5, generator=generator)
    return midi, midi + 0.7 * torch.randn(7, 5, generator=generator)


def test_equations_2_and_3_are_one_comparison():
    rows = torch.tensor([5, 9, 2])
    for i in range(3):
        for j in range(3):
            assert admissible(rows, rows)[i, j] == (i != j)
    for i, j in [(i, j) for i in range(7) for j in range(7)]:
        assert admissible(LABELS, LABELS)[i, j] == (LABELS[i] != LABELS[j])


@pytest.mark.parametrize("kind", ["hardest", "semi-hard"])
def test_the_negatives_are_the_nearest_of_those_admitted(batch, kind):
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


def test_uniform_draws_every_admitted_candidate_and_no_other(batch):
    midi, audio = batch
    admitted = admissible(LABELS, LABELS)
    draw = HardNegatives("uniform", per_anchor=300)
    chosen = draw(midi, audio, audio, admitted, torch.Generator().manual_seed(0))
    for i in range(7):
        assert set(chosen[i].tolist()) == {j for j in range(7) if LABELS[j] != LABELS[i]}


@pytest.mark.parametrize("kind", ["uniform", "semi-hard", "hardest"])
def test_fewer_admitted_than_wanted_are_repeated(batch, kind):
    midi, audio = batch
    admitted = torch.zeros(7, 7, dtype=torch.bool)
    admitted[:, 3] = True
    chosen = HardNegatives(kind, per_anchor=9)(midi, audio, audio, admitted)
    assert chosen.shape == (7, 9)
    assert (chosen == 3).all()


def test_an_anchor_without_any_negative_is_told(batch):
    one_class = torch.zeros(7, dtype=int)
    with pytest.raises(ValueError, match="anchor 0 of the batch has no negative"):
        HardNegatives()(*batch, batch[1], admissible(one_class, one_class))


def test_the_bank_keeps_the_latest_sounds_and_no_gradient():
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


def test_a_bank_comes_back_from_its_state():
    bank, other = MemoryBank(4, 2), MemoryBank(4, 2)
    bank.remember(torch.rand(3, 2), torch.arange(3))
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.embeddings, bank.embeddings)
    assert torch.equal(other.rows, bank.rows)


def test_a_bank_of_size_0_is_the_batch_alone():
    audio, rows = torch.rand(3, 2), torch.arange(3)
    candidates, candidate_rows = MemoryBank(0, 2).candidates(audio, rows)
    assert torch.equal(candidates, audio)
    assert torch.equal(candidate_rows, rows)
