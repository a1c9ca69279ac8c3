"""How fast CAMIL is: run each with `python -m benchmarks.NAME` from the project's folder."""

import importlib.util
import sys
from unittest.mock import MagicMock

for name in ("mido", "pretty_midi"):
    # They read MIDI files, of which a benchmark has none: a machine with PyTorch will do.
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = MagicMock()
