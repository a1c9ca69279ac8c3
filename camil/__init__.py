"""Contrastive audio-MIDI learning: which instrument was this part written for?"""

from importlib import import_module

__all__ = ["AudioEncoder", "Classifier", "MIDIEncoder", "load_classifier", "load_encoder"]


def __getattr__(name: str):
    # Loaded when asked for: reading MIDI and audio needs no torch.
    if name in __all__:
        return getattr(import_module("camil.encoders"), name)
    raise AttributeError(f"module 'camil' has no attribute {name!r}")
