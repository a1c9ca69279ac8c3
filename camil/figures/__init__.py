"""Figures of the workbook in one style.

Each function takes arrays and tables (Fig. 1 the networks, a labelled song its `Score`) and returns
a matplotlib Figure; `save` writes it as PDF and PNG. Classes, their order and their colours come
from the keyword ``instruments``, an `InstrumentTable`. Table I is in `camil.evaluation.table1`.
"""

from camil.workbook.extras import optional

optional("matplotlib", "camil.figures")

from camil.figures.architecture import architecture, layers
from camil.figures.class_bars import class_counts, class_scores, feature_ranges
from camil.figures.confusion_matrix import confusion
from camil.figures.corpus_overview import corpus_overview, song_sizes
from camil.figures.data_efficiency import data_efficiency, shrinking
from camil.figures.embedding_map import colourings, joint_space, point_colours
from camil.figures.label_timeline import label_timeline
from camil.figures.loss_curves import pair_costs
from camil.figures.precision_recall import precision_recall
from camil.figures.segment_images import pairs, roll_and_mel
from camil.figures.setting_effects import effects
from camil.figures.song_labels import song_labels
from camil.figures.style import UNCERTAIN, save
from camil.figures.training_curves import training_curves

__all__ = [
    "UNCERTAIN",
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
    "point_colours",
    "precision_recall",
    "roll_and_mel",
    "save",
    "shrinking",
    "song_labels",
    "song_sizes",
    "training_curves",
]
