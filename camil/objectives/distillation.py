"""Learning from a teacher: the audio classifier tells the MIDI student what it hears."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from camil.objectives.embeddings import at_least_single, check_batch, on_sphere, positive


class SoftLabels(nn.Module):
    """Agree with the teacher's probabilities, and a little with the labels themselves.

    ``L = w T² KL(softmax(t/T) ‖ softmax(s/T)) + (1 - w) CE(s, label)`` with ``s`` the student's and
    ``t`` the teacher's logits, the mean over the batch (Hinton, Vinyals & Dean, 2015; from an audio
    teacher to a symbolic student: Sawada, 2024). ``T²`` keeps the gradient's size when ``T`` grows.

    Args:
        temperature: ``T``; the higher, the more the student learns of the unlikely instruments.
        weight: ``w``, the teacher's say; 1 needs no labels.

    Shape:
        student, teacher: ``(batch, classes)`` of logits; labels: ``(batch,)`` of int64; returns a
        scalar, in single precision at least. No gradient reaches the teacher.

    Raises:
        ValueError: if the temperature is not positive, the weight not in [0, 1], or the shapes do
            not fit together.
    """

    def __init__(self, temperature: float = 4.0, weight: float = 0.9):
        super().__init__()
        self.temperature = positive(temperature, "temperature")
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must lie between 0 and 1, got {weight}")
        self.weight = weight

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        if student.ndim != 2 or student.shape != teacher.shape or len(student) == 0:
            raise ValueError(
                "student and teacher must both be (batch, classes) and not empty, "
                f"got {tuple(student.shape)} and {tuple(teacher.shape)}"
            )
        student, teacher = at_least_single(student), at_least_single(teacher.detach())
        told = (teacher / self.temperature).log_softmax(1)
        said = (student / self.temperature).log_softmax(1)
        divergence = (told.exp() * (told - said)).sum(1).mean()
        soft = self.temperature**2 * divergence
        return self.weight * soft + (1 - self.weight) * cross_entropy(student, labels)


class EmbeddingDistillation(nn.Module):
    """Place each part where the teacher places its sound: no labels, no negatives.

    ``L = E[ |m/‖m‖ - a/‖a‖|² ] = E[2 - 2 cos(m, a)]`` (the representation variant of distillation:
    FitNets, Romero et al., 2015, on directions instead of values, so that only what the teacher's
    linear classifier could tell apart matters). The teacher stays where it is.

    Shape:
        student, teacher: ``(batch, embedding)``; returns a scalar, in single precision at least.

    Raises:
        ValueError: if the shapes do not fit together.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        check_batch(student, teacher)
        apart = on_sphere(student) - on_sphere(teacher.detach())
        return torch.linalg.vector_norm(apart, dim=1).square().mean()
