"""Equation (4) of the paper, against plain Python and a gradient derived by hand."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from camil.losses.contrastive import ContrastiveLoss

MARGIN = 1.5


@pytest.fixture
def batch():
    """Pairs of which some negatives lie inside the margin, some beyond it."""
    generator = torch.Generator().manual_seed(3)
    midi = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    reach = torch.linspace(0.05, 1.5, 40, dtype=torch.float64)[:, None]
    audio = midi + reach * torch.randn(40, 5, generator=generator, dtype=torch.float64)
    matching = torch.rand(40, generator=generator) < 0.4
    distances = (midi - audio).norm(dim=1)[~matching]
    assert (distances < MARGIN).any()
    assert (distances > MARGIN).any()
    return midi, audio, matching


def test_loss_equals_equation_4(batch):
    total = 0.0
    for m, a, z in zip(*(part.tolist() for part in batch), strict=True):
        d = math.sqrt(sum((mi - ai) ** 2 for mi, ai in zip(m, a, strict=True)))
        total += d**2 if z else max(0.0, MARGIN - d) ** 2
    loss = ContrastiveLoss(MARGIN)(*batch).item()
    assert loss == pytest.approx(total / len(batch[0]), rel=1e-12)


def test_gradient_equals_the_analytic_gradient(batch):
    midi, audio, matching = batch
    midi.requires_grad_()
    audio.requires_grad_()
    ContrastiveLoss(MARGIN)(midi, audio, matching).backward()
    rows = zip(midi.tolist(), audio.tolist(), matching.tolist(), strict=True)
    for i, (m, a, z) in enumerate(rows):
        d = math.dist(m, a)
        # dd²/dm = 2 (m - a); d(margin - d)²/dm = -2 (margin - d) (m - a) / d inside the margin.
        slope = 2.0 if z else -2.0 * max(0.0, MARGIN - d) / d
        expected = [slope * (mi - ai) / len(midi) for mi, ai in zip(m, a, strict=True)]
        assert midi.grad[i].tolist() == pytest.approx(expected, rel=1e-10, abs=1e-15)
        assert audio.grad[i].tolist() == pytest.approx([-g for g in expected], abs=1e-15)


def test_gradient_agrees_with_finite_differences(batch):
    midi, audio, matching = batch
    assert gradcheck(
        lambda m, a: ContrastiveLoss(MARGIN)(m, a, matching),
        (midi.requires_grad_(), audio.requires_grad_()),
    )


def test_loss_is_symmetric_in_midi_and_audio(batch):
    midi, audio, matching = batch
    loss = ContrastiveLoss(MARGIN)
    assert torch.equal(loss(midi, audio, matching), loss(audio, midi, matching))


def test_negative_beyond_the_margin_has_no_loss_and_no_gradient():
    midi = torch.zeros(1, 2, requires_grad=True)
    loss = ContrastiveLoss(1.0)(midi, torch.tensor([[3.0, 4.0]]), torch.tensor([False]))
    loss.backward()
    assert loss.item() == 0
    assert not midi.grad.any()


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("distance", [0.0, 1e-30, 1e-12])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_gradient_is_finite_at_distance_zero(matching, distance, dtype):
    midi = torch.zeros(4, 8, dtype=dtype, requires_grad=True)
    audio = torch.full((4, 8), distance, dtype=dtype, requires_grad=True)
    loss = ContrastiveLoss()(midi, audio, torch.full((4,), matching))
    loss.backward()
    assert loss.item() == pytest.approx(0.0 if matching else 1.0)
    assert midi.grad.isfinite().all()
    assert audio.grad.isfinite().all()
    if distance == 0:
        assert not midi.grad.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_agrees_with_double_precision(dtype):
    # Squares of these distances lie beyond float16's 65504, and their sum beyond bfloat16's grid.
    midi = torch.full((6, 16), 100.0, dtype=dtype).requires_grad_()
    audio = torch.linspace(-100, 100, 96).reshape(6, 16).to(dtype)
    matching = torch.tensor([True, False] * 3)
    loss = ContrastiveLoss(900.0)(midi, audio, matching)
    loss.backward()
    expected = ContrastiveLoss(900.0)(midi.detach().double(), audio.double(), matching)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert midi.grad.isfinite().all()


@pytest.mark.parametrize("matching", [True, False])
def test_loss_of_only_positives_or_only_negatives(batch, matching):
    midi, audio, _ = batch
    distance = [math.dist(m, a) for m, a in zip(midi.tolist(), audio.tolist(), strict=True)]
    costs = [d**2 if matching else max(0.0, MARGIN - d) ** 2 for d in distance]
    loss = ContrastiveLoss(MARGIN)(midi, audio, torch.full((40,), matching))
    assert loss.item() == pytest.approx(sum(costs) / 40)


@pytest.mark.parametrize("margin", [0, -1.0, math.nan, math.inf])
def test_margin_must_be_positive_and_finite(margin):
    with pytest.raises(ValueError, match=f"margin must be positive and finite, got {margin}"):
        ContrastiveLoss(margin)


@pytest.mark.parametrize(
    ("midi", "audio", "matching", "message"),
    [
        ((4, 8), (4, 7), torch.ones(4, dtype=torch.bool), r"got \(4, 8\) and \(4, 7\)"),
        ((4, 8), (1, 8), torch.ones(4, dtype=torch.bool), r"got \(4, 8\) and \(1, 8\)"),
        ((8,), (8,), torch.ones(8, dtype=torch.bool), "must both be"),
        ((4, 8), (4, 8), torch.ones(3, dtype=torch.bool), r"matching must be \(4,\)"),
        ((4, 8), (4, 8), torch.ones(4, 1, dtype=torch.bool), r"matching must be \(4,\)"),
        ((4, 8), (4, 8), torch.ones(4), "of torch.bool"),
        ((0, 8), (0, 8), torch.ones(0, dtype=torch.bool), "no pairs"),
    ],
)
def test_mismatched_shapes_raise_instead_of_broadcasting(midi, audio, matching, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveLoss()(torch.zeros(midi), torch.zeros(audio), matching)
