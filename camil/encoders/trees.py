"""Gradient-boosted trees (GBT) that read hand-crafted features of a song, as tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camil.encoders.song_batch import SongBatch, index_in_song

ROWS = 64  # rows that are read at once, each by all trees: so many fit the cache
LEAF = -1
NEVER = -20.0  # score of a class that does not occur in training


class BoostedTrees(nn.Module):
    """The trees of scikit-learn's `HistGradientBoostingClassifier`, for networks and their files.

    scikit-learn has no file format but pickle, which can run any code when it is loaded. A node is
    a feature, a threshold (of a leaf: its value) and the distance to its right child; its left
    child is the next node. `camil.training.trees` fills them.

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

    def forward(self, features: Tensor) -> Tensor:
        # A missing value goes left at some nodes and right at others: these nodes read one of two
        # copies of the features, in which missing values are below or above every threshold.
        low, high = features.nan_to_num(nan=-torch.inf), features.nan_to_num(nan=torch.inf)
        both = torch.cat([low, high], dim=1)  # (rows, 2 * features)
        # An infinite threshold separates missing values from all others.
        threshold = self.threshold.clamp(max=torch.finfo(torch.float32).max)
        nodes = self._columns(features.shape[1]), threshold, self._children()
        scores = [self._scores(part, *nodes) for part in both.split(ROWS)]
        return torch.cat(scores).log_softmax(1)

    def _columns(self, features: int) -> Tensor:
        """The column that each node reads; leaves read any."""
        column = self.feature.int().clamp(min=0)
        return torch.where(self.missing_left, column, column + features)

    def _children(self) -> Tensor:
        """Left and right child of each node, ``(2 * nodes,)``; those of a leaf are itself."""
        node = torch.arange(len(self.feature), device=self.feature.device, dtype=torch.int32)
        leaf = self.feature == LEAF
        left = torch.where(leaf, node, node + 1)
        return torch.stack([left, torch.where(leaf, node, node + self.right)], dim=1).flatten()

    def _scores(self, features: Tensor, column: Tensor, threshold: Tensor, child: Tensor) -> Tensor:
        """Sums of the leaves' values: ``(rows, classes)``."""
        rows, trees = len(features), len(self.roots)
        node = self.roots.repeat(rows)  # (rows * trees,)
        first = (
            torch.arange(rows, device=node.device, dtype=torch.int32) * features.shape[1]
        ).repeat_interleave(trees)
        values = features.flatten()
        while True:
            value = values.index_select(0, first + column.index_select(0, node))
            right = value > threshold.index_select(0, node)
            below = child.index_select(0, 2 * node + right)
            if torch.equal(below, node):
                break
            node = below
        of_class = self.threshold[node].view(rows, -1, len(self.present)).sum(1)
        scores = self.start.repeat(rows, 1)
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
