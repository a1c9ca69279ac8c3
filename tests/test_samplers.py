"""Samplers: equations (1) to (3) against explicit sets of pairs."""

import warnings
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from camil.samplers.negatives import ClassNegatives, RandomNegatives
from camil.samplers.pairs import other_of_group, pairs

LABELS = torch.tensor([4, 0, 4, 4, 7, 0, 4, 2, 4])  # unsorted, with gaps, 7 and 2 only once


def allowed(labels, rule):
    """All pairs (i, j) that satisfy an equation."""
    n = len(labels)
    return {(i, j) for i in range(n) for j in range(n) if rule(i, j)}


def drawn(negatives):
    """Number of draws of each pair (i, j)."""
    return Counter((i, j) for i, row in enumerate(negatives.tolist()) for j in row)


def equation_2(batch):
    return allowed(range(batch), lambda i, j: i != j)


def equation_3(labels):
    classes = labels.tolist()
    return allowed(classes, lambda i, j: classes[i] != classes[j])


@pytest.mark.parametrize("batch", [2, 3, 9])
def test_random_negatives_cover_exactly_the_pairs_of_equation_2(batch):
    negatives = RandomNegatives(per_anchor=400)(batch, torch.Generator().manual_seed(0))
    assert set(drawn(negatives)) == equation_2(batch)


@pytest.mark.parametrize(
    "labels", [LABELS, torch.tensor([0, 1]), torch.tensor([5, 5, 5, 5, 3]), torch.arange(6)]
)
def test_class_negatives_cover_exactly_the_pairs_of_equation_3(labels):
    negatives = ClassNegatives(per_anchor=400)(labels, torch.Generator().manual_seed(0))
    assert set(drawn(negatives)) == equation_3(labels)


def test_random_negatives_are_uniform():
    count = drawn(RandomNegatives(per_anchor=20_000)(9, torch.Generator().manual_seed(1)))
    for anchor in range(9):
        observed = [count[anchor, j] for j in range(9) if j != anchor]
        assert chisquare(observed).pvalue > 1e-3


def test_class_negatives_are_uniform_over_the_segments_of_other_classes():
    count = drawn(ClassNegatives(per_anchor=20_000)(LABELS, torch.Generator().manual_seed(1)))
    for anchor in range(len(LABELS)):
        observed = [count[pair] for pair in sorted(equation_3(LABELS)) if pair[0] == anchor]
        assert chisquare(observed).pvalue > 1e-3


def test_class_negatives_map_consecutive_draws_evenly_onto_admissible_segments(monkeypatch):
    """Exact counts: draws of 0, 1, 2, ... return all allowed segments equally often."""
    rounds = 2520  # a multiple of every number of allowed segments up to 10

    def every_value(high, size, **_):
        return torch.arange(size[1]).expand(size)

    monkeypatch.setattr(torch, "randint", every_value)
    count = drawn(ClassNegatives(per_anchor=rounds)(LABELS))
    for i in range(len(LABELS)):
        choices = [j for a, j in equation_3(LABELS) if a == i]
        assert {j: count[i, j] for j in choices} == dict.fromkeys(choices, rounds // len(choices))


def test_anchors_draw_independently_of_each_other():
    """One shift for the whole batch would be uniform for each anchor, but not independent."""
    negatives = RandomNegatives(per_anchor=20_000)(3, torch.Generator().manual_seed(2))
    steps = (negatives - torch.arange(3)[:, None]) % 3  # 1 or 2
    together = Counter(map(tuple, steps.T.tolist()))
    assert len(together) == 8
    assert chisquare(list(together.values())).pvalue > 1e-3


@pytest.mark.parametrize(("sampler", "given"), [(RandomNegatives, 9), (ClassNegatives, LABELS)])
def test_draws_depend_only_on_the_generator(sampler, given):
    first = sampler(3)(given, torch.Generator().manual_seed(5))
    state = torch.get_rng_state()
    torch.manual_seed(99)
    again = sampler(3)(given, torch.Generator().manual_seed(5))
    torch.set_rng_state(state)
    other = sampler(3)(given, torch.Generator().manual_seed(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (9, 3)
    assert first.dtype == torch.int64


def test_draws_without_a_generator_depend_on_the_global_seed():
    torch.manual_seed(4)
    first = RandomNegatives()(8), ClassNegatives()(LABELS)
    torch.manual_seed(4)
    assert torch.equal(first[0], RandomNegatives()(8))
    assert torch.equal(first[1], ClassNegatives()(LABELS))


@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), LABELS[:1], torch.tensor(8)])
def test_random_negatives_reject_labels(labels):
    with pytest.raises(TypeError, match="must not use labels"):
        RandomNegatives()(labels)


@pytest.mark.parametrize("batch", [0, 1])
def test_random_negatives_reject_a_batch_of_fewer_than_two(batch):
    with pytest.raises(ValueError, match=f"a batch of {batch} has no pair"):
        RandomNegatives()(batch)


@pytest.mark.parametrize("labels", [torch.full((5,), 3), torch.tensor([3])])
def test_class_negatives_reject_a_batch_of_one_class(labels):
    with pytest.raises(ValueError, match=r"of class 3, .* draw batches from several classes"):
        ClassNegatives()(labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(0, dtype=torch.int64), "not empty"),
        (torch.zeros(2, 2, dtype=torch.int64), r"must be \(batch,\)"),
        (torch.tensor([0.0, torch.nan]), "integers"),
        (torch.tensor([True, False]), "integers"),
    ],
)
def test_class_negatives_reject_labels_that_are_not_integers(labels, message):
    with pytest.raises(ValueError, match=message):
        ClassNegatives()(labels)


@pytest.mark.parametrize("sampler", [RandomNegatives, ClassNegatives])
def test_samplers_reject_per_anchor_below_one(sampler):
    with pytest.raises(ValueError, match="per_anchor must be at least 1, got 0"):
        sampler(per_anchor=0)


def test_class_negatives_accept_non_contiguous_labels():
    table = torch.stack([LABELS, LABELS], dim=1)
    generator = torch.Generator().manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        negatives = ClassNegatives(50)(table[:, 0], generator)
    assert set(drawn(negatives)) <= equation_3(LABELS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_class_negatives_agree_on_cpu_and_gpu():
    on_cpu = ClassNegatives(3)(LABELS, torch.Generator().manual_seed(5))
    on_gpu = ClassNegatives(3)(LABELS.cuda(), torch.Generator().manual_seed(5))
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), on_cpu)
    drawn_there = torch.Generator("cuda").manual_seed(5)
    negatives = ClassNegatives(400)(LABELS.cuda(), drawn_there)
    assert set(drawn(negatives)) == equation_3(LABELS)
    assert set(drawn(RandomNegatives(400)(9, drawn_there))) == equation_2(9)


@pytest.mark.parametrize("per_anchor", [1, 3])
def test_pairs_stack_positives_then_negatives(per_anchor):
    midi, audio = torch.randn(9, 4), torch.randn(9, 4)
    negatives = ClassNegatives(per_anchor)(LABELS, torch.Generator().manual_seed(0))
    expected = [(midi[i], audio[i], True) for i in range(9)]
    expected += [(midi[i], audio[j], False) for i in range(9) for j in negatives[i].tolist()]
    got = list(zip(*pairs(midi, audio, negatives), strict=True))
    assert len(got) == len(expected)
    for (m, a, z), (expected_m, expected_a, expected_z) in zip(got, expected, strict=True):
        assert torch.equal(m, expected_m)
        assert torch.equal(a, expected_a)
        assert z.item() is expected_z


def test_pairs_propagate_gradients_to_all_their_embeddings():
    midi, audio = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2, requires_grad=True)
    midi_pairs, audio_pairs, _ = pairs(midi, audio, torch.tensor([[1], [0], [1]]))
    (midi_pairs.sum() + audio_pairs.sum()).backward()
    assert midi.grad[:, 0].tolist() == [2, 2, 2]  # own positive and own negative
    assert audio.grad[:, 0].tolist() == [2, 3, 1]  # own positive, and as often as drawn


def test_pairs_reject_unequal_batches():
    with pytest.raises(ValueError, match="one row per anchor"):
        pairs(torch.zeros(3, 2), torch.zeros(4, 2), torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("groups", [LABELS, torch.zeros(7), torch.arange(3)])
def test_other_of_group_permutes_within_groups_without_fixed_points(groups):
    partner = other_of_group(groups, torch.Generator().manual_seed(0)).tolist()
    assert sorted(partner) == list(range(len(groups)))
    for own, other in enumerate(partner):
        assert groups[own] == groups[other]
        alone = groups.tolist().count(groups[own].item()) == 1
        assert (own == other) == alone


def test_other_of_group_reaches_every_cycle_and_is_seeded():
    groups = torch.tensor([1, 1, 1, 1, 2])
    seen = {
        tuple(other_of_group(groups, torch.Generator().manual_seed(s)).tolist()) for s in range(99)
    }
    assert {partner[0] for partner in seen} == {1, 2, 3}
    assert len(seen) == 6  # the cycles of four
    again = [other_of_group(groups, torch.Generator().manual_seed(3)).tolist() for _ in range(2)]
    assert again[0] == again[1]
