"""Losses: one file per loss, and ``LOSSES``, the objectives that ``02_pretrain`` can train by.

| objective | class | negatives |
|---|---|---|
| ``contrastive`` | `ContrastiveLoss` (the CAMIL paper) | drawn by a sampler |
| ``triplet`` | `TripletLoss` | drawn by a sampler |
| ``infonce`` | `InfoNCE` | the whole batch |
| ``sigmoid`` | `SigmoidPairs` | the whole batch |
| ``supcon`` | `SupervisedContrastive` | all segments of other classes |
| ``midi-supcon`` | `NotesSupervisedContrastive` | the same, without audio |
| ``distill`` | `SoftLabels` | none |
| ``distill-embedding`` | `EmbeddingDistillation` | none |
| ``distill-clusters`` | `TeacherClasses` | none |

To add one, write a subclass of `Objective` in a separate file and add it to ``LOSSES``; a package
installed beside camil can add one as an entry point of the group ``camil.losses``. Its constructor
receives those parameters of ``02_pretrain`` that it has arguments for.

`LogitAdjustedCrossEntropy` and `SongLoss` train classifiers and are not in the registry.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from camil.losses.contrastive import ContrastiveLoss
from camil.losses.distillation import EmbeddingDistillation, SoftLabels, TeacherClasses
from camil.losses.infonce import InfoNCE
from camil.losses.logit_adjustment import LogitAdjustedCrossEntropy
from camil.losses.objective import Objective
from camil.losses.sigmoid import SigmoidPairs
from camil.losses.songs import SongLoss
from camil.losses.supcon import NotesSupervisedContrastive, SupervisedContrastive
from camil.losses.triplet import TripletLoss
from camil.registry import Registry

LOSSES: Registry[type[Objective]] = Registry(
    "camil.losses",
    {
        "contrastive": ContrastiveLoss,
        "triplet": TripletLoss,
        "infonce": InfoNCE,
        "sigmoid": SigmoidPairs,
        "supcon": SupervisedContrastive,
        "midi-supcon": NotesSupervisedContrastive,
        "distill": SoftLabels,
        "distill-embedding": EmbeddingDistillation,
        "distill-clusters": TeacherClasses,
    },
)

__all__ = [
    "LOSSES",
    "ContrastiveLoss",
    "EmbeddingDistillation",
    "InfoNCE",
    "LogitAdjustedCrossEntropy",
    "NotesSupervisedContrastive",
    "Objective",
    "SigmoidPairs",
    "SoftLabels",
    "SongLoss",
    "SupervisedContrastive",
    "TeacherClasses",
    "TripletLoss",
    "build_loss",
]


def build_loss(objective: str, parameters: Mapping[str, Any]) -> Objective:
    """Build a loss of ``LOSSES`` from the parameters that its constructor has arguments for.

    Args:
        objective: a name in ``LOSSES``.
        parameters: all parameters of the notebook; the others are ignored.

    Raises:
        KeyError: if the objective is unknown.
        ValueError: if a parameter is invalid for the loss.
    """
    kind = LOSSES[objective]
    accepted = inspect.signature(kind).parameters.keys() & parameters.keys()
    return kind(**{name: parameters[name] for name in accepted})
