"""The contrastive loss of a pair against its distance."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from camil.figures.style import COLUMN, MIDI, PAGE, WRONG, styled
from camil.losses.contrastive import ContrastiveLoss

FARTHEST = 2.0  # largest distance on the unit sphere


@styled
def pair_costs(margins: Sequence[float]) -> Figure:
    """Loss of a positive and of a negative pair against their distance, one panel per margin.

    Args:
        margins: margins of `camil.losses.contrastive.ContrastiveLoss`, in embedding units.

    Raises:
        ValueError: if there is no margin, or one is not positive.
    """
    if not margins:
        raise ValueError("pair_costs needs at least one margin, got none.")
    distance = np.linspace(0, FARTHEST, 201)
    figure, row = plt.subplots(
        1, len(margins), sharey=True, squeeze=False,
        figsize=(COLUMN if len(margins) == 1 else PAGE, 2.1),
    )  # fmt: skip
    for axes, margin in zip(row[0], margins, strict=True):
        positive, negative = (_losses(margin, distance, matching) for matching in (True, False))
        axes.plot(distance, positive, color=MIDI, label="positive pair: pulled together")
        axes.plot(distance, negative, color=WRONG, linestyle="--",
                  label="negative pair: pushed apart")  # fmt: skip
        axes.axvspan(min(margin, FARTHEST), FARTHEST, color="0.93", linewidth=0)
        axes.axvline(margin, color="0.4", linewidth=0.6)
        axes.set(title=f"margin {margin:g}", xlabel="distance", xlim=(0, FARTHEST), ylim=(0, 4))
        axes.set_xticks((0, 0.5, 1, 1.5, 2))
    row[0][0].set_ylabel("loss of the pair")
    handles = row[0][0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _losses(margin: float, distance: np.ndarray, matching: bool) -> list[float]:
    """`ContrastiveLoss` of two points at each distance."""
    loss = ContrastiveLoss(margin)
    origin = torch.zeros(1, 1)
    return [loss(origin, origin + d, torch.tensor([matching])).item() for d in distance.tolist()]
