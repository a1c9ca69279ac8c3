"""The loss of CAMIL+: instruments at three levels, and General MIDI programs as a second task."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camil.losses.logit_adjustment import LogitAdjustedCrossEntropy

PROGRAMS = 128  # as in camil.midi.instruments, which a room with torch alone cannot import
OTHER = -1  # label of a track of no class


class SongLoss(nn.Module):
    """Sum of logit-adjusted cross-entropies over segments, tracks and tracks in their song.

    ``L = Σ over levels of CE(logits, instrument) + programs * CE(logits', program)``

    A class is a family of instruments: Strings are violins, harps, choirs and timpani. Predicting
    the General MIDI program as a second task (multi-task learning, Caruana, 1997) keeps the network
    from merging what is not alike. Tracks that belong to no class have a program, and count in the
    second task only.

    Args:
        labels, of_program: ``(tracks,)`` int64, class (or -1) and program of each training track.
        classes: number of classes.
        strength: scale of the adjustment, see `LogitAdjustedCrossEntropy`.
        programs: weight of the second task.

    Shape:
        logits: per level ``(segments or tracks, classes)``. program_logits: per level
        ``(segments or tracks, 128)``; not used if their weight is 0. labels, of_program:
        ``(tracks,)``, those of the batch. track: ``(segments,)``, the track of each segment.
        Returns a scalar.
    """

    def __init__(
        self, labels: Tensor, of_program: Tensor, classes: int, strength: float, programs: float
    ):
        super().__init__()
        self.programs = programs
        counts = labels[labels != OTHER].bincount(minlength=classes)
        self.instrument = LogitAdjustedCrossEntropy(counts, strength)
        self.program = LogitAdjustedCrossEntropy(of_program.bincount(minlength=PROGRAMS), strength)

    def forward(
        self,
        logits: Sequence[Tensor],
        program_logits: Sequence[Tensor],
        labels: Tensor,
        of_program: Tensor,
        track: Tensor,
    ) -> Tensor:
        total = torch.zeros((), device=labels.device)
        for level, level_logits in enumerate(logits):
            per_segment = level == 0
            target = labels[track] if per_segment else labels
            known = target != OTHER
            if known.any():
                total = total + self.instrument(level_logits[known], target[known])
            if self.programs:
                target = of_program[track] if per_segment else of_program
                total = total + self.programs * self.program(program_logits[level], target)
        return total
