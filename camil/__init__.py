"""Contrastive audio-MIDI learning: which instrument was this part written for?

| to | there is |
|---|---|
| label music | `label`, `track_labels`, `skipped`, `write_labelled`, `load_labeller` |
| read notes | `read_midi`, `segments_of`, `piano_roll`, and `INSTRUMENTS`, the classes |
| read what notebooks left | `Corpus`, `load_encoder`, `load_classifier` |
| build networks | `MIDIEncoder`, `AudioEncoder`, `Classifier` |
| train them | `ContrastiveLoss`, `pairs`, `ClassNegatives`, `RandomNegatives` |

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
    "piano_roll": "midi",
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
