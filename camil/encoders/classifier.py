"""Classifier: a linear layer on an encoder's embedding."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from camil.encoders.hub import (
    Encoder,
    description_of,
    encoder_from,
    read_tensors,
    rebuild,
    write_tensors,
)


class Classifier(nn.Module):
    """A linear layer on an encoder's embedding, one output per class.

    Args:
        encoder: the encoder, shared and not copied.
        classes: class names, in the order of the outputs.
        velocity: whether the encoder's piano rolls show velocities.
        instruments: the instrument table of the classes as JSON, for programs and colours; None if
            it is not known.

    Attributes:
        temperature: divisor of a segment's logits that calibrates its probabilities; see
            `camil.evaluation.calibration`.
        track_temperature: the same for the votes of a track's segments.

    Shape:
        Input as the encoder's. Returns logits ``(batch, classes)``.

    Raises:
        ValueError: if there are fewer than two classes or a name occurs twice.
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: Sequence[str],
        velocity: bool = False,
        instruments: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.instruments = instruments
        self.velocity, self.temperature, self.track_temperature = velocity, 1.0, 1.0
        self.classes = tuple(classes)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must be two or more different names, got {self.classes}")
        self.encoder = encoder
        self.head = nn.Linear(encoder.config["embedding"], len(self.classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))


def save_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a classifier with its encoder and class names; see `camil.encoders.save_encoder`."""
    description = {
        "encoder": description_of(classifier.encoder),
        "classes": classifier.classes,
        "velocity": classifier.velocity,
        "temperature": classifier.temperature,
        "track_temperature": classifier.track_temperature,
        "instruments": classifier.instruments,
    }
    write_tensors(Path(path), classifier.state_dict(), "classifier", description)


def load_classifier(path: str | Path) -> Classifier:
    """Read a classifier, on the CPU and in evaluation mode; raises as `load_encoder` does."""
    tensors, description = read_tensors(Path(path), "classifier")
    classifier = rebuild(
        Path(path),
        tensors,
        lambda: Classifier(encoder_from(description["encoder"]), description["classes"]),
    )
    # Files of earlier versions lack some of these; they keep the defaults.
    for name in ("velocity", "temperature", "track_temperature", "instruments"):
        setattr(classifier, name, description.get(name, getattr(classifier, name)))
    return classifier
