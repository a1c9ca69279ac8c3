"""Train CAMIL+ networks under changed conditions, and score them.

The training is that of ``11_songs`` with one network. ``13_ablation`` removes one ingredient at a
time; ``15_other_collections`` leaves out one collection at a time; ``17_pretrain_songs`` pre-trains
the network.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.precision import single_precision
from camil.encoders.song import LEVELS, SONGS_PER_BATCH, SongEncoder, read_songs
from camil.encoders.song_ensemble import SongEnsemble
from camil.evaluation.metrics import scores
from camil.losses.songs import SongLoss
from camil.midi.instrument_words import CONTRADICTS, name_verdict
from camil.midi.instruments import InstrumentTable
from camil.training.fit import fit
from camil.training.pretrain_songs import SONG_TRAINING
from camil.training.trees import fit_level


@dataclass
class SongData:
    """The songs of a corpus with their labels and splits.

    Attributes:
        classes: class names, in the order of the labels.
        labels: ``(segments,)`` int64, class of each segment; -1 if it belongs to no class.
        programs: ``(tracks,)`` int64, General MIDI program of each track.
        names: name of each track, without its number.
        splits: indices of the songs of "train" and "validation". May be replaced to train on
            other songs than the corpus intends.
        identity: `Corpus.identity`, for provenance.
    """

    songs: Songs
    classes: tuple[str, ...]
    labels: Tensor
    programs: Tensor
    names: tuple[str, ...]
    splits: dict[str, Tensor]
    identity: dict[str, str]

    @classmethod
    def read(cls, folder: Path | str, other: str = "") -> "SongData":
        """Read all songs of a corpus; the test songs belong to no split here.

        Args:
            other: class of the corpus whose parts are read, but belong to no class here.
        """
        corpus, songs = Corpus(folder), Songs(pq.read_table(Path(folder) / "segments.parquet"))
        splits = {name: songs.songs_of(corpus.rows(name)) for name in ("train", "validation")}
        tracks = corpus.table.iloc[songs.first_segments().numpy()]
        programs = torch.tensor(tracks["program"].to_numpy(int))
        names = tuple(tracks["track"].str.replace(r"^\d+-", "", regex=True))
        table, labels = corpus.without(other)
        return cls(songs, table.names, labels, programs, names, splits, corpus.identity)

    @property
    def track_labels(self) -> Tensor:
        """``(tracks,)`` int64, class of each track."""
        return self.labels[self.songs.first_segments()]

    def with_training_songs(self, count: int, seed: int) -> "SongData":
        """The same songs, of which at most ``count`` drawn ones are trained on."""
        train, generator = self.splits["train"], torch.Generator().manual_seed(seed)
        drawn = train[torch.randperm(len(train), generator=generator)[:count]].sort().values
        return replace(self, splits=self.splits | {"train": drawn})

    def without_contradicted_labels(self) -> "SongData":
        """The same songs; training tracks whose name contradicts their program have no class.

        See `camil.midi.instrument_words.name_verdict`.
        """
        pairs = zip(self.names, self.programs.tolist(), strict=True)
        verdicts = [name_verdict(name, program) for name, program in pairs]
        train = torch.isin(torch.from_numpy(self.songs.song_of), self.splits["train"])
        contradicted = train & torch.tensor([verdict == CONTRADICTS for verdict in verdicts])
        labels = self.labels.clone()
        labels[contradicted[torch.from_numpy(self.songs.track_of)]] = -1
        return replace(self, labels=labels)


def macro_f1_per_level(
    network: nn.Module, data: SongData, chosen: Tensor, device: torch.device
) -> dict[str, float]:
    """Macro-F1 per level on some songs.

    Segments count once at the level "segment", tracks count once at the levels "track" and "song".

    Args:
        network: a `SongEncoder` or a `camil.encoders.song_ensemble.SongEnsemble`.
        chosen: ``(songs,)`` int64, indices of the songs.
    """
    reading, indices = read_songs(network, data.songs, chosen, device)
    found = {}
    for level, logits in zip(LEVELS, reading, strict=True):
        if level == "segment":
            true = data.labels[indices["segments"]]
        else:
            true = data.track_labels[indices["tracks"]]
        known = true >= 0
        found[level] = scores(true[known].numpy(), logits[known].argmax(1).numpy())["macro_f1"]
    return found


@torch.no_grad()
def other_probabilities(
    ensemble: SongEnsemble, songs: Songs, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """The probability of each track to belong to no class, read in its song.

    Args:
        ensemble: networks that predict programs, in evaluation mode.
        chosen: ``(songs,)`` int64, indices of the songs.

    Returns:
        ``(tracks,)`` float64 probabilities, and the indices of the tracks among all of ``songs``.

    Raises:
        ValueError: if the ensemble has no instrument table.
    """
    if ensemble.instruments is None:
        raise ValueError("the ensemble has no instrument table, so its programs have no classes")
    programs = InstrumentTable.from_json(ensemble.instruments).other_programs
    device = next(ensemble.parameters()).device
    found, tracks = [], []
    for part in chosen.split(SONGS_PER_BATCH):
        batch = songs.batch(part).to(device)
        with single_precision():
            embedded = [member.embed(batch) for member in ensemble.members]
            of_programs = ensemble.programs(embedded).double().exp()
        found.append(of_programs[:, programs].sum(1).cpu())
        tracks.append(batch.tracks.cpu())
    return torch.cat(found), torch.cat(tracks)


def other_scores(
    ensemble: SongEnsemble, songs: Songs, chosen: Tensor, labels: Tensor
) -> dict[str, float]:
    """How well the probability separates parts of no class from the others.

    Args:
        labels: ``(tracks,)`` int64, class of each track of ``songs``; -1 for no class.

    Returns:
        ``tracks`` of no class, ``auc`` (area under the ROC curve), and ``precision`` and ``recall``
        of the answer "other", given from a probability of one half. NaN where undefined.
    """
    probabilities, tracks = other_probabilities(ensemble, songs, chosen)
    is_other = labels[tracks] < 0
    answered = probabilities >= 0.5
    right = (answered & is_other).sum().item()
    both = 0 < is_other.sum() < len(is_other)
    return {
        "tracks": int(is_other.sum()),
        "auc": float(roc_auc_score(is_other, probabilities)) if both else float("nan"),
        "precision": right / answered.sum().item() if answered.any() else float("nan"),
        "recall": right / is_other.sum().item() if is_other.any() else float("nan"),
    }


def train_song_encoder(
    data: SongData,
    device: torch.device,
    *,
    epochs: int,
    seed: int = 0,
    strength: float = 0.3,
    programs: float = 1.0,
    change: Callable[[SongEncoder], None] | None = None,
    **architecture: Any,
) -> SongEncoder:
    """Train one network of ``11_songs`` and keep its best epoch on the validation songs.

    Args:
        strength, programs: as in `camil.losses.songs.SongLoss`.
        change: applied to the untrained network: `without_notes`, or a pre-training.
        architecture: further arguments of `SongEncoder`.
    """
    torch.manual_seed(seed)
    network = SongEncoder(data.classes, programs=programs > 0, **architecture)
    network.standardize(data.songs, data.splits["train"])
    if change:
        change(network)
    in_training = torch.isin(torch.from_numpy(data.songs.song_of), data.splits["train"])
    targets = data.track_labels[in_training], data.programs[in_training], len(data.classes)
    objective = SongLoss(*targets, strength, programs)
    track_labels, track_programs = data.track_labels.to(device), data.programs.to(device)

    def step(chosen: Tensor, _) -> Tensor:
        batch = data.songs.batch(chosen).to(device)
        embedded = network.embed(batch)
        true = track_labels[batch.tracks], track_programs[batch.tracks]
        program_logits = network.read_programs(embedded) if programs else ()
        return objective(network.read(embedded), program_logits, *true, batch.track)

    def evaluate() -> dict[str, float]:
        found = macro_f1_per_level(network, data, data.splits["validation"], device)
        return {"validation_macro_f1": sum(found.values()) / len(found)}

    with tempfile.TemporaryDirectory() as folder:
        fit(
            nn.ModuleList([network, objective]).to(device),
            step,
            data.splits["train"],
            evaluate,
            best="validation_macro_f1",
            folder=folder,
            epochs=epochs,
            seed=seed,
            **SONG_TRAINING,
        )
    return network


def together(networks: Sequence[SongEncoder]) -> SongEnsemble:
    """The average of some networks, without trees."""
    return SongEnsemble(networks, 0).eval()


def with_trees(
    networks: Sequence[SongEncoder], data: SongData, *, strength: float, seed: int
) -> SongEnsemble:
    """The mean of some networks and of trees at each level, trained on the same songs."""
    labels = {"segment": data.labels, "track": data.track_labels, "song": data.track_labels}
    chosen, classes = data.splits["train"], len(data.classes)
    trees = {
        level: fit_level(data.songs, chosen, level, labels[level], classes,
                         strength=strength, seed=seed)
        for level in LEVELS
    }  # fmt: skip
    return SongEnsemble(networks, 0, trees=trees).eval()


def without_features(network: SongEncoder) -> None:
    """Remove the hand-crafted features: their layers output zero and are not trained."""
    for encoding in network.features.values():
        _silence(encoding.linear)


def without_notes(network: SongEncoder) -> None:
    """Remove the learned note embedding: its output layer is zero and is not trained."""
    _silence(network.from_notes)


def _silence(linear: nn.Linear) -> None:
    for weight in linear.parameters():
        nn.init.zeros_(weight).requires_grad_(False)
