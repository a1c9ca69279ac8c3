"""Supervised contrastive loss: all segments of the same class are positives."""

import math

import torch
from torch import Tensor, nn

from camil.losses.embeddings import check_batch, cosines, positive
from camil.losses.infonce import sharpness
from camil.losses.objective import Objective
from camil.samplers.batch import Batch


class SupervisedContrastive(Objective):
    """Supervised contrastive loss across modalities.

    ``L = mean over i of -1/|P(i)| Σ_{p in P(i)} log exp(s_ip/τ) / Σ_j exp(s_ij/τ)``, with ``P(i)``
    the audio of MIDI ``i``'s class and ``j`` over the whole batch; averaged with the same from
    audio to MIDI (Khosla et al., 2020, ``L_out``). An anchor's own audio is always among its
    positives, so every anchor has one.

    Args:
        temperature: initial ``τ``, learnt as in `InfoNCE`.

    Shape:
        midi, audio: ``(batch, embedding)``. labels: ``(batch,)`` integers. Returns a scalar, in
        float32 or better.

    Raises:
        ValueError: if the temperature is not positive, or the shapes do not match.
    """

    uses_labels = True

    def __init__(self, temperature: float = 0.07):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-math.log(positive(temperature, "temperature"))))

    def forward(self, midi: Tensor, audio: Tensor, labels: Tensor) -> Tensor:
        check_batch(midi, audio)
        if labels.shape != midi.shape[:1]:
            raise ValueError(f"labels must be ({len(midi)},), got {tuple(labels.shape)}")
        logits = cosines(midi, audio) * sharpness(self.scale)
        same = (labels[:, None] == labels).to(logits.dtype)
        target = same / same.sum(1, keepdim=True)  # symmetric, so the same in both directions
        to_audio = -(target * logits.log_softmax(1)).sum(1).mean()
        to_midi = -(target * logits.T.log_softmax(1)).sum(1).mean()
        return (to_audio + to_midi) / 2

    def on_batch(self, midi: Tensor, audio: Tensor, batch: Batch) -> Tensor:
        return self(midi, audio, batch.labels)


class NotesSupervisedContrastive(SupervisedContrastive):
    """`SupervisedContrastive` between two augmented views of the notes, without audio.

    A control: it has the labels of CAMIL, but no sound.
    """

    uses_audio = False
