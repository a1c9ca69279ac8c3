"""Pairs of MIDI and audio embeddings: which are admissible as negatives, and how to stack them."""

import torch
from torch import Generator, Tensor


def admissible(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Mask of admissible negatives: equation (2) if given rows, equation (3) if given labels.

    Shape:
        anchors: ``(batch,)``. candidates: ``(candidates,)``. Returns ``(batch, candidates)`` bool,
        True where the two differ.
    """
    return anchors[:, None] != candidates


def other_of_group(groups: Tensor, generator: Generator | None = None) -> Tensor:
    """Permute the segments within each group so that none keeps its own index.

    Each group is put on one random cycle, so every segment is assigned exactly once and only a
    group of one keeps itself. This breaks the pairing of notes and audio without changing which
    audio occurs, or how often (the control ``shuffled`` of ``02_pretrain``).

    Shape:
        groups: ``(segments,)``, equal within a group. Returns ``(segments,)`` int64 indices into
        ``groups``, on the CPU.
    """
    partner = torch.empty(len(groups), dtype=torch.int64)
    for group in groups.unique():
        members = (groups == group).nonzero().flatten().cpu()
        cycle = members[torch.randperm(len(members), generator=generator)]
        partner[cycle] = cycle.roll(1)
    return partner


def pairs(
    midi: Tensor, audio: Tensor, negatives: Tensor, candidates: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Stack the positive pairs (equation 1) and all negative pairs for `ContrastiveLoss`.

    Args:
        negatives: for each anchor, the indices of its negatives in ``candidates``.
        candidates: audio embeddings that ``negatives`` refers to; by default the batch's audio.

    Shape:
        midi, audio: ``(batch, embedding)``. negatives: ``(batch, per_anchor)`` int64. candidates:
        ``(candidates, embedding)``. Returns two tensors ``(batch * (1 + per_anchor), embedding)``
        and ``(batch * (1 + per_anchor),)`` bool, True for the positives, which come first.

    Raises:
        ValueError: if midi, audio and negatives differ in their number of rows.
    """
    if not (negatives.ndim == 2 and len(midi) == len(audio) == len(negatives)):
        raise ValueError(
            "midi, audio and negatives must have one row per anchor, got "
            f"{tuple(midi.shape)}, {tuple(audio.shape)} and {tuple(negatives.shape)}"
        )
    batch, per_anchor = negatives.shape
    candidates = audio if candidates is None else candidates
    midi_pairs = torch.cat([midi, midi.repeat_interleave(per_anchor, dim=0)])
    # index_select sums its gradient in a fixed order; indexing with [] does not.
    chosen = candidates.index_select(0, negatives.to(audio.device).flatten())
    audio_pairs = torch.cat([audio, chosen])
    matching = torch.arange(len(midi_pairs), device=midi.device) < batch
    return midi_pairs, audio_pairs, matching
