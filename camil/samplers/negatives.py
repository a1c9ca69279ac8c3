"""Random and class-based negatives (equations 2 and 3 of the CAMIL paper).

A batch holds segments 0, 1, ...; MIDI ``i`` and audio ``i`` belong to the same segment
(equation 1). For every anchor ``i`` a sampler returns indices ``j`` of negative audio. It uses
neither embeddings nor inputs. `RandomNegatives` receives only the batch size, `ClassNegatives` the
labels; the attribute ``uses_labels`` is True for samplers of the second kind.

Draws are made on the generator's device: a CPU generator gives the same negatives on any machine.
"""

from numbers import Integral

import torch
from torch import Generator, Tensor


class RandomNegatives:
    """Uniform draws from the other segments of the batch: ``{(i, j) | i != j}`` (equation 2).

    Args:
        per_anchor: negatives per anchor, drawn independently (so one may occur twice).

    Shape:
        Returns ``(batch, per_anchor)`` int64, on the generator's device.

    Raises:
        ValueError: if the batch has fewer than two segments, or ``per_anchor`` is below 1.
        TypeError: if given anything but the number of segments, labels in particular.
    """

    uses_labels = False

    def __init__(self, per_anchor: int = 1):
        self.per_anchor = _at_least_one(per_anchor)

    def __call__(self, batch: int, generator: Generator | None = None) -> Tensor:
        if not isinstance(batch, Integral):
            raise TypeError(
                "random negatives take the number of segments in the batch and must not use "
                f"labels, got a {type(batch).__name__}"
            )
        if batch < 2:
            raise ValueError(
                f"a batch of {batch} has no pair i != j to draw a negative from (equation 2); "
                "use batches of at least 2 segments"
            )
        device = _device(generator)
        # An offset of 1 to batch - 1, modulo batch, reaches every other segment exactly once.
        offsets = torch.randint(
            1, batch, (batch, self.per_anchor), generator=generator, device=device
        )
        return (torch.arange(batch, device=device)[:, None] + offsets) % batch


class ClassNegatives:
    """Uniform draws from the segments of other classes: ``{(i, j) | c_i != c_j}`` (equation 3).

    A class is drawn in proportion to its frequency in the batch.

    Args:
        per_anchor: negatives per anchor, drawn independently (so one may occur twice).

    Shape:
        labels: ``(batch,)`` integers. Returns ``(batch, per_anchor)`` int64, on the labels' device.

    Raises:
        ValueError: if all segments are of one class (then no anchor has a negative; with two
            classes or more every anchor has one), if labels are not ``(batch,)`` integers, or if
            ``per_anchor`` is below 1.
    """

    uses_labels = True

    def __init__(self, per_anchor: int = 1):
        self.per_anchor = _at_least_one(per_anchor)

    def __call__(self, labels: Tensor, generator: Generator | None = None) -> Tensor:
        _check_labels(labels)
        batch = len(labels)
        labels = labels.contiguous()  # searchsorted warns otherwise
        by_class, order = labels.sort(stable=True)
        if by_class[0] == by_class[-1]:
            raise ValueError(
                f"all {batch} segments of the batch are of class {labels[0].item()}, so no anchor "
                "has a negative of another class (equation 3); draw batches from several classes, "
                "or use random negatives"
            )
        # Sorted by class, an anchor's own class is one run. Its negatives start where the run ends
        # and continue, modulo batch, to where the run begins.
        run_begin = torch.searchsorted(by_class, labels)  # (batch,)
        run_end = torch.searchsorted(by_class, labels, right=True)
        others = batch - (run_end - run_begin)
        draws = torch.randint(
            # Large enough for the remainder below to be uniform to better than one part in 10^12.
            2**62,
            (batch, self.per_anchor),
            generator=generator,
            device=_device(generator),
        ).to(labels.device)
        return order[(run_end[:, None] + draws % others[:, None]) % batch]


def _at_least_one(per_anchor: int) -> int:
    if per_anchor < 1:
        raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
    return per_anchor


def _device(generator: Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _check_labels(labels: Tensor) -> None:
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must be (batch,) and not empty, got {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be class indices (integers), got {labels.dtype}")
