"""Pre-training of CAMIL+ without labels: on hidden notes, or against the sound of the parts."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from camil.encoders.note_predictor import NotePredictor
from camil.encoders.song import LEVELS, SONGS_PER_BATCH, SongCollection, SongEncoder
from camil.encoders.song_batch import SongBatch
from camil.losses.contrastive import ContrastiveLoss
from camil.losses.embeddings import on_sphere
from camil.samplers.negatives import RandomNegatives
from camil.samplers.pairs import pairs
from camil.training.fit import fit

NEGATIVES = 4  # other sounds per segment or track, as in 02_pretrain
# Arguments of `fit` for a network that reads songs, as in 11_songs.
SONG_TRAINING = {
    "batch_size": 32,
    "learning_rate": 0.002,
    "schedule": "warmup",
    "settings": {},
    "unit": "songs",
}


# From a batch and a generator to the batch without some notes, and pitch, onset, length and segment
# of these, each (hidden,).
Hide = Callable[[SongBatch, Generator], tuple[SongBatch, tuple[Tensor, Tensor, Tensor, Tensor]]]


class Task(Protocol):
    """An objective of pre-training, with its own trainable layers."""

    def __call__(self, network: SongEncoder, batch: SongBatch, generator: Generator) -> Tensor:
        """The loss of a batch on the CPU: a scalar on the device of the layers."""


class HiddenNotesTask(nn.Module):
    """Predict the pitches of hidden notes (masked modelling; for text BERT, Devlin et al., 2019).

    ``L = E over hidden notes of CE(logits, pitch)``

    Args:
        size: of the network's embeddings.
        hide: hides notes of a batch; `camil.corpus.hidden_notes.hide_notes` with its share.
    """

    def __init__(self, size: int, hide: Hide):
        super().__init__()
        self.hide, self.predictor = hide, NotePredictor(size)

    def forward(self, network: SongEncoder, batch: SongBatch, generator: Generator) -> Tensor:
        device = next(self.parameters()).device
        remaining, hidden = self.hide(batch, generator)
        remaining = remaining.to(device)
        pitch, *given = (column.to(device) for column in hidden)
        logits = self.predictor(network.embed(remaining), remaining.track, *given)
        return cross_entropy(logits.float(), pitch)


class SoundTask(nn.Module):
    """Bring parts near their own sound and away from others (equation 4 of the CAMIL paper).

    ``L = Σ over levels of E[z d² + (1 - z) max(0, 1 - d)²]``, with ``d`` the distance of a segment,
    a track or a track in its song, projected, from a sound. Negatives are the sounds of other
    segments or tracks of the batch, drawn without labels; a batch of one has none.

    Args:
        size: of the network's embeddings.
        sounds: ``(segments, embedding)``, embedding of each segment's audio by a frozen encoder.
            The sound of a track is the normalized mean of its segments'.
        track_of: ``(segments,)`` int64, the track of each segment.
    """

    def __init__(self, size: int, sounds: Tensor, track_of: Tensor):
        super().__init__()
        sounds = on_sphere(sounds.cpu())
        tracks = torch.zeros(int(track_of[-1]) + 1, sounds.shape[1])
        tracks = on_sphere(tracks.index_add(0, track_of, sounds))
        self.register_buffer("of_segments", sounds, persistent=False)
        self.register_buffer("of_tracks", tracks, persistent=False)
        self.projections = nn.ModuleDict(
            {level: nn.Linear(size, sounds.shape[1]) for level in LEVELS}
        )
        self.loss, self.negatives = ContrastiveLoss(), RandomNegatives(NEGATIVES)

    def forward(self, network: SongEncoder, batch: SongBatch, generator: Generator) -> Tensor:
        batch = batch.to(self.of_tracks.device)
        of_track = self.of_tracks[batch.tracks]
        sounds = self.of_segments[batch.segments], of_track, of_track
        total = torch.zeros((), device=of_track.device)
        for level, embedded, own in zip(LEVELS, network.embed(batch), sounds, strict=True):
            projected = on_sphere(self.projections[level](embedded))
            if len(own) > 1:
                others = self.negatives(len(own), generator)
                total = total + self.loss(*pairs(projected, own, others))
        return total


def pretrain_songs(
    network: SongEncoder,
    task: nn.Module,
    songs: SongCollection,
    splits: Mapping[str, Tensor],
    device: torch.device,
    *,
    epochs: int,
    seed: int,
) -> list[dict[str, float]]:
    """Train a network and its task in place; the epoch with the lowest validation loss is kept.

    Args:
        task: a `Task`.
        splits: ``(songs,)`` int64, the songs of "train" and "validation". The validation loss is
            the mean over batches, weighted by their songs.

    Returns:
        The history of `camil.training.fit.fit`.
    """

    def step(chosen: Tensor, generator: Generator) -> Tensor:
        return task(network, songs.batch(chosen), generator)

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        generator = torch.Generator().manual_seed(seed)  # the same random choices at every epoch
        parts = splits["validation"].split(SONGS_PER_BATCH)
        losses = [step(part, generator).item() * len(part) for part in parts]
        return {"validation_loss": sum(losses) / len(splits["validation"])}

    with tempfile.TemporaryDirectory() as folder:
        return fit(
            nn.ModuleList([network, task]).to(device),
            step,
            splits["train"],
            evaluate,
            best="validation_loss",
            folder=folder,
            epochs=epochs,
            seed=seed,
            **SONG_TRAINING,
        )
