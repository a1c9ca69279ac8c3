"""Gradient-boosted trees (GBT) that read hand-crafted features of a song, as tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camil.encoders.song_batch import SongBatch, index_in_song

ROWS = 1024  # rows that are read at once, each by all trees
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
