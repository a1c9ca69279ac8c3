"""CAMIL+: a network that reads whole songs, from notes to segments, tracks and the song."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from camil.encoders.precision import single_precision
from camil.encoders.song_batch import (
    FEATURES,
    NOTE_FEATURES,
    PITCHES,
    SEGMENT_STEPS,
    SongBatch,
    index_in_song,
)
from camil.encoders.song_layers import FeatureEncoding, ResidualBlock, pool

# Upper bounds of the length classes, in 24ths of a quarter note: finer for short notes.
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 36, 48, 60, 72, 96, 144, 192)
HEADS = 4
SONGS_PER_BATCH = 32  # batch size at inference
STANDARDIZED_SONGS = 2000  # the largest number of songs whose features are held in memory at once
LEVELS = ("segment", "track", "song")
PROGRAMS = 128  # as in camil.midi.instruments, which a room with torch alone cannot import


class Reading(NamedTuple):
    """Values per level: from two measures, from the whole track, and from the track in its song.

    ``segment`` is ``(segments, ...)``, ``track`` and ``song`` are ``(tracks, ...)``.
    """

    segment: Tensor
    track: Tensor
    song: Tensor


class SongCollection(Protocol):
    """Songs to read: `camil.corpus.songs.Songs`, or a class with the same methods."""

    def batch(self, songs: Tensor) -> SongBatch:
        """The songs with these indices, whole."""

    def features(self, songs: Tensor) -> dict[str, Tensor]:
        """Only their hand-crafted features, by the names in `FEATURES`."""


class SongEncoder(nn.Module):
    """Notes are pooled to segments, segments to tracks, and tracks attend to each other.

    Each note is embedded with its context. A segment is the mean, maximum and standard deviation
    of its notes (Zaheer et al., 2017, *Deep Sets*), a track that of its segments. A transformer
    without positional encoding (Lee et al., 2019, *Set Transformer*) attends to all tracks of a
    song. Hand-crafted features are added at each level.

    Args:
        classes: class names.
        width: units of a note.
        size: units of a segment, a track, and a track in its song.
        layers: layers of the transformer.
        dropout: share of units dropped in training.
        order: whether a track's position among the file's tracks is an input. In a score that is
            the order of the staves; if False, the network has only notes as input.
        velocity: whether velocities are an input.
        performance: whether performance features are an input, if the corpus has them; see
            `camil.midi.performance`.
        programs: whether the network predicts General MIDI programs too.

    Attributes:
        log_prior: ``(128,)``, added to the logits of programs in training, by their frequency; see
            `camil.losses.LogitAdjustedCrossEntropy`.

    Shape:
        Input: a `SongBatch`. Returns a `Reading` of logits.
    """

    def __init__(
        self,
        classes: Sequence[str],
        width: int = 96,
        size: int = 128,
        layers: int = 2,
        dropout: float = 0.4,
        order: bool = True,
        velocity: bool = True,
        performance: bool = True,
        programs: bool = False,
    ):
        super().__init__()
        self.config = {
            "classes": list(classes), "width": width, "size": size, "layers": layers,
            "dropout": dropout, "order": order, "velocity": velocity, "performance": performance,
            "programs": programs,
        }  # fmt: skip
        self.register_buffer("lengths", torch.tensor(LENGTHS), persistent=False)
        self.pitch = nn.Embedding(PITCHES, 32)
        self.step = nn.Embedding(SEGMENT_STEPS // 2, 16)
        self.length = nn.Embedding(len(LENGTHS) + 1, 12)
        self.note = nn.Sequential(
            nn.Linear(NOTE_FEATURES + 2 * velocity + 32 + 16 + 12, width),
            ResidualBlock(width, 0),
            ResidualBlock(width, 0),
        )
        self.from_notes = nn.Linear(3 * width + 2, size)
        self.from_segments = nn.Linear(3 * size + 1, size)
        used = list(FEATURES) if performance else ["of_segment", "of_track", "of_song"]
        self.features = nn.ModuleDict(
            {name: FeatureEncoding(FEATURES[name], size) for name in used}
        )
        self.blocks = nn.ModuleDict({name: ResidualBlock(size, dropout) for name in LEVELS[:2]})
        self.order = nn.Linear(4, size) if order else None
        layer = nn.TransformerEncoderLayer(
            size, HEADS, 2 * size, dropout, gelu, batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(size) for name in LEVELS})
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(size, len(classes)) for name in LEVELS})
        levels = LEVELS if programs else ()
        self.programs = nn.ModuleDict({name: nn.Linear(size, PROGRAMS) for name in levels})
        if programs:
            self.register_buffer("log_prior", torch.zeros(PROGRAMS))

    def standardize(self, songs: SongCollection, chosen: Tensor) -> None:
        """Fit the encoding of hand-crafted features to the training songs.

        If there are more than `STANDARDIZED_SONGS` songs, that many are taken at regular intervals,
        so that memory does not grow with the corpus.

        Args:
            chosen: ``(songs,)`` int64, indices of the training songs.
        """
        count = min(len(chosen), STANDARDIZED_SONGS)
        index = torch.linspace(0, len(chosen) - 1, count, dtype=torch.float64).round().long()
        features = songs.features(chosen.cpu()[index])
        for name, encoding in self.features.items():
            encoding.standardize(features[name])

    def forward(self, batch: SongBatch) -> Reading:
        return self.read(self.embed(batch))

    def read(self, embedded: Reading) -> Reading:
        """Class logits of the embeddings that `embed` returns."""
        levels = zip(LEVELS, embedded, strict=True)
        return Reading(*(self.heads[name](values) for name, values in levels))

    def read_programs(self, embedded: Reading) -> Reading:
        """Logits of General MIDI programs, ``(..., 128)``, of the embeddings that `embed` returns.

        Raises:
            KeyError: if the network does not predict programs.
        """
        levels = zip(LEVELS, embedded, strict=True)
        return Reading(*(self.programs[name](values) for name, values in levels))

    def embed(self, batch: SongBatch) -> Reading:
        """Embeddings per level, ``(..., size)``, with dropout in training."""
        inputs = (
            batch.notes,
            self.pitch(batch.pitch),
            self.step(batch.step),
            self.length(torch.bucketize(batch.length.contiguous(), self.lengths)),
            *([batch.loudness] if self.config["velocity"] else []),
        )
        notes = self.note(torch.cat(inputs, dim=1))  # (notes, width)
        pooled = torch.cat([pool(notes, batch.segment, len(batch.track)),
                            batch.tempo[:, None]], dim=1)  # fmt: skip
        segments = self.from_notes(pooled) + self._encoded("of_segment", batch)
        segments = self.norms["segment"](self.blocks["segment"](segments))  # (segments, size)
        tracks = self.from_segments(pool(segments, batch.track, len(batch.song)))
        tracks = tracks + self._encoded("of_track", batch) + self._encoded("own", batch)
        tracks = self.norms["track"](self.blocks["track"](tracks))  # (tracks, size)
        in_song = self.norms["song"](self._attend(tracks, batch))
        return Reading(*(self.dropout(values) for values in (segments, tracks, in_song)))

    def _encoded(self, name: str, batch: SongBatch) -> Tensor | float:
        """Encoded hand-crafted features; 0 if this network does not use them."""
        return self.features[name](getattr(batch, name)) if name in self.features else 0.0

    def _attend(self, tracks: Tensor, batch: SongBatch) -> Tensor:
        """Attention among the tracks of each song: ``(tracks, size)``."""
        index, of_song = index_in_song(batch)
        tracks = tracks + self._encoded("of_song", batch) + self._encoded("among", batch)
        if self.order:
            share = index / (of_song - 1).clamp(min=1)
            order = [share, share**2, index.clamp(max=8) / 8, of_song.float().log()]
            tracks = tracks + self.order(torch.stack(order, dim=1))
        padded = tracks.new_zeros(int(batch.song[-1]) + 1, int(of_song.max()), tracks.shape[1])
        padded[batch.song, index] = tracks
        mask = torch.ones(padded.shape[:2], dtype=torch.bool, device=tracks.device)
        mask[batch.song, index] = False
        return self.transformer(padded, src_key_padding_mask=mask)[batch.song, index]


@torch.no_grad()
def read_songs(
    network: nn.Module, songs: SongCollection, chosen: Tensor, device: torch.device
) -> tuple[Reading, dict[str, Tensor]]:
    """Apply a network to songs, without gradients, in evaluation mode and full precision.

    Args:
        network: a `SongEncoder` or a `camil.encoders.song_ensemble.SongEnsemble`.
        chosen: ``(songs,)`` int64, indices of the songs.

    Returns:
        The reading, on the CPU, and the indices of its ``segments`` and ``tracks`` among all of
        ``songs``.
    """
    was_training = network.training
    network.eval()
    readings, indices = [], []
    with single_precision():
        for part in chosen.split(SONGS_PER_BATCH):
            batch = songs.batch(part).to(device)
            readings.append([level.cpu() for level in network(batch)])
            indices.append((batch.segments.cpu(), batch.tracks.cpu()))
    network.train(was_training)
    segments, tracks = (torch.cat(level) for level in zip(*indices, strict=True))
    reading = Reading(*(torch.cat(level) for level in zip(*readings, strict=True)))
    return reading, {"segments": segments, "tracks": tracks}
