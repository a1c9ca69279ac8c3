"""CAMIL+: a network that reads whole songs, from notes to segments, tracks and the song."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from camil.devices import single_precision
from camil.midi import PITCHES, SEGMENT_STEPS
from camil.performance import AMONG, OWN
from camil.songs import NOTE_FEATURES, SongBatch, Songs
from camil.tensorfiles import fitting, read_tensors, write_tensors

# Ends of the classes of note lengths, in 24ths of a quarter note: finer where notes are short.
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 36, 48, 60, 72, 96, 144, 192)
PIECES = 8  # that the values of a feature are told in
HEADS = 4
AT_ONCE = 32  # songs read at a time
LEVELS = ("segment", "track", "song")


class Reading(NamedTuple):
    """Logits of what is read from two measures, from the whole track, and from it in its song.

    `segment` is `(segments, classes)`, `track` and `song` are `(tracks, classes)`.
    """

    segment: Tensor
    track: Tensor
    song: Tensor


class SongEncoder(nn.Module):
    """Notes are gathered to segments, segments to tracks, and tracks look at each other.

    Each note is embedded with what stands around it; a segment is the mean, the maximum and the
    spread of its notes (Zaheer et al., 2017, *Deep Sets*), a track that of its segments, and a
    transformer without positions (Lee et al., 2019, *Set Transformer*) sees all tracks of a song.
    Hand-made features stand beside the learnt ones at each level.

    Args:
        classes: their names.
        width: units of a note; size: units of a segment, a track and a track in its song.
        layers: of the transformer.
        dropout: share of units left out in training.
        order: whether a track in its song is also told by its place among the file's tracks. In a
            score that is the order of the staves; `False` reads from the notes alone.
        velocity: whether to read how loud the notes are.
        performance: whether to read how whole tracks are played, where the corpus tells; see
            `camil.performance`.

    Shape:
        input: a `SongBatch`; returns a `Reading`.
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
    ):
        super().__init__()
        self.config = {
            "classes": list(classes), "width": width, "size": size, "layers": layers,
            "dropout": dropout, "order": order, "velocity": velocity, "performance": performance,
        }  # fmt: skip
        self.register_buffer("lengths", torch.tensor(LENGTHS), persistent=False)
        self.pitch = nn.Embedding(PITCHES, 32)
        self.place = nn.Embedding(SEGMENT_STEPS // 2, 16)
        self.length = nn.Embedding(len(LENGTHS) + 1, 12)
        self.note = nn.Sequential(
            nn.Linear(NOTE_FEATURES + 2 * velocity + 32 + 16 + 12, width),
            _Block(width, 0),
            _Block(width, 0),
        )
        self.from_notes = nn.Linear(3 * width + 2, size)
        self.from_segments = nn.Linear(3 * size + 1, size)
        counted = {"of_segment": 51, "of_track": 105, "of_song": 19}
        if performance:
            counted |= {"own": len(OWN), "among": len(AMONG)}
        self.hand_made = nn.ModuleDict(
            {name: _HandMade(features, size) for name, features in counted.items()}
        )
        self.blocks = nn.ModuleDict({name: _Block(size, dropout) for name in LEVELS[:2]})
        self.standing = nn.Linear(4, size) if order else None
        layer = nn.TransformerEncoderLayer(
            size, HEADS, 2 * size, dropout, gelu, batch_first=True, norm_first=True
        )
        self.tracks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(size) for name in LEVELS})
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(size, len(classes)) for name in LEVELS})

    def standardize(self, songs: Songs, chosen: Tensor) -> None:
        """Take mean and spread of the hand-made features from the chosen songs, those of training.

        Args:
            chosen: `(songs,)`, their numbers.
        """
        batch = songs.batch(chosen)
        for name, part in self.hand_made.items():
            part.standardize(getattr(batch, name))

    def forward(self, batch: SongBatch) -> Reading:
        return self.read(self.embed(batch))

    def read(self, embedded: Reading) -> Reading:
        """Name the instruments of what `embed` gives."""
        levels = zip(LEVELS, embedded, strict=True)
        return Reading(*(self.heads[name](values) for name, values in levels))

    def embed(self, batch: SongBatch) -> Reading:
        """What is known of each segment, each track, and each track in its song: `(..., size)`;
        in training, parts of it are left out."""
        parts = (
            batch.notes,
            self.pitch(batch.pitch),
            self.place(batch.place),
            self.length(torch.bucketize(batch.length, self.lengths)),
            *([batch.loudness] if self.config["velocity"] else []),
        )
        notes = self.note(torch.cat(parts, dim=1))  # (notes, width)
        gathered = torch.cat([_gather(notes, batch.segment, len(batch.track)),
                              batch.tempo[:, None]], dim=1)  # fmt: skip
        segments = self.from_notes(gathered) + self._counted("of_segment", batch)
        segments = self.norms["segment"](self.blocks["segment"](segments))  # (segments, size)
        gathered = _gather(segments, batch.track, len(batch.song))
        tracks = self.from_segments(gathered)
        tracks = tracks + self._counted("of_track", batch) + self._counted("own", batch)
        tracks = self.norms["track"](self.blocks["track"](tracks))  # (tracks, size)
        in_song = self.norms["song"](self._among(tracks, batch))
        return Reading(*(self.dropout(values) for values in (segments, tracks, in_song)))

    def _counted(self, name: str, batch: SongBatch) -> Tensor | float:
        """Hand-made features, as wide as the learnt ones; nothing if they are not to be read."""
        return self.hand_made[name](getattr(batch, name)) if name in self.hand_made else 0.0

    def _among(self, tracks: Tensor, batch: SongBatch) -> Tensor:
        """What each track is to the others of its song: `(tracks, size)`."""
        count = torch.bincount(batch.song)
        place = torch.arange(len(tracks), device=tracks.device)
        place = place - (count.cumsum(0) - count)[batch.song]
        tracks = tracks + self._counted("of_song", batch) + self._counted("among", batch)
        if self.standing:
            share = place / (count[batch.song] - 1).clamp(min=1)
            told = [share, share**2, place.clamp(max=8) / 8, count[batch.song].float().log()]
            tracks = tracks + self.standing(torch.stack(told, dim=1))
        rows = tracks.new_zeros(len(count), int(count.max()), tracks.shape[1])
        rows[batch.song, place] = tracks
        absent = torch.ones(rows.shape[:2], dtype=torch.bool, device=tracks.device)
        absent[batch.song, place] = False
        return self.tracks(rows, src_key_padding_mask=absent)[batch.song, place]


class _Block(nn.Module):
    """A residual layer of two, normalized before."""

    def __init__(self, size: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(size),
            nn.Linear(size, 2 * size),
            nn.GELU(),
            nn.Linear(2 * size, size),
            nn.Dropout(dropout),
        )

    def forward(self, values: Tensor) -> Tensor:
        return values + self.layers(values)


class _HandMade(nn.Module):
    """Features that were counted, each told by how far it goes through each eighth of the training
    songs' values (piecewise linear encoding, Gorishniy et al., 2022); now and then all of a row are
    left out in training, so that the network does not lean on them."""

    def __init__(self, features: int, size: int, dropout: float = 0.2):
        super().__init__()
        self.register_buffer("edges", torch.zeros(features, PIECES + 1))
        self.register_buffer("told", torch.zeros(features))  # 1 for what a training song tells
        self.linear = nn.Linear(features * PIECES, size)
        self.dropout = nn.Dropout(dropout)

    def standardize(self, features: Tensor) -> None:
        """Put as many values into each piece; what no song tells is never read."""
        shares = torch.linspace(0, 1, PIECES + 1).numpy()
        for number, values in enumerate(features.numpy().T):
            known = values[~np.isnan(values)]
            if len(known):
                self.edges[number] = torch.from_numpy(np.quantile(known, shares))
                self.told[number] = 1

    def forward(self, features: Tensor) -> Tensor:
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        value = features[:, :, None]
        through = ((value - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        through = torch.where(high > low, through, (value >= high).float())
        centred = ((through - 0.5) * 1.5).masked_fill(value.isnan(), 0) * self.told[:, None]
        kept = self.dropout(features.new_ones(len(features), 1))
        return kept * self.linear(centred.flatten(1))


class SongEnsemble(nn.Module):
    """Encoders that differ by their seed, and how sure they are together.

    Args:
        members: encoders of the same classes.
        segments_per_track: how many of a track they were trained on at most.

    Attributes:
        temperatures: of each level, fitted on validation songs; see `camil.calibration`.

    Shape:
        input: a `SongBatch`; returns a `Reading` of the logarithms of calibrated probabilities.
    """

    def __init__(self, members: Sequence[SongEncoder], segments_per_track: int):
        super().__init__()
        self.segments_per_track = segments_per_track
        self.members = nn.ModuleList(members)
        self.classes = tuple(members[0].config["classes"])
        self.temperatures = dict.fromkeys(LEVELS, 1.0)

    def forward(self, batch: SongBatch) -> Reading:
        readings = [member(batch) for member in self.members]
        means = (
            torch.stack(level).float().log_softmax(-1).mean(0)
            for level in zip(*readings, strict=True)
        )
        hot = zip(means, self.temperatures.values(), strict=True)
        return Reading(*((mean / temperature).log_softmax(-1) for mean, temperature in hot))


@torch.no_grad()
def read_songs(
    network: nn.Module, songs: Songs, chosen: Tensor, device: torch.device
) -> tuple[Reading, dict[str, Tensor]]:
    """What a network reads from some songs, without gradients, in eval mode and full precision.

    Args:
        network: a `SongEncoder` or a `SongEnsemble`.
        chosen: `(songs,)`, their numbers.

    Returns:
        The reading, on the CPU, and the numbers of its `segments` and `tracks` among all of
        `songs`.
    """
    was_training = network.training
    network.eval()
    readings, numbers = [], []
    with single_precision():
        for part in chosen.split(AT_ONCE):
            batch = songs.batch(part).to(device)
            readings.append([level.cpu() for level in network(batch)])
            numbers.append((batch.segments.cpu(), batch.tracks.cpu()))
    network.train(was_training)
    segments, tracks = (torch.cat(level) for level in zip(*numbers, strict=True))
    reading = Reading(*(torch.cat(level) for level in zip(*readings, strict=True)))
    return reading, {"segments": segments, "tracks": tracks}


def save_songs(path: str | Path, ensemble: SongEnsemble) -> None:
    """Write an ensemble in half precision; the file appears whole or not at all.

    Raises:
        FileNotFoundError: if the folder does not exist.
    """
    description = {
        "members": [member.config for member in ensemble.members],
        "segments_per_track": ensemble.segments_per_track,
        "temperatures": ensemble.temperatures,
    }
    weights = dict(ensemble.named_parameters())
    tensors = {
        name: value.half() if name in weights else value
        for name, value in ensemble.state_dict().items()
    }
    write_tensors(Path(path), tensors, "songs", description)


def load_songs(path: str | Path) -> SongEnsemble:
    """Read an ensemble, on the CPU and in evaluation mode.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or is no ensemble of CAMIL.
    """
    tensors, description = read_tensors(Path(path), "songs")
    with fitting(path):
        members = [SongEncoder(**config) for config in description["members"]]
        ensemble = SongEnsemble(members, description["segments_per_track"])
        ensemble.load_state_dict({name: value.float() for name, value in tensors.items()})
        ensemble.temperatures = {name: description["temperatures"][name] for name in LEVELS}
    return ensemble.eval()


def _gather(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Mean, maximum and spread of the members of each group, and how many they are (logarithm)."""
    values = values.float()
    count = torch.bincount(group, minlength=groups).clamp(min=1)[:, None]
    where = group[:, None].expand_as(values)
    empty = values.new_zeros(groups, values.shape[1])
    mean = empty.index_add(0, group, values) / count
    most = empty.scatter_reduce(0, where, values, "amax", include_self=False)
    variance = empty.index_add(0, group, values.square()) / count - mean.square()
    return torch.cat([mean, most, variance.clamp(min=1e-6).sqrt(), count.log() / 3], dim=1)
