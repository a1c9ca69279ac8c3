"""Encoders: networks from piano rolls, mel-spectrograms and songs to embeddings.

``ENCODERS`` maps each value of the parameter ``encoder`` to a MIDI and an audio encoder. To add
one, write two subclasses of `Encoder` with the arguments of `ResNet` in a separate file and add
them here; a package installed beside camil can add one as an entry point of the group
``camil.encoders``.
"""

from typing import NamedTuple

from camil.encoders.classifier import Classifier, load_classifier, save_classifier
from camil.encoders.hub import Encoder, load_encoder, save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder, ResNet
from camil.registry import Registry


class EncoderPair(NamedTuple):
    """The encoders of one architecture, one per modality."""

    midi: type[Encoder]
    audio: type[Encoder]


ENCODERS: Registry[EncoderPair] = Registry(
    "camil.encoders", {"resnet": EncoderPair(MIDIEncoder, AudioEncoder)}
)

__all__ = [
    "ENCODERS",
    "AudioEncoder",
    "Classifier",
    "Encoder",
    "EncoderPair",
    "MIDIEncoder",
    "ResNet",
    "load_classifier",
    "load_encoder",
    "save_classifier",
    "save_encoder",
]
