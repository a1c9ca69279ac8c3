"""Losses against explicit loops, and against pytorch-metric-learning where it has them."""

import math

import pytest
import torch
from pytorch_metric_learning import losses as reference
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.reducers import MeanReducer
from torch.autograd import gradcheck

from camil.losses import LOSSES as REGISTRY
from camil.losses import ContrastiveLoss, build_loss
from camil.losses.distillation import EmbeddingDistillation, SoftLabels, TeacherClasses
from camil.losses.infonce import InfoNCE
from camil.losses.sigmoid import SigmoidPairs
from camil.losses.supcon import SupervisedContrastive
from camil.losses.triplet import TripletLoss
from camil.samplers import Batch, ClassNegatives, pairs

LABELS = torch.tensor([0, 1, 0, 2, 2, 0, 3])
NEGATIVES = torch.tensor([[1, 3], [0, 0], [4, 6], [5, 1], [2, 6], [3, 3], [0, 1]])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    midi = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    return midi, midi + torch.randn(7, 5, generator=generator, dtype=torch.float64)


def cosines(midi, audio):
    def norm(v):
        return math.sqrt(sum(x * x for x in v))

    return [
        [sum(x * y for x, y in zip(m, a, strict=True)) / norm(m) / norm(a) for a in audio.tolist()]
        for m in midi.tolist()
    ]


def double(loss):
    return loss.double()


def test_infonce_equals_its_equation_in_both_directions(batch):
    s, t, n = cosines(*batch), 0.2, 7
    total = 0.0
    for i in range(n):
        right = math.exp(s[i][i] / t)
        total -= math.log(right / sum(math.exp(s[i][j] / t) for j in range(n)))
        total -= math.log(right / sum(math.exp(s[j][i] / t) for j in range(n)))
    loss = double(InfoNCE(t))(*batch)
    assert loss.item() == pytest.approx(total / (2 * n), rel=1e-6)


def test_infonce_uses_only_allowed_negatives(batch):
    s, t, n = cosines(*batch), 0.2, 7
    allowed = LABELS[:, None] != LABELS
    total = 0.0
    for i in range(n):
        right = math.exp(s[i][i] / t)
        others = [j for j in range(n) if LABELS[j] != LABELS[i]]
        total -= math.log(right / (right + sum(math.exp(s[i][j] / t) for j in others)))
        total -= math.log(right / (right + sum(math.exp(s[j][i] / t) for j in others)))
    loss = double(InfoNCE(t))(*batch, allowed)
    assert loss.item() == pytest.approx(total / (2 * n), rel=1e-6)


def test_infonce_equals_nt_xent_of_pytorch_metric_learning(batch):
    midi, audio = batch
    # Two tensors: if both are the same tensor, the library excludes pairs of equal index.
    own, same, theirs = torch.arange(7), torch.arange(7), reference.NTXentLoss(temperature=0.2)
    expected = (theirs(midi, own, None, audio, same) + theirs(audio, own, None, midi, same)) / 2
    assert double(InfoNCE(0.2))(midi, audio).item() == pytest.approx(expected.item(), rel=1e-6)


def test_supervised_contrastive_equals_its_equation(batch):
    s, t, n = cosines(*batch), 0.2, 7
    total = 0.0
    for i in range(n):
        same = [p for p in range(n) if LABELS[p] == LABELS[i]]
        for p in same:
            total -= math.log(
                math.exp(s[i][p] / t) / sum(math.exp(s[i][j] / t) for j in range(n))
            ) / len(same)
            total -= math.log(
                math.exp(s[p][i] / t) / sum(math.exp(s[j][i] / t) for j in range(n))
            ) / len(same)
    loss = double(SupervisedContrastive(t))(*batch, LABELS)
    assert loss.item() == pytest.approx(total / (2 * n), rel=1e-6)


def test_supervised_contrastive_equals_pytorch_metric_learning(batch):
    midi, audio = batch
    theirs = reference.SupConLoss(temperature=0.2)
    to_audio = theirs(midi, LABELS, None, audio, LABELS.clone())
    to_midi = theirs(audio, LABELS, None, midi, LABELS.clone())
    loss = double(SupervisedContrastive(0.2))(midi, audio, LABELS)
    assert loss.item() == pytest.approx(((to_audio + to_midi) / 2).item(), rel=1e-6)


def test_sigmoid_pairs_equals_its_equation(batch):
    s, total = cosines(*batch), 0.0
    for i in range(7):
        for j in range(7):
            z = 1 if i == j else -1
            if z == 1 or LABELS[i] != LABELS[j]:
                total -= math.log(1 / (1 + math.exp(-z * (s[i][j] / 0.1 - 3.0))))
    loss = double(SigmoidPairs(0.1, bias=-3.0))(*batch, LABELS[:, None] != LABELS)
    assert loss.item() == pytest.approx(total / 7, rel=1e-6)


def test_triplet_equals_its_equation(batch):
    midi, audio = (part.tolist() for part in batch)
    costs = [
        max(0.0, math.dist(m, a) - math.dist(m, audio[n]) + 0.5)
        for m, a, chosen in zip(midi, audio, NEGATIVES.tolist(), strict=True)
        for n in chosen
    ]
    assert min(costs) == 0 < max(costs)
    assert TripletLoss(0.5)(*batch, NEGATIVES).item() == pytest.approx(sum(costs) / len(costs))


def test_triplet_equals_pytorch_metric_learning(batch):
    midi, audio = batch
    theirs = reference.TripletMarginLoss(
        0.5, distance=LpDistance(normalize_embeddings=False), reducer=MeanReducer()
    )
    anchors = torch.arange(7).repeat_interleave(2)
    expected = theirs(midi, LABELS, (anchors, anchors, NEGATIVES.flatten()), audio, LABELS)
    assert TripletLoss(0.5)(midi, audio, NEGATIVES).item() == pytest.approx(expected.item())


def test_triplet_accepts_negatives_from_other_candidates(batch):
    midi, audio = batch
    more = torch.cat([audio, torch.zeros(1, 5, dtype=torch.float64)])
    cost = [
        max(0.0, math.dist(m, a) - math.hypot(*m) + 0.5)
        for m, a in zip(midi.tolist(), audio.tolist(), strict=True)
    ]
    loss = TripletLoss(0.5)(midi, audio, torch.full((7, 1), 7), more)
    assert loss.item() == pytest.approx(sum(cost) / 7)


def test_soft_labels_equals_its_equation(batch):
    student, teacher = batch
    labels, t, w = torch.tensor([0, 1, 4, 2, 2, 0, 3]), 3.0, 0.7

    def softmax(row, t):
        powers = [math.exp(x / t) for x in row]
        return [p / sum(powers) for p in powers]

    total = 0.0
    for s, target, label in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        p, q = softmax(target, t), softmax(s, t)
        total += w * t**2 * sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True))
        total -= (1 - w) * math.log(softmax(s, 1)[label])
    assert SoftLabels(t, w)(student, teacher, labels).item() == pytest.approx(total / 7)


def test_embedding_distillation_equals_two_minus_twice_the_cosine(batch):
    s = cosines(*batch)
    expected = sum(2 - 2 * s[i][i] for i in range(7)) / 7
    assert EmbeddingDistillation()(*batch).item() == pytest.approx(expected)


def test_teacher_classes_is_the_cross_entropy_with_the_teachers_first_choice(batch):
    student, teacher = batch
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        total -= s[t.index(max(t))] - math.log(sum(math.exp(x) for x in s))
    assert TeacherClasses()(student, teacher).item() == pytest.approx(total / 7)


def test_distillation_gives_gradients_to_the_student_only(batch):
    student, teacher = (part.requires_grad_() for part in batch)
    SoftLabels()(student, teacher, LABELS).backward()
    EmbeddingDistillation()(student, teacher).backward()
    TeacherClasses()(student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


LOSSES = {
    "infonce": lambda m, a: InfoNCE(0.1).to(m.device)(m, a),
    "infonce by class": lambda m, a: InfoNCE(0.1)(m, a, LABELS[:, None] != LABELS),
    "supcon": lambda m, a: SupervisedContrastive(0.1)(m, a, LABELS),
    "sigmoid": lambda m, a: SigmoidPairs()(m, a),
    "triplet": lambda m, a: TripletLoss(0.5)(m, a, NEGATIVES),
    "soft labels": lambda m, a: SoftLabels()(m, a, LABELS),
    "embedding": lambda m, a: EmbeddingDistillation()(m, a),
}
EACH = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@pytest.mark.parametrize("name", ["infonce", "supcon", "triplet", "soft labels", "embedding"])
def test_gradient_agrees_with_finite_differences(batch, name):
    midi, audio = batch
    loss = LOSSES[name]
    assert gradcheck(lambda m: loss(m, audio), (midi.requires_grad_(),), eps=1e-6, atol=1e-4)


@EACH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_agrees_with_double_precision(batch, loss, dtype):
    midi, audio = (part.to(dtype).requires_grad_() for part in batch)
    value = loss(midi, audio)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(midi.double(), audio.double()).item(), rel=1e-4)
    assert midi.grad.isfinite().all()


@EACH
def test_autocast_leaves_the_loss_in_float32(batch, loss):
    midi, audio = (part.float() for part in batch)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(midi, audio)
    assert value.item() == pytest.approx(loss(midi, audio).item(), rel=1e-5)


@EACH
def test_collapsed_embeddings_have_a_finite_loss_and_gradient(loss):
    midi = torch.zeros(7, 5, requires_grad=True)
    value = loss(midi, torch.zeros(7, 5))
    value.backward()
    assert value.isfinite()
    assert midi.grad.isfinite().all()


@pytest.mark.parametrize("loss", [InfoNCE(), SigmoidPairs()])
def test_loss_without_negatives_is_finite(loss):
    for size in (1, 6):
        midi = torch.randn(size, 5, requires_grad=True)
        value = loss(midi, torch.randn(size, 5), torch.zeros(size, size, dtype=torch.bool))
        value.backward()
        assert value.isfinite()
        assert midi.grad.isfinite().all()


def test_supervised_contrastive_is_finite_for_one_class_and_for_all_different():
    for labels in (torch.zeros(6, dtype=int), torch.arange(6)):
        midi = torch.randn(6, 5, requires_grad=True)
        value = SupervisedContrastive()(midi, torch.randn(6, 5), labels)
        value.backward()
        assert value.isfinite()
        assert midi.grad.isfinite().all()


@pytest.mark.parametrize("kind", [InfoNCE, SigmoidPairs])
def test_temperature_is_learnt_and_bounded_below_by_one_hundredth(kind):
    loss, midi = kind(0.1), torch.eye(6)
    loss(midi, midi.roll(1, 0)).backward()
    assert loss.scale.grad.abs() > 0
    with torch.no_grad():
        loss.scale.fill_(50.0)
    loss(midi, midi)
    assert math.exp(-loss.scale.item()) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InfoNCE(0), "temperature must be positive and finite, got 0"),
        (lambda: SupervisedContrastive(-1), "temperature must be positive"),
        (lambda: TripletLoss(0.0), "margin must be positive"),
        (lambda: SoftLabels(weight=1.2), "weight must lie between 0 and 1, got 1.2"),
    ],
)
def test_invalid_argument_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_mismatched_shapes_raise():
    four, three = torch.zeros(4, 8), torch.zeros(3, 8)
    for loss, arguments in [
        (InfoNCE(), (four, three)),
        (InfoNCE(), (four, four, torch.ones(4, 3, dtype=torch.bool))),
        (SigmoidPairs(), (four[:0], four[:0])),
        (SupervisedContrastive(), (four, four, torch.zeros(3))),
        (TripletLoss(), (four, four, torch.zeros(3, 1, dtype=int))),
        (SoftLabels(), (four, three, torch.zeros(4, dtype=int))),
        (EmbeddingDistillation(), (four, three)),
    ]:
        with pytest.raises(ValueError, match="must"):
            loss(*arguments)


@pytest.fixture
def segments():
    """A `Batch` of 7 segments with class-based negatives."""
    return Batch(
        torch.tensor([4, 8, 0, 2, 6, 1, 3]),
        torch.arange(9) % 4,
        ClassNegatives(3),
        torch.Generator().manual_seed(2),
    )


def by_hand(name, midi, audio, rows, labels):
    """The loss of a batch, from the loss' own inputs written down explicitly."""
    classes = labels[rows]
    allowed = torch.tensor([[bool(a != b) for b in classes] for a in classes])
    drawn = ClassNegatives(3)(classes, torch.Generator().manual_seed(2))
    return {
        "contrastive": lambda: ContrastiveLoss(1.0)(*pairs(midi, audio, drawn)),
        "triplet": lambda: TripletLoss(1.0)(midi, audio, drawn),
        "infonce": lambda: InfoNCE(0.1)(midi, audio, allowed),
        "sigmoid": lambda: SigmoidPairs(0.1)(midi, audio, allowed),
        "supcon": lambda: SupervisedContrastive(0.1)(midi, audio, classes),
        "midi-supcon": lambda: SupervisedContrastive(0.1)(midi, audio, classes),
        "distill": lambda: SoftLabels(2.0)(midi, audio, classes),
        "distill-embedding": lambda: EmbeddingDistillation()(midi, audio),
        "distill-clusters": lambda: TeacherClasses()(midi, audio),
    }[name]()


@pytest.mark.parametrize("name", REGISTRY)
def test_registered_objective_computes_its_loss_from_a_batch(batch, segments, name):
    parameters = {"margin": 1.0, "temperature": 0.1, "softness": 2.0, "epochs": 3}
    loss = build_loss(name, parameters)
    expected = by_hand(name, *batch, segments.rows, torch.arange(9) % 4)
    assert loss.on_batch(*batch, segments).item() == pytest.approx(expected.item(), rel=1e-6)


def test_build_loss_passes_only_parameters_that_the_loss_accepts():
    assert build_loss("contrastive", {"margin": 0.3, "temperature": 9.0}).margin == 0.3
    assert build_loss("distill", {"softness": 2.0, "temperature": 9.0}).softness == 2.0
    with pytest.raises(KeyError):
        build_loss("nothing", {})
