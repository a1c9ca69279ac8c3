"""What each part of CAMIL+ is worth: trained without it, scored on validation songs.

    python -m benchmarks.ablation corpora/notes [--elsewhere corpora/elsewhere]

One seed, one network, the objective and schedule of notebook 11. The test songs are not touched.
`--elsewhere` names a corpus of another collection, all of whose songs are read as well.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor

from benchmarks.provenance import in_a_line, provenance
from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.song import LEVELS, SongEncoder, read_songs
from camil.evaluation.metrics import scores
from camil.losses.songs import SongLoss
from camil.midi.instruments import INSTRUMENTS
from camil.training.devices import choose_device
from camil.training.fit import fit
from camil.workbook.files import write_json, write_text


@dataclass
class Data:
    """Songs with what is to be read from them; `of_split` may be another than the corpus has.

    `labels` are the classes of the segments, `programs` those of the tracks.
    """

    songs: Songs
    labels: Tensor
    programs: Tensor
    of_split: dict[str, Tensor]
    identity: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Data":
        """All songs of a corpus."""
        corpus, songs = Corpus(folder), Songs(pq.read_table(folder / "segments.parquet"))
        parts = ("train", "validation")
        of_split = {split: songs.songs_of(corpus.rows(split)) for split in parts}
        programs = torch.tensor(corpus.table["program"].to_numpy(int)[songs.first_segments()])
        return cls(songs, corpus.labels, programs, of_split, corpus.identity)

    @property
    def of_track(self) -> Tensor:
        """The class of each track."""
        return self.labels[self.songs.first_segments()]

    def scores(self, network: SongEncoder, chosen: Tensor, device) -> dict[str, float]:
        """Macro-F1 of each level; the levels track and song count each track once."""
        reading, numbers = read_songs(network, self.songs, chosen, device)
        found = {}
        for level, logits in zip(LEVELS, reading, strict=True):
            true = (
                self.labels[numbers["segments"]]
                if level == "segment"
                else self.of_track[numbers["tracks"]]
            )
            found[level] = scores(true.numpy(), logits.argmax(1).numpy())["macro_f1"]
        return found


def without_hand_made(network: SongEncoder) -> None:
    for part in network.hand_made.values():
        _silence(part.linear)


def without_notes(network: SongEncoder) -> None:
    _silence(network.from_notes)


def _silence(linear: torch.nn.Linear) -> None:
    for weight in linear.parameters():
        torch.nn.init.zeros_(weight).requires_grad_(False)


def as_it_is(network: SongEncoder) -> None:
    pass


# How the network is made, what is done to it, the objective.
WAYS: dict[str, dict] = {
    "CAMIL+": {},
    "without programs in training": {"programs": 0.0},
    "without how whole tracks are played": {"made": {"performance": False}},
    "without that and velocity": {"made": {"performance": False, "velocity": False}},
    "without the order of tracks": {"made": {"order": False}},
    "without hand-made features": {"change": without_hand_made},
    "hand-made features only": {"change": without_notes},
}


def train(
    data: Data,
    device,
    epochs: int,
    seed: int,
    *,
    made: dict | None = None,
    change: Callable = as_it_is,
    strength: float = 0.3,
    programs: float = 1.0,
) -> SongEncoder:
    """One network of notebook 11, changed."""
    torch.manual_seed(seed)
    network = SongEncoder(INSTRUMENTS, **(made or {}))
    network.standardize(data.songs, data.of_split["train"])
    change(network)
    learnt_from = torch.isin(torch.from_numpy(data.songs.song_of), data.of_split["train"])
    of_track, of_program = data.of_track.to(device), data.programs.to(device)
    known = data.of_track[learnt_from], data.programs[learnt_from], len(INSTRUMENTS)
    objective = SongLoss(network.config["size"], *known, strength, programs)
    trained = torch.nn.ModuleList([network, objective]).to(device)

    def step(chosen, _):
        batch = data.songs.batch(chosen).to(device)
        embedded = network.embed(batch)
        true = of_track[batch.tracks], of_program[batch.tracks]
        return objective(network.read(embedded), embedded, *true, batch.track)

    def evaluate():
        found = data.scores(network, data.of_split["validation"], device)
        return {"validation_macro_f1": sum(found.values()) / len(found)}

    with tempfile.TemporaryDirectory() as folder:
        fit(
            trained,
            step,
            data.of_split["train"],
            evaluate,
            best="validation_macro_f1",
            folder=folder,
            epochs=epochs,
            batch_size=32,
            learning_rate=0.002,
            seed=seed,
            settings={},
            schedule="warmup",
        )
    return network


def main() -> None:
    """Train every way, tell and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--elsewhere", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/ablation.json"))
    given = parser.parse_args()
    device, data = choose_device("auto"), Data.of(given.corpus)
    other = given.elsewhere and Data.of(given.elsewhere)
    table = {}
    for name, way in WAYS.items():
        network = train(data, device, given.epochs, given.seed, **way)
        table[name] = data.scores(network, data.of_split["validation"], device)
        if other:
            read = other.scores(network, torch.arange(len(other.songs)), device)
            table[name] |= {f"{level}, elsewhere": score for level, score in read.items()}
        about = {
            "corpus": data.identity,
            "elsewhere": other and other.identity,
            "macro_f1": table,
            "songs": {split: len(found) for split, found in data.of_split.items()},
        }
        about |= {"epochs": given.epochs, "seed": given.seed}
        write_json(given.output, provenance(device) | about)
        shown = pd.DataFrame(table).T.round(3)
        write_text(given.output.with_suffix(".md"), _page(shown, provenance(device)))
    print(shown.to_string())


def _page(table: pd.DataFrame, made: dict) -> str:
    return (
        "# What each part of CAMIL+ is worth\n\nMacro-F1 on validation songs, each segment or "
        f"track counted once.\n\n{table.to_markdown()}\n\n{in_a_line(made)}\n"
    )


if __name__ == "__main__":
    main()
