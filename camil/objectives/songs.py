"""What CAMIL+ is trained by: instruments at three levels, and the programs behind them."""

import torch
from torch import Tensor, nn

from camil.objectives.imbalance import LogitAdjustedCrossEntropy
from camil.song_encoder import LEVELS, Reading

PROGRAMS = 128  # of General MIDI


class SongObjective(nn.Module):
    """Logit-adjusted cross-entropy of segments, tracks and tracks in their song, added up.

    ``L = sum over levels of CE(logits, instrument) + programs * CE(logits', program)``

    An instrument is a family of sounds: Strings are violins, harps, choirs and timpani. To tell
    General MIDI programs apart as well (multi-task learning, Caruana, 1997) spares the network from
    making alike what is not. The layers that name programs serve training only.

    Args:
        size: of the embeddings, as `SongEncoder` has it.
        labels, of_program: ``(tracks,)`` of int64, class and program of each training track.
        classes: how many.
        strength: how much rarity counts, see `LogitAdjustedCrossEntropy`.
        programs: weight of the second term.

    Shape:
        reading: of `SongEncoder.read`; embedded: of `SongEncoder.embed`; labels, of_program: of
        the batch's tracks, ``(tracks,)``; track: ``(segments,)``, the track of each; returns a
        scalar.
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
        self.heads = nn.ModuleDict({name: nn.Linear(size, PROGRAMS) for name in LEVELS})

    def forward(
        self, reading: Reading, embedded: Reading, labels: Tensor, of_program: Tensor, track: Tensor
    ) -> Tensor:
        total = torch.zeros((), device=labels.device)
        for name, logits, values in zip(LEVELS, reading, embedded, strict=True):
            of_segment = name == "segment"
            total = total + self.instrument(logits, labels[track] if of_segment else labels)
            if self.programs:
                true = of_program[track] if of_segment else of_program
                total = total + self.programs * self.program(self.heads[name](values), true)
        return total
