"""Contrastive audio-MIDI learning: which instrument was this part written for?

What others build on is listed here; each name is imported when it is first used, so that
`import camil` costs nothing.
"""

import importlib

_ROOMS = {
    "AudioEncoder": "encoders",
    "Classifier": "encoders",
    "ClassNegatives": "samplers",
    "ContrastiveLoss": "losses",
    "Corpus": "corpus",
    "INSTRUMENTS": "midi",
    "MIDIEncoder": "encoders",
    "RandomNegatives": "samplers",
    "label": "labelling",
    "load_classifier": "encoders",
    "load_encoder": "encoders",
    "load_labeller": "labellers",
    "pairs": "samplers",
    "read_midi": "midi",
    "segments_of": "midi",
    "skipped": "labelling",
    "track_labels": "labelling",
    "write_labelled": "programs",
}
__all__ = list(_ROOMS)


def __getattr__(name: str):
    if name not in _ROOMS:
        raise AttributeError(f"module 'camil' has no attribute {name!r}")
    return getattr(importlib.import_module(f"camil.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
