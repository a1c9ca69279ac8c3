"""Every figure of the workbook, in one style: functions take arrays and tables, return a Figure.

`style` holds colours and `save`; `architecture` draws Fig. 1; `results` what a trained model does
(Fig. 2, the joint space, data efficiency, training curves), `colourings` the joint space in other
colours; `objective` what the loss asks; `music` segments, corpora and tracks; `songs` a song with
its labels.
Table I is written by `camil.evaluation.tables`.
"""

from camil.figures.architecture import architecture, layers
from camil.figures.batches import class_counts, class_scores, feature_ranges, pairs
from camil.figures.colourings import COLOURINGS, colourings
from camil.figures.music import corpus_overview, label_timeline, roll_and_mel
from camil.figures.objective import pair_costs
from camil.figures.questions import effects, shrinking
from camil.figures.results import (
    confusion,
    data_efficiency,
    joint_space,
    training_curves,
    umap_points,
)
from camil.figures.songs import song_labels, song_sizes
from camil.figures.style import COLOURS, NOT_SURE, save

__all__ = [
    "COLOURINGS",
    "COLOURS",
    "NOT_SURE",
    "architecture",
    "class_counts",
    "class_scores",
    "colourings",
    "confusion",
    "corpus_overview",
    "data_efficiency",
    "effects",
    "feature_ranges",
    "joint_space",
    "label_timeline",
    "layers",
    "pair_costs",
    "pairs",
    "roll_and_mel",
    "save",
    "shrinking",
    "song_labels",
    "song_sizes",
    "training_curves",
    "umap_points",
]
