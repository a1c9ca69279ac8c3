"""Knowledge distillation from an audio teacher to a MIDI student."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from camil.losses.embeddings import at_least_single, check_batch, on_sphere, positive
from camil.losses.objective import Objective
from camil.samplers.batch import Batch


class SoftLabels(Objective):
    """Distillation of the teacher's class probabilities, combined with the labels.

    ``L = w T² KL(softmax(t/T) ‖ softmax(s/T)) + (1 - w) CE(s, label)`` with ``s`` the student's and
    ``t`` the teacher's logits, averaged over the batch (Hinton, Vinyals & Dean, 2015; from an audio
    teacher to a symbolic student: Sawada, 2024). ``T²`` keeps the scale of the gradient.

    Args:
        softness: the temperature ``T``; higher values give more weight to unlikely classes.
        weight: ``w``, the weight of the teacher; 1 needs no labels.

    Shape:
        student, teacher: ``(batch, classes)`` logits. labels: ``(batch,)`` int64. Returns a scalar,
        in float32 or better. The teacher receives no gradient.

    Raises:
        ValueError: if the softness is not positive, the weight not in [0, 1], or the shapes do not
            match.
    """

    teacher = "classifier"

    def __init__(self, softness: float = 4.0, weight: float = 0.9):
        super().__init__()
        self.softness = positive(softness, "softness")
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
        target = (teacher / self.softness).log_softmax(1)
        predicted = (student / self.softness).log_softmax(1)
        divergence = (target.exp() * (target - predicted)).sum(1).mean()
        soft = self.softness**2 * divergence
        return self.weight * soft + (1 - self.weight) * cross_entropy(student, labels)

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio, batch.labels)


class EmbeddingDistillation(Objective):
    """Distillation of the direction of the teacher's embeddings; no labels, no negatives.

    ``L = E[ |m/‖m‖ - a/‖a‖|² ] = E[2 - 2 cos(m, a)]`` (FitNets, Romero et al., 2015, on directions
    instead of values, so that only what the teacher's linear classifier can separate matters).

    Shape:
        student, teacher: ``(batch, embedding)``. Returns a scalar, in float32 or better. The
        teacher receives no gradient.

    Raises:
        ValueError: if the shapes do not match.
    """

    teacher = "encoder"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        check_batch(student, teacher)
        difference = on_sphere(student) - on_sphere(teacher.detach())
        return torch.linalg.vector_norm(difference, dim=1).square().mean()

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio)


class TeacherClasses(Objective):
    """Cross-entropy with the teacher's most probable class as the target.

    ``L = -E[log softmax(s)_k]`` with ``k = argmax t``, ``s`` the student's and ``t`` the teacher's
    logits. If the teacher's classes are clusters of its embeddings, no label is used: the target
    says which sounds a sound resembles, and not where in the space it is (DeepCluster, Caron et
    al., 2018; HuBERT, Hsu et al., 2021).

    Shape:
        student, teacher: ``(batch, classes)`` logits. Returns a scalar, in float32 or better. The
        teacher receives no gradient.

    Raises:
        ValueError: if the shapes do not match.
    """

    teacher = "classifier"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        check_batch(student, teacher)
        return cross_entropy(at_least_single(student), teacher.argmax(1))

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio)
