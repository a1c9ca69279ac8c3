"""Layers of CAMIL+: residual blocks, hand-crafted features and pooling over groups."""

import torch
from torch import Tensor, nn

PIECES = 8  # number of pieces of the piecewise linear encoding


class ResidualBlock(nn.Module):
    """A pre-normalized residual block of two linear layers.

    Shape:
        values: ``(rows, size)``. Returns the same shape.
    """

    def __init__(self, size: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(size),
            nn.Linear(size, 2 * size),
            nn.GELU(),
            nn.Linear(2 * size, size),
            nn.Dropout(dropout),
        )

    def forward(self, values: Tensor) -> Tensor:
        return values + self.layers(values)


class FeatureEncoding(nn.Module):
    """Piecewise linear encoding of hand-crafted features (Gorishniy et al., 2022).

    Each feature becomes ``PIECES`` values: the position in each quantile range of the
    training songs. In training, all features of a row are dropped with probability ``dropout``, so
    that the network does not depend only on them.

    Shape:
        features: ``(rows, features)``, NaN where undefined. Returns ``(rows, size)``.
    """

    def __init__(self, features: int, size: int, dropout: float = 0.2):
        super().__init__()
        self.register_buffer("edges", torch.zeros(features, PIECES + 1))
        self.register_buffer("observed", torch.zeros(features))  # 1 if any training song has it
        self.linear = nn.Linear(features * PIECES, size)
        self.dropout = nn.Dropout(dropout)

    def standardize(self, features: Tensor) -> None:
        """Set the edges to the quantiles of training values; features without any stay unused."""
        for index, values in enumerate(features.T):
            known = values[~values.isnan()]
            if len(known):
                self.edges[index] = quantiles(known, PIECES)
                self.observed[index] = 1

    def forward(self, features: Tensor) -> Tensor:
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        value = features[:, :, None]
        share = ((value - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        share = torch.where(high > low, share, (value >= high).float())
        centred = ((share - 0.5) * 1.5).masked_fill(value.isnan(), 0) * self.observed[:, None]
        kept = self.dropout(features.new_ones(len(features), 1))
        return kept * self.linear(centred.flatten(1))


def quantiles(values: Tensor, pieces: int) -> Tensor:
    """The quantiles 0, 1/pieces, ..., 1, linearly interpolated.

    `torch.quantile` takes at most 16 million values; this has no limit.

    Shape:
        values: ``(values,)`` without NaN. Returns ``(pieces + 1,)`` of the same dtype.
    """
    ordered = values.sort().values
    position = torch.linspace(0, 1, pieces + 1, dtype=torch.float64) * (len(values) - 1)
    below = position.floor().long()
    above = (below + 1).clamp(max=len(values) - 1)
    share = (position - below).to(values.dtype)
    low, high = ordered[below], ordered[above]
    step = high - low
    # From the nearer end, as numpy.quantile interpolates.
    return torch.where(share < 0.5, low + step * share, high - step * (1 - share))


def pool(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Mean, maximum, standard deviation and log size of each group (Zaheer et al., 2017).

    Shape:
        values: ``(rows, size)``. group: ``(rows,)`` int64. Returns ``(groups, 3 * size + 1)``.
    """
    values = values.float()
    count = torch.bincount(group, minlength=groups).clamp(min=1)[:, None]
    where = group[:, None].expand_as(values)
    empty = values.new_zeros(groups, values.shape[1])
    mean = empty.index_add(0, group, values) / count
    most = empty.scatter_reduce(0, where, values, "amax", include_self=False)
    variance = empty.index_add(0, group, values.square()) / count - mean.square()
    return torch.cat([mean, most, variance.clamp(min=1e-6).sqrt(), count.log() / 3], dim=1)
