"""MIDI encoders of finished runs of ``02_pretrain``, and their embeddings of a corpus."""

from pathlib import Path

import torch
from torch import Tensor

from camil.corpus.corpus import Corpus
from camil.encoders.hub import Encoder, load_encoder
from camil.training.embed import embed
from camil.workbook.files import read_json


class FrozenEncoders:
    """The encoders of some runs; each embeds the corpus once, when it is first needed.

    Args:
        data: the corpus that the runs were made from.
    """

    def __init__(self, data: Corpus):
        self.data = data
        self._embeddings: dict[str, Tensor] = {}

    def load(self, run: Path | str) -> Encoder:
        """The MIDI encoder of a run, on the device of the corpus.

        Raises:
            FileNotFoundError: if the folder contains no finished run.
            ValueError: if the run was made from another corpus or with other piano rolls.
        """
        record = read_json(Path(run) / "run.json")
        if record["corpus"]["sha256"] != self.data.identity["sha256"]:
            raise ValueError(
                f"{run} was trained on another corpus ({record['corpus']['folder']}), perhaps on "
                f"test songs of {self.data.folder}; name runs of {self.data.folder}."
            )
        stated = {name: record["parameters"].get(name, False) for name in ("onsets", "velocity")}
        if stated != {"onsets": self.data.onsets, "velocity": self.data.velocity}:
            raise ValueError(
                f"{run} reads piano rolls with {stated}, unlike the first run; compare runs with "
                "the same piano rolls."
            )
        path = Path(run) / "encoder.safetensors"
        return load_encoder(path, modality="midi").to(self.data.device)

    def embeddings(self, run: Path | str) -> Tensor:
        """``(segments, embedding)`` of all segments of the corpus; raises as `load` does."""
        if str(run) not in self._embeddings:
            every_row = torch.arange(len(self.data), device=self.data.device)
            self._embeddings[str(run)] = embed(self.load(run), self.data.rolls, every_row)
        return self._embeddings[str(run)]


def run_of(runs: str, draw: int) -> str:
    """The run of a draw: the only one, or the one with the number of the draw.

    Args:
        runs: run folders, separated by commas.

    Raises:
        ValueError: if there are several runs, but none with this number.
    """
    folders = [folder.strip() for folder in runs.split(",")]
    if len(folders) == 1:
        return folders[0]
    if draw >= len(folders):
        raise ValueError(f"draw {draw} has no run among {runs}; name one run, or one per draw.")
    return folders[draw]
