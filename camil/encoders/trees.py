"""Gradient-boosted trees (GBT) that read hand-crafted features of a song, as tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from camil.encoders.song_batch import SongBatch, index_in_song

ROWS = 1024  # rows that are read at once, each by all trees
LEAF = -1
NEVER = -20.0  # score of a class that does not occur in training


class BoostedTrees(nn.Module):
    """The trees of a `HistGradientBoostingClassifier`, for files and networks of this package.

    scikit-learn has no file format but pickle, which can run any code when it is loaded. A node is
    a feature, a threshold (of a leaf: its value) and the distance to its right child; its left
    child is the next node.

    Args:
        trees: number of trees, a multiple of the present classes, which take turns.
        nodes: number of nodes of all trees.
        present: the classes that occur in training, ascending.
        classes: number of classes, present or not.

    Shape:
        features: ``(rows, features)`` float32, NaN where undefined. Returns log-probabilities
        ``(rows, classes)`` float32.
    """

    def __init__(self, trees: int, nodes: int, present: Sequence[int], classes: int):
        super().__init__()
        self.present = list(present)
        self.config = {
            "trees": trees, "nodes": nodes, "present": self.present, "classes": classes,
        }  # fmt: skip
        self.register_buffer("roots", torch.zeros(trees, dtype=torch.int32))
        self.register_buffer("feature", torch.full((nodes,), LEAF, dtype=torch.int16))
        self.register_buffer("threshold", torch.zeros(nodes))
        self.register_buffer("right", torch.zeros(nodes, dtype=torch.int16))
        self.register_buffer("missing_left", torch.zeros(nodes, dtype=torch.bool))
        self.register_buffer("start", torch.full((classes,), NEVER))

    @classmethod
    def from_sklearn(cls, classifier: Any, log_prior: Sequence[float]) -> "BoostedTrees":
        """Copy a fitted classifier.

        Args:
            classifier: a fitted `HistGradientBoostingClassifier`, with float32 features, none of
                them categorical, and three or more classes, by their indices.
            log_prior: ``(classes,)``, subtracted from the scores: the logit adjustment of
                `camil.losses.LogitAdjustedCrossEntropy`, after training.

        Raises:
            ValueError: if there are fewer classes, or categorical features.
        """
        rounds: Any = classifier._predictors  # no public name, see tests/test_trees.py
        present = [int(index) for index in classifier.classes_]
        if len(present) < 3:
            raise ValueError(f"trees need three or more classes in training, got {len(present)}")
        tables = [tree.nodes for trees in rounds for tree in trees]
        if any(table["is_categorical"].any() for table in tables):
            raise ValueError("categorical features are not supported")
        first = np.cumsum([0, *map(len, tables)])
        nodes = np.concatenate(tables)
        leaf = nodes["is_leaf"].astype(bool)
        found = cls(len(tables), len(nodes), present, len(log_prior))
        found.roots.copy_(torch.from_numpy(first[:-1]))
        found.feature.copy_(torch.from_numpy(np.where(leaf, LEAF, nodes["feature_idx"])))
        values = np.where(leaf, nodes["value"], _not_above(nodes["num_threshold"]))
        found.threshold.copy_(torch.from_numpy(values))
        right = nodes["right"] - np.concatenate([np.arange(len(table)) for table in tables])
        found.right.copy_(torch.from_numpy(np.where(leaf, 0, right)))
        found.missing_left.copy_(torch.from_numpy(nodes["missing_go_to_left"].astype(bool)))
        start = classifier._baseline_prediction.ravel() - np.asarray(log_prior)[present]
        found.start[present] = torch.from_numpy(start).float()
        return found

    def forward(self, features: Tensor) -> Tensor:
        scores = [self._scores(part) for part in features.split(ROWS)]
        return torch.cat(scores).log_softmax(1)

    def _scores(self, features: Tensor) -> Tensor:
        """Sums of the leaves' values: ``(rows, classes)``."""
        node = self.roots.long().expand(len(features), -1)  # (rows, trees)
        while ((feature := self.feature[node].long()) != LEAF).any():
            value = features.gather(1, feature.clamp(min=0))
            left = torch.where(
                value.isnan(), self.missing_left[node], value <= self.threshold[node]
            )
            next_node = node + torch.where(left, 1, self.right[node])
            node = torch.where(feature == LEAF, node, next_node)
        of_class = self.threshold[node].unflatten(1, (-1, len(self.present))).sum(1)
        scores = self.start.repeat(len(features), 1)
        scores[:, self.present] += of_class
        return scores


def features_of(batch: SongBatch, level: str) -> Tensor:
    """The hand-crafted features that trees read at a level.

    Args:
        level: "segment", "track", or "song": a track among the other tracks of its song.

    Returns:
        ``(segments, 52)``, ``(tracks, 133)`` or ``(tracks, 177)`` float32.
    """
    if level == "segment":
        return torch.cat([batch.of_segment, batch.tempo[:, None]], dim=1)
    if level == "track":
        return torch.cat([batch.of_track, batch.own], dim=1)
    index, count = index_in_song(batch)
    order = torch.stack([index / (count - 1).clamp(min=1), index, count], dim=1)
    return torch.cat([batch.of_track, batch.of_song, batch.own, batch.among, order], dim=1)


def _not_above(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each float64, so that float32 values compare alike."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
