"""Ensembles of CAMIL+ networks and gradient-boosted trees, and their files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camil.encoders.hub import fitting, read_tensors, write_tensors
from camil.encoders.song import LEVELS, Reading, SongEncoder
from camil.encoders.song_batch import SongBatch
from camil.encoders.trees import BoostedTrees, features_of


class SongEnsemble(nn.Module):
    """Networks trained from different seeds and trees, with calibrated joint probabilities.

    At each level, the log-probabilities of the networks are averaged. If there are trees of that
    level, the result is the mean of the networks' average and the trees' log-probabilities.

    Args:
        members: encoders with the same classes.
        segments_per_track: largest number of segments per track in training.
        instruments: the instrument table of the classes as JSON, for programs and colours; None if
            it is not known.
        trees: trees by level; levels may be missing.
        other: whether parts of no class were in training, so that their programs are predicted.

    Attributes:
        temperatures: one per level, fitted on validation songs; see
            `camil.evaluation.calibration`.

    Shape:
        Input: a `SongBatch`. Returns a `Reading` of log-probabilities.
    """

    def __init__(
        self,
        members: Sequence[SongEncoder],
        segments_per_track: int,
        instruments: Mapping[str, Any] | None = None,
        trees: Mapping[str, BoostedTrees] | None = None,
        other: bool = False,
    ):
        super().__init__()
        self.instruments, self.other = instruments, other
        self.segments_per_track = segments_per_track
        self.members = nn.ModuleList(members)
        self.trees = nn.ModuleDict(dict(trees or {}))
        self.classes = tuple(members[0].config["classes"])
        self.temperatures = dict.fromkeys(LEVELS, 1.0)

    @property
    def predicts_programs(self) -> bool:
        """Whether `programs` may be called."""
        return all(member.config["programs"] for member in self.members)

    def forward(self, batch: SongBatch) -> Reading:
        return self.read([member.embed(batch) for member in self.members], batch)

    def read(self, embedded: Sequence[Reading], batch: SongBatch) -> Reading:
        """Log-probabilities of the classes, given the embeddings by each member."""
        readings = [member.read(one) for member, one in zip(self.members, embedded, strict=True)]
        found = []
        for level, logits in zip(LEVELS, zip(*readings, strict=True), strict=True):
            mean = torch.stack(logits).float().log_softmax(-1).mean(0)
            if level in self.trees:
                mean = (mean + self.trees[level](features_of(batch, level))) / 2
            found.append((mean / self.temperatures[level]).log_softmax(-1))
        return Reading(*found)

    def programs(self, embedded: Sequence[Reading]) -> Tensor:
        """Log-probabilities of General MIDI programs, of each track in its song: ``(tracks, 128)``.

        Programs are as frequent as in the training songs, unlike classes.

        Args:
            embedded: the embeddings by each member.
        """
        logits = [
            member.read_programs(one).song.float() + member.log_prior
            for member, one in zip(self.members, embedded, strict=True)
        ]
        return torch.stack(logits).log_softmax(-1).mean(0).log_softmax(-1)


def save_songs(path: str | Path, ensemble: SongEnsemble) -> None:
    """Write an ensemble in half precision; the file appears complete or not at all.

    Raises:
        FileNotFoundError: if the folder does not exist.
    """
    description = {
        "members": [member.config for member in ensemble.members],
        "trees": {level: trees.config for level, trees in ensemble.trees.items()},
        "segments_per_track": ensemble.segments_per_track,
        "temperatures": ensemble.temperatures,
        "instruments": ensemble.instruments,
        "other": ensemble.other,
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
        ValueError: if the file is damaged or contains no ensemble of CAMIL.
    """
    tensors, description = read_tensors(Path(path), "songs")
    with fitting(path):
        members = [SongEncoder(**config) for config in description["members"]]
        # Files of earlier versions lack the instruments, the trees and `other`.
        trees = description.get("trees", {})
        ensemble = SongEnsemble(
            members,
            description["segments_per_track"],
            description.get("instruments"),
            {level: BoostedTrees(**config) for level, config in trees.items()},
            description.get("other", False),
        )
        ensemble.load_state_dict(tensors)  # converts half precision to single
        ensemble.temperatures = {name: description["temperatures"][name] for name in LEVELS}
    return ensemble.eval()
