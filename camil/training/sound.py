"""Training of an audio encoder on sound alone: no notes and no labels."""

from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from camil.losses import InfoNCE
from camil.samplers import SameTrack
from camil.training.devices import spread
from camil.training.embed import embed


class Sounds(Protocol):
    """The data of this training: `camil.corpus.Corpus`, or a class with the same members."""

    device: torch.device
    tracks: Tensor

    def mels(self, rows: Tensor) -> Tensor:
        """``(rows, 1, 128, 282)`` float32."""


class SoundPretraining:
    """An audio encoder that finds the other segment of the same track among those of a batch.

    Args:
        data: the corpus.
        encoder: reads the mel-spectrograms; its embeddings must be on the unit sphere.
        loss: compares the embeddings of the anchors with those of their partners.

    Attributes:
        modules: all that is trained, for `camil.training.fit.fit`.
    """

    def __init__(self, data: Sounds, encoder: nn.Module, loss: InfoNCE):
        self.data, self.encoder, self.loss = data, encoder, loss
        self.partner = SameTrack(data.tracks)
        self.modules = nn.ModuleList([encoder, loss])

    def step(self, rows: Tensor, generator: Generator) -> Tensor:
        """The loss of one batch of segments, as `fit` calls it."""
        both = torch.cat([rows.cpu(), self.partner(rows, generator)])
        # Together, so that batch normalization does not tell anchors from partners.
        anchors, partners = spread(self.encoder, self.data.mels, both).chunk(2)
        return self.loss(anchors, partners, self._different(rows))

    @torch.no_grad()
    def validation_loss(self, rows: Tensor, batch_size: int, seed: int) -> dict[str, float]:
        """The loss of the validation segments, always in the same batches with the same partners.

        Args:
            rows: ``(rows,)`` int64.
        """
        generator = torch.Generator().manual_seed(seed)
        rows = rows.cpu()[torch.randperm(len(rows), generator=generator)]
        anchors = embed(self.encoder, self.data.mels, rows)
        partners = embed(self.encoder, self.data.mels, self.partner(rows, generator))
        size = min(batch_size, len(rows))
        parts = torch.arange(len(rows) // size * size).split(size)
        losses = [
            self.loss(anchors[part], partners[part], self._different(rows[part])) for part in parts
        ]
        return {"validation_loss": torch.stack(losses).mean().item()}

    def _different(self, rows: Tensor) -> Tensor:
        return self.partner.different(rows).to(self.data.device)
