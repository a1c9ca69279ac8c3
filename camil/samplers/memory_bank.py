"""Memory bank: audio embeddings of earlier batches as further candidates for negatives."""

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A first-in, first-out store of audio embeddings (cross-batch memory, Wang et al., 2020).

    Stored embeddings are detached and not updated; encoders drift slowly enough for that. Beside
    each embedding the bank stores the segment's row in the corpus, never its label. The bank is
    part of the training state: pass it to `camil.training.fit.fit` with the model, and checkpoints
    contain it.

    Args:
        size: embeddings stored; 0 disables the bank.
        embedding: size of an embedding.
    """

    def __init__(self, size: int, embedding: int):
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(size, embedding))
        self.register_buffer("rows", torch.full((size,), -1))  # -1: empty

    def candidates(self, audio: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's audio embeddings, followed by the stored ones.

        Shape:
            audio: ``(batch, embedding)``. rows: ``(batch,)``. Returns the embeddings
            ``(batch + stored, embedding)`` and their rows ``(batch + stored,)``, on the audio's
            device.
        """
        stored = self.rows >= 0
        embeddings = torch.cat([audio, self.embeddings[stored].to(audio.dtype)])
        return embeddings, torch.cat([rows.to(self.rows.device), self.rows[stored]])

    @torch.no_grad()
    def remember(self, audio: Tensor, rows: Tensor) -> None:
        """Store the embeddings of a batch and drop the oldest.

        Shape:
            audio: ``(batch, embedding)``. rows: ``(batch,)``.
        """
        size = len(self.rows)
        if not size:
            return
        new = audio.detach().to(self.embeddings.dtype)
        self.embeddings.copy_(torch.cat([new, self.embeddings])[:size])
        self.rows.copy_(torch.cat([rows.to(self.rows.device), self.rows])[:size])
