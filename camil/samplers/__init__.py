"""Samplers: the audio segments that serve as negatives for each MIDI anchor.

``SAMPLERS`` maps each value of the parameter ``negatives`` to a sampler. To add one, write a class
with the interface of `RandomNegatives` in a separate file and add it here; a package installed
beside camil can add one as an entry point of the group ``camil.samplers``.
"""

from camil.registry import Registry
from camil.samplers.batch import Batch
from camil.samplers.hard import HardNegatives
from camil.samplers.memory_bank import MemoryBank
from camil.samplers.negatives import ClassNegatives, RandomNegatives
from camil.samplers.pairs import admissible, other_of_group, pairs
from camil.samplers.positives import SameTrack

SAMPLERS = Registry("camil.samplers", {"class": ClassNegatives, "random": RandomNegatives})

__all__ = [
    "SAMPLERS",
    "Batch",
    "ClassNegatives",
    "HardNegatives",
    "MemoryBank",
    "RandomNegatives",
    "SameTrack",
    "admissible",
    "other_of_group",
    "pairs",
]
