"""Speed benchmarks: run each with ``python -m benchmarks.NAME`` from the project's folder.

Quality is measured by the notebooks, whose results are under ``figures/``.
"""

import importlib.util
import sys
from unittest.mock import MagicMock

for name in ("mido", "pretty_midi"):
    # They read MIDI files, which the training benchmarks do not: a machine with PyTorch suffices.
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = MagicMock()
