"""Predict the pitch of hidden notes from embeddings of CAMIL+."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from camil.encoders.song import LENGTHS, Reading
from camil.encoders.song_batch import PITCHES, SEGMENT_STEPS


class NotePredictor(nn.Module):
    """The pitch of a note, given its onset and length, from its segment and its track in the song.

    Args:
        size: embedding size.

    Shape:
        embedded: a `Reading` of embeddings. track: ``(segments,)`` int64, the track of each
        segment. onset, length, segment: ``(hidden,)`` int64, see
        `camil.corpus.hidden_notes.HiddenNotes`. Returns logits, ``(hidden, 84)``.
    """

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("lengths", torch.tensor(LENGTHS), persistent=False)
        self.onset = nn.Embedding(SEGMENT_STEPS, 32)
        self.length = nn.Embedding(len(LENGTHS) + 1, 12)
        self.layer = nn.Linear(2 * size + 32 + 12, 2 * size)
        self.pitch = nn.Linear(2 * size, PITCHES)

    def forward(
        self, embedded: Reading, track: Tensor, onset: Tensor, length: Tensor, segment: Tensor
    ) -> Tensor:
        # index_select sums its gradient in a fixed order; indexing with [] does not.
        inputs = (
            embedded.segment.index_select(0, segment),
            embedded.song.index_select(0, track[segment]),
            self.onset(onset),
            self.length(torch.bucketize(length, self.lengths)),
        )
        return self.pitch(gelu(self.layer(torch.cat(inputs, dim=1))))
