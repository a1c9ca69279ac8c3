"""Which audio is whose negative.

A batch holds segments 0, 1, ...; MIDI ``i`` and audio ``i`` are the same segment (equation 1). A
sampler answers, for every anchor ``i``, with the audio ``j`` to push it away from; it sees neither
embeddings nor inputs. `RandomNegatives` is given the size of the batch and so cannot see a label;
`ClassNegatives` is given the labels. The attribute ``uses_labels`` tells a training loop which.

Draws are made on the generator's device: a CPU generator gives the same negatives on any machine.
"""

from numbers import Integral

import torch
from torch import Generator, Tensor


class RandomNegatives:
    """Any other segment of the batch, whatever its class: ``{(i, j) | i != j}`` (equation 2).

    Args:
        per_anchor: negatives of each anchor, drawn independently (so one may come up twice).

    Shape:
        returns ``(batch, per_anchor)`` of int64, on the generator's device.

    Raises:
        ValueError: if the batch has fewer than two segments, or ``per_anchor`` is below 1.
        TypeError: if given anything but the number of segments, labels above all.
    """

    uses_labels = False

    def __init__(self, per_anchor: int = 1):
        self.per_anchor = _positive(per_anchor)

    def __call__(self, batch: int, generator: Generator | None = None) -> Tensor:
        if not isinstance(batch, Integral):
            raise TypeError(
                "random negatives take the number of segments in the batch and must not see "
                f"labels, got a {type(batch).__name__}"
            )
        if batch < 2:
            raise ValueError(
                f"a batch of {batch} has no pair i != j to draw a negative from (equation 2); "
                "use batches of at least 2 segments"
            )
        device = _device(generator)
        # Going 1 to batch - 1 places on around the circle meets every other segment once.
        places = torch.randint(
            1, batch, (batch, self.per_anchor), generator=generator, device=device
        )
        return (torch.arange(batch, device=device)[:, None] + places) % batch


class ClassNegatives:
    """Any segment of another instrument: ``{(i, j) | c_i != c_j}`` (equation 3).

    Uniform over the segments of the other classes, so a class comes up as often as it occurs.

    Args:
        per_anchor: negatives of each anchor, drawn independently (so one may come up twice).

    Shape:
        labels: ``(batch,)`` of integers; returns ``(batch, per_anchor)`` of int64, on the labels'
        device.

    Raises:
        ValueError: if all segments are of one class (no anchor has a negative then; with two
            classes or more every anchor has one), if labels are not ``(batch,)`` integers, or if
            ``per_anchor`` is below 1.
    """

    uses_labels = True

    def __init__(self, per_anchor: int = 1):
        self.per_anchor = _positive(per_anchor)

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
        # Sorted by class, an anchor's own class is one run; its negatives begin where the run
        # ends and go on around the circle to where the run begins.
        run_begin = torch.searchsorted(by_class, labels)  # (batch,)
        run_end = torch.searchsorted(by_class, labels, right=True)
        others = batch - (run_end - run_begin)
        draws = torch.randint(
            # So many values that the remainder below is uniform to one part in 10^12 and more.
            2**62,
            (batch, self.per_anchor),
            generator=generator,
            device=_device(generator),
        ).to(labels.device)
        return order[(run_end[:, None] + draws % others[:, None]) % batch]


def other_of_group(groups: Tensor, generator: Generator | None = None) -> Tensor:
    """Another segment of the same group for each, every segment being another's exactly once.

    A group is gone through on one random circle, so nobody is left with itself unless alone. Used
    to break pairs without changing what there is: the sounds stay the same ones, as often.

    Shape:
        groups: ``(segments,)``, equal for segments of one group; returns ``(segments,)`` of int64,
        indices into ``groups``, on the CPU.
    """
    partner = torch.empty(len(groups), dtype=torch.int64)
    for group in groups.unique():
        members = (groups == group).nonzero().flatten().cpu()
        circle = members[torch.randperm(len(members), generator=generator)]
        partner[circle] = circle.roll(1)
    return partner


def pairs(
    midi: Tensor, audio: Tensor, negatives: Tensor, candidates: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The positives (equation 1), then every anchor's negatives, ready for `ContrastiveLoss`.

    Shape:
        midi, audio: ``(batch, embedding)``; negatives: ``(batch, per_anchor)``, row ``i`` the
        indices of the audio that anchor ``i`` is pushed away from; candidates: what they are
        indices into, ``(candidates, embedding)``, the batch's audio if left out; returns two
        ``(batch * (1 + per_anchor), embedding)`` and, True for the positives,
        ``(batch * (1 + per_anchor),)`` of bool.

    Raises:
        ValueError: if the three do not have one row an anchor.
    """
    if not (negatives.ndim == 2 and len(midi) == len(audio) == len(negatives)):
        raise ValueError(
            "midi, audio and negatives must have one row an anchor, got "
            f"{tuple(midi.shape)}, {tuple(audio.shape)} and {tuple(negatives.shape)}"
        )
    batch, per_anchor = negatives.shape
    candidates = audio if candidates is None else candidates
    midi_pairs = torch.cat([midi, midi.repeat_interleave(per_anchor, dim=0)])
    # index_select adds up its gradient in a fixed order, indexing with [] does not.
    chosen = candidates.index_select(0, negatives.to(audio.device).flatten())
    audio_pairs = torch.cat([audio, chosen])
    matching = torch.arange(len(midi_pairs), device=midi.device) < batch
    return midi_pairs, audio_pairs, matching


def _positive(per_anchor: int) -> int:
    if per_anchor < 1:
        raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
    return per_anchor


def _device(generator: Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _check_labels(labels: Tensor) -> None:
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must be (batch,) and not empty, got {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be class numbers (integers), got {labels.dtype}")
