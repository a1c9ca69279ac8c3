"""Contrastive audio-MIDI learning: instrument recognition from notes.

| task | names |
|---|---|
| label music | `label`, `track_labels`, `skipped`, `repairs`, `write_labelled`, `load_labeller` |
| read notes | `read_midi`, `segments_of`, `piano_roll`, and `INSTRUMENTS`, the classes |
| read the notebooks' results | `Corpus`, `load_encoder`, `load_classifier` |
| build networks | `MIDIEncoder`, `AudioEncoder`, `Classifier` |
| train them | `ContrastiveLoss`, `pairs`, `ClassNegatives`, `RandomNegatives` |

The public names are listed here. Each is imported on first use, so `import camil` is fast.
"""

import importlib

from camil.workbook.environment import set_defaults

set_defaults()  # before torch is imported

_MODULES = {
    "AudioEncoder": "encoders",
    "ClassNegatives": "samplers",
    "Classifier": "encoders",
    "ContrastiveLoss": "losses",
    "Corpus": "corpus",
    "INSTRUMENTS": "midi",
    "MIDIEncoder": "encoders",
    "RandomNegatives": "samplers",
    "label": "labelling.label",
    "load_classifier": "encoders",
    "load_encoder": "encoders",
    "load_labeller": "labelling.networks",
    "pairs": "samplers",
    "piano_roll": "midi",
    "read_midi": "midi",
    "repairs": "labelling.label",
    "segments_of": "midi",
    "skipped": "labelling.label",
    "track_labels": "labelling.label",
    "write_labelled": "labelling.labelled_files",
}
__all__ = list(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'camil' has no attribute {name!r}")
    return getattr(importlib.import_module(f"camil.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
