"""Pre-training: the training step and the validation loss of a joint space of notes and audio."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize as on_sphere

from camil.losses import LOSSES, Objective
from camil.samplers import Batch, MemoryBank
from camil.training.devices import spread
from camil.training.embed import embed


class Segments(Protocol):
    """The data of pre-training: `camil.corpus.Corpus`, or a class with the same methods."""

    device: torch.device

    def __len__(self) -> int: ...

    def rolls(self, rows: Tensor, seeds: Tensor | None = None) -> Tensor:
        """``(rows, channels, 84, 192)`` float32, augmented where seeds are given."""

    def mels(self, rows: Tensor) -> Tensor:
        """``(rows, 1, 128, 282)`` float32."""

    def draw_seeds(self, count: int, generator: Generator) -> Tensor:
        """``(count,)`` int64 seeds of the augmentation."""


class Pretraining:
    """Two encoders, an objective, and the negatives it is trained with.

    Args:
        data: the corpus.
        midi_encoder: reads the piano rolls.
        audio_encoder: reads the mel-spectrograms; None if the objective compares two augmented
            views of the notes.
        loss: the objective, an instance of a class in `camil.losses.LOSSES`.
        batch_of: makes a `Batch` from rows, a generator and a memory bank.
        bank: memory bank of earlier batches' audio embeddings.
        partner: ``(segments,)`` int64 on the CPU, the segment whose audio each segment is paired
            with: itself, except in the control ``shuffled``.
        head: makes the layer between an embedding and the objective, dropped after training.
        teacher: a frozen audio network that replaces the audio encoder in training; its outputs
            are computed once.
        normalize: whether embeddings are on the unit sphere.

    Attributes:
        modules: all that is trained or has a state, for `camil.training.fit.fit`.
    """

    def __init__(
        self,
        data: Segments,
        midi_encoder: nn.Module,
        audio_encoder: nn.Module | None,
        loss: Objective,
        batch_of: Callable[[Tensor, Generator, MemoryBank | None], Batch],
        bank: MemoryBank,
        partner: Tensor,
        head: Callable[[], nn.Module] = nn.Identity,
        teacher: nn.Module | None = None,
        normalize: bool = True,
    ):
        self.data, self.audio_encoder, self.loss = data, audio_encoder, loss
        self.bank, self.partner, self._batch_of = bank, partner, batch_of
        self._on_sphere = normalize and not loss.teacher
        projected = loss.uses_audio and not loss.teacher
        self.midi_side = nn.Sequential(midi_encoder, head()).to(data.device)
        self.audio_head = (head() if projected else nn.Identity()).to(data.device)
        self.teacher_outputs = None
        if teacher is not None:
            self.teacher_outputs = embed(teacher, data.mels, torch.arange(len(data)))
        trained = [self.midi_side, self.audio_head, loss, bank]
        trained += [audio_encoder] if loss.uses_audio and teacher is None else []
        self.modules = nn.ModuleList(trained)

    def step(self, rows: Tensor, generator: Generator) -> Tensor:
        """The loss of one batch of segments, as `fit` calls it."""
        seeds = self.data.draw_seeds(len(rows), generator)
        midi = self._scaled(spread(self.midi_side, self.data.rolls, rows, seeds))
        audio = self._counterpart(rows, generator)
        value = self.loss.on_batch(midi, audio, self._batch_of(rows, generator, self.bank))
        self.bank.remember(audio, rows)
        return value

    def _counterpart(self, rows: Tensor, generator: Generator) -> Tensor:
        """Embeddings that the notes are compared with: of their audio, or of a second view."""
        if not self.loss.uses_audio:
            again = self.data.draw_seeds(len(rows), generator)
            return self._scaled(spread(self.midi_side, self.data.rolls, rows, again))
        audio_rows = self.partner[rows]
        if self.teacher_outputs is not None:
            return self._scaled(self.audio_head(self.teacher_outputs[audio_rows]))
        return self._scaled(self.audio_head(spread(self.audio_encoder, self.data.mels, audio_rows)))

    @torch.no_grad()
    def validation_loss(self, rows: Tensor, batch_size: int, seed: int) -> dict[str, float]:
        """The loss of the validation segments, always in the same batches with the same negatives.

        Args:
            rows: ``(rows,)`` int64.
        """
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        size = min(batch_size, len(rows))
        generator = torch.Generator().manual_seed(seed)
        midi = self._scaled(embed(self.midi_side, self.data.rolls, rows))
        audio = self._validation_counterpart(rows, seed)
        losses = []
        for part in order[: len(order) // size * size].split(size):
            batch = self._batch_of(rows.cpu()[part], generator, None)
            losses.append(self.loss.on_batch(midi[part], audio[part], batch))
        return {"validation_loss": torch.stack(losses).mean().item()}

    def _validation_counterpart(self, rows: Tensor, seed: int) -> Tensor:
        if not self.loss.uses_audio:
            return self._scaled(embed(self.midi_side, partial(self.second_view, seed=seed), rows))
        audio_rows = self.partner[rows.cpu()]
        if self.teacher_outputs is not None:
            return self._scaled(self.audio_head(self.teacher_outputs[audio_rows]))
        return self._scaled(self.audio_head(embed(self.audio_encoder, self.data.mels, audio_rows)))

    def second_view(self, rows: Tensor, seed: int) -> Tensor:
        """Piano rolls of the augmented notes, the same for the same seed."""
        seeds = self.data.draw_seeds(len(self.data), torch.Generator().manual_seed(seed))
        return self.data.rolls(rows, seeds[rows.cpu()])

    def _scaled(self, embeddings: Tensor) -> Tensor:
        return on_sphere(embeddings) if self._on_sphere else embeddings


def projection_head(embedding: int, hidden: int = 0, classes: int = 0) -> nn.Module:
    """The layer between an embedding and the objective.

    Args:
        embedding: size of the embedding.
        hidden: units of a projection with one hidden layer; 0 for none.
        classes: outputs of a linear classifier instead, if above 0.
    """
    if classes:
        return nn.Linear(embedding, classes)
    if not hidden:
        return nn.Identity()
    return nn.Sequential(nn.Linear(embedding, hidden), nn.ReLU(), nn.Linear(hidden, embedding))


def check_objective(
    objective: str,
    labelled_negatives: bool,
    pretrained_audio: str,
    frozen: bool,
    augmentation: Any,
    shuffled: bool,
) -> None:
    """Check that the parameters of ``02_pretrain`` fit the objective.

    Args:
        objective: a name in `camil.losses.LOSSES`.
        labelled_negatives: whether the sampler uses labels.
        pretrained_audio: the audio run to start from, or "".
        frozen: whether the pre-trained audio encoder is kept as it is.
        augmentation: compares equal to a default one if it changes nothing.
        shuffled: whether the pairs are shuffled.

    Raises:
        ValueError: naming the objective and the parameter to change.
    """
    kind = LOSSES[objective]
    if kind.teacher and not frozen:
        raise ValueError(f"objective {objective} needs a frozen teacher: set pretrained_audio.")
    if kind.uses_labels and not labelled_negatives:
        raise ValueError(f"objective {objective} uses labels: set negatives to class.")
    if not kind.uses_audio and (pretrained_audio or shuffled):
        raise ValueError(
            f"objective {objective} uses no audio: leave out pretrained_audio and shuffled."
        )
    if not kind.uses_audio and augmentation == type(augmentation)():
        raise ValueError(
            f"objective {objective} compares two augmented views: set transpose, for example."
        )


def check_teacher(objective: str, classes: Sequence[str], instruments: Sequence[str]) -> None:
    """Check that the classes of an audio classifier fit the objective.

    Args:
        objective: a name in `camil.losses.LOSSES`.
        classes: names of the teacher's classes.
        instruments: names of the corpus' instruments.

    Raises:
        ValueError: if the objective uses labels beside the teacher's classes, and they differ.
    """
    if objective == "distill" and tuple(classes) != tuple(instruments):
        raise ValueError(
            f"objective distill needs a teacher that names the instruments of the corpus; the "
            f"classes of pretrained_audio are {', '.join(classes[:3])} and others. Use "
            "distill-clusters."
        )
