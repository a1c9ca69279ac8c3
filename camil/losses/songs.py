"""The loss of CAMIL+: instruments at three levels, and General MIDI programs as a second task."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camil.losses.logit_adjustment import LogitAdjustedCrossEntropy

PROGRAMS = 128  # number of General MIDI programs
LEVELS = 3  # segment, track, track in its song


class SongLoss(nn.Module):
    """Sum of logit-adjusted cross-entropies over segments, tracks and tracks in their song.

    ``L = Σ over levels of CE(logits, instrument) + programs * CE(logits', program)``

    A class is a family of instruments: Strings are violins, harps, choirs and timpani. Predicting
    the General MIDI program as a second task (multi-task learning, Caruana, 1997) keeps the network
    from merging what is not alike. The layers that predict programs serve training only.

    Args:
        size: size of the embeddings, as in `camil.encoders.song.SongEncoder`.
        labels, of_program: ``(tracks,)`` int64, class and program of each training track.
        classes: number of classes.
        strength: scale of the adjustment, see `LogitAdjustedCrossEntropy`.
        programs: weight of the second task.

    Shape:
        logits: per level ``(segments or tracks, classes)``. embedded: per level
        ``(segments or tracks, size)``. labels, of_program: ``(tracks,)``, those of the batch.
        track: ``(segments,)``, the track of each segment. Returns a scalar.
    """

    def __init__(
        self,
        size: int,
        labels: Tensor,
        of_program: Tensor,
        classes: int,
        strength: float,
        programs: float,
    ):
        super().__init__()
        self.programs = programs
        self.instrument = LogitAdjustedCrossEntropy(labels.bincount(minlength=classes), strength)
        self.program = LogitAdjustedCrossEntropy(of_program.bincount(minlength=PROGRAMS), strength)
        self.heads = nn.ModuleList(nn.Linear(size, PROGRAMS) for _ in range(LEVELS))

    def forward(
        self,
        logits: Sequence[Tensor],
        embedded: Sequence[Tensor],
        labels: Tensor,
        of_program: Tensor,
        track: Tensor,
    ) -> Tensor:
        total = torch.zeros((), device=labels.device)
        levels = zip(self.heads, logits, embedded, strict=True)
        for level, (head, level_logits, values) in enumerate(levels):
            per_segment = level == 0
            total = total + self.instrument(level_logits, labels[track] if per_segment else labels)
            if self.programs:
                target = of_program[track] if per_segment else of_program
                total = total + self.programs * self.program(head(values), target)
        return total
