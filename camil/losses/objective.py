"""The interface of all objectives that ``02_pretrain`` can train by."""

from torch import Tensor, nn

from camil.samplers.batch import Batch


class Objective(nn.Module):
    """A loss of one batch of MIDI and audio embeddings.

    Attributes:
        uses_labels: whether the loss reads class labels; such an objective requires
            ``negatives: class``.
        teacher: target of the loss instead of trainable audio embeddings: "classifier" for
            the logits of an audio classifier, "encoder" for the embeddings of its encoder, "" for
            no teacher.
        uses_audio: False if the second argument of `on_batch` is a second augmented view of the
            notes.
    """

    uses_labels: bool = False
    teacher: str = ""
    uses_audio: bool = True

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        """The loss of one batch.

        Shape:
            midi, audio: ``(batch, embedding)``. Returns a scalar.
        """
        raise NotImplementedError
