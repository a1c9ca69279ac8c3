"""A corpus: two-measure segments as notes and mel-spectrograms, split by song.

The folder holds `segments.parquet` (a row a segment, its notes as lists), `mels.npy`
(segments, 128, 282; float16, dB) and `corpus.json` (source, parameters, checksums). Rolls are
drawn from the notes in batches, on the device that trains.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor

from camil.corpus.augmentation import Augmentation, draw_seeds
from camil.midi.instruments import INSTRUMENTS
from camil.midi.segments import LOWEST_PITCH, NOTE_COLUMNS, PITCHES, SEGMENT_STEPS
from camil.workbook.files import read_json


class Corpus:
    """Read a corpus and draw batches from it.

    Args:
        folder: what `01_preprocess` left.
        device: where notes are kept and batches are drawn.
        onsets: give rolls a second channel, 1 where a note begins.
        velocity: let rolls show how loud a note is (1 is the loudest), not just that it sounds.
        augmentation: changes notes wherever `rolls` is given seeds.

    Attributes:
        table: a row a segment, all columns of `segments.parquet` but the notes.
        info: the content of `corpus.json`.
        labels: `(segments,)` of int64, index into `INSTRUMENTS`, on the device.

    Raises:
        FileNotFoundError: if the folder holds no corpus.
        ValueError: if its files do not belong together.

    Example:
        >>> corpus = Corpus("corpora/demo")
        >>> rows = corpus.rows("train")  # (rows,)
        >>> corpus.rolls(rows[:32])  # (32, 1, 84, 192), notes
        >>> corpus.mels(rows[:32])  # (32, 1, 128, 282), sound
    """

    def __init__(
        self,
        folder: Path | str,
        device: torch.device | str = "cpu",
        *,
        onsets: bool = False,
        velocity: bool = False,
        augmentation: Augmentation | None = None,
    ):
        self.folder = Path(folder)
        self.device = torch.device(device)
        self.onsets, self.velocity, self.augmentation = onsets, velocity, augmentation
        if not (self.folder / "corpus.json").is_file():
            raise FileNotFoundError(f"{folder} holds no corpus; make one with 01_preprocess.")
        self.info = read_json(self.folder / "corpus.json")
        segments = pq.read_table(self.folder / "segments.parquet")
        lists = {*NOTE_COLUMNS, "whole"}
        told = [name for name in segments.column_names if name not in lists]
        self.table = segments.select(told).to_pandas()
        self._mels = np.load(self.folder / "mels.npy", mmap_mode="r")
        counts = {
            len(self.table),
            self.info["segments"],
            *([len(self._mels)] if self.has_audio else []),
        }
        if len(counts) > 1:
            raise ValueError(
                f"The files in {folder} do not belong together: {len(self.table)} segments, "
                f"{len(self._mels)} mels, {self.info['segments']} in corpus.json. "
                "Run 01_preprocess again."
            )
        self._hold_notes(segments)
        self._places = torch.from_numpy(self.table["mel"].to_numpy(np.int64, copy=True))
        self._held_mels: Tensor | None = None
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._coming: tuple[Tensor, Future] | None = None
        indices = self.table["instrument"].map(INSTRUMENTS.index).to_numpy(np.int64, copy=True)
        self.labels = torch.from_numpy(indices).to(self.device)

    # Seeds for the augmentation of `rolls`, one per segment.
    draw_seeds = staticmethod(draw_seeds)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_audio(self) -> bool:
        """Whether there are mels; a corpus may be made of notes alone."""
        return len(self._mels) > 0

    @property
    def identity(self) -> dict[str, str]:
        """What tells this corpus from another: folder, source, and the checksums of its files."""
        return {
            "folder": str(self.folder),
            "source": self.info["source"]["name"],
            "sha256": self.info["sha256"]["segments.parquet"],
            "sha256_mels": self.info["sha256"].get("mels.npy", ""),
        }

    def rows(self, split: str, fraction: float = 1.0, seed: int = 0) -> Tensor:
        """The rows of a split, or of a share of its songs.

        With one seed a smaller share is part of every larger one. No label is looked at.

        Returns:
            `(rows,)` of int64 on the device, ascending.

        Raises:
            ValueError: if no segment is left.
        """
        inside = self.table["split"] == split
        songs = np.unique(self.table.loc[inside, "song"])
        if fraction < 1:
            order = np.random.default_rng([seed, len(songs)]).permutation(len(songs))
            songs = songs[order[: round(fraction * len(songs))]]
        rows = np.flatnonzero(inside & self.table["song"].isin(songs))
        if not len(rows):
            raise ValueError(
                f"No segment of {self.folder} is in split {split!r} at a share of {fraction} of "
                "its songs; take a larger train_fraction or more songs."
            )
        return torch.from_numpy(rows).to(self.device)

    def require_labels(self, rows: Tensor) -> None:
        """See that training on `rows` meets every class that will be asked for.

        Raises:
            ValueError: naming the class that occurs in the corpus, but not in these rows.
        """
        here = set(self.table["instrument"].iloc[rows.cpu().numpy()])
        if len(here) < 2:
            raise ValueError(
                f"All training segments of {self.folder} are {', '.join(here)}; there is "
                "nothing to tell apart. Take songs with more instruments."
            )
        missing = [name for name in INSTRUMENTS if name in set(self.table["instrument"]) - here]
        if missing:
            raise ValueError(
                f"No training segment of {', '.join(missing)} in {self.folder}, though other "
                "splits have some; take a larger train_fraction, more songs or another split seed."
            )

    def rolls(self, rows: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Piano rolls of some segments, all drawn at once.

        Args:
            seeds: `(rows,)` of int64 from `draw_seeds`: augment, each segment by its seed.

        Returns:
            `(rows, 1, 84, 192)` of float32: 1 where a note sounds, else 0. Loudness is left out
            unless asked for: velocities say more about who made a file than about the instrument.
            A second channel where `onsets`.
        """
        # Counted on the CPU: asking a GPU for the number would make it wait.
        total = int(self._counts_here[rows.cpu()].sum())
        rows = rows.to(self.device)
        counts = self._counts[rows]
        shift = self._first[rows] - (torch.cumsum(counts, 0) - counts)
        places = torch.repeat_interleave(shift, counts, output_size=total)
        notes = self._notes[places + torch.arange(total, device=self.device)]
        if self.augmentation and seeds is not None:
            notes = self.augmentation(notes, counts, seeds.to(self.device))
        return draw_rolls(notes, counts, onsets=self.onsets, velocity=self.velocity)

    def mels(self, rows: Tensor) -> Tensor:
        """Mel-spectrograms of some segments.

        Returns:
            `(rows, 1, 128, 282)` of float32 in [0, 1]: 0 is 80 dB below the loudest bin or less.

        Raises:
            ValueError: if the corpus was made without audio.
        """
        if not self.has_audio:
            raise ValueError(
                f"{self.folder} holds notes only: it was made with audio: false, so nothing that "
                "listens can be trained on it."
            )
        if self._held_mels is not None:
            decibels = self._held_mels[rows.to(self.device)]
        elif self._coming and torch.equal(self._coming[0], rows.cpu()):
            decibels = self._coming[1].result()
        else:
            decibels = self._read(rows.cpu())
        decibels = decibels.to(self.device, non_blocking=True)
        return decibels.float().div_(80).add_(1)[:, None]

    def hold_mels(self) -> bool:
        """Keep all mels in the GPU's memory if they take no more than half of what is free there.

        On the CPU the file's pages stay in memory by themselves.

        Returns:
            Whether they are kept; if not, they are read as they are needed, and `prefetch` helps.
        """
        if self.device.type != "cuda":
            return False
        if self._mels.nbytes > torch.cuda.mem_get_info(self.device)[0] / 2:
            return False
        self._held_mels = torch.empty(self._mels.shape, dtype=torch.float16, device=self.device)
        for begin in range(0, len(self._mels), 4096):
            part = self._mels[self._places[begin : begin + 4096].numpy()]
            self._held_mels[begin : begin + len(part)] = torch.from_numpy(part)
        return True

    def prefetch(self, rows: Tensor) -> None:
        """Begin to read the mels of a coming batch, beside the training of the one before."""
        if self._held_mels is None:
            rows = rows.cpu()
            self._coming = rows, self._reader.submit(self._read, rows)

    def _read(self, rows: Tensor) -> Tensor:
        # In the order of the file, which a disk reads faster.
        order = torch.argsort(self._places[rows])
        mels = torch.empty(len(rows), *self._mels.shape[1:], dtype=torch.float16)
        mels = mels.pin_memory() if self.device.type == "cuda" else mels
        target = mels.numpy()
        places = self._places[rows]
        # Opened anew: the pages of a map that stays open count as this process's memory, all of
        # them in the end.
        file = np.load(self.folder / "mels.npy", mmap_mode="r")
        for place in order.tolist():
            target[place] = file[places[place]]
        return mels

    def notes(self, row: int) -> pd.DataFrame:
        """The notes of one segment: a row a note, with pitch, step, length and velocity."""
        first, count = int(self._first[row]), int(self._counts[row])
        notes = self._notes[first : first + count].long().cpu().numpy()
        return pd.DataFrame(notes, columns=NOTE_COLUMNS)

    def _hold_notes(self, segments) -> None:
        columns = {name: segments[name].combine_chunks() for name in NOTE_COLUMNS}
        counts = np.diff(columns["pitch"].offsets.to_numpy())
        flat = {name: column.flatten().to_numpy() for name, column in columns.items()}
        notes = np.stack([flat[name] for name in NOTE_COLUMNS], axis=1).astype(np.int16)
        self._notes = torch.from_numpy(notes).to(self.device)  # (notes, 4)
        self._counts_here = torch.from_numpy(counts.astype(np.int64))
        self._counts = self._counts_here.to(self.device)
        self._first = torch.cumsum(self._counts, 0) - self._counts


def draw_rolls(
    notes: Tensor, counts: Tensor, *, onsets: bool = False, velocity: bool = False
) -> Tensor:
    """Draw piano rolls, all at once and on the notes' device.

    Args:
        notes: `(notes, 3)` of integers: pitch, step and length, segment after segment; `(notes, 4)`
            with the velocity. A note of length 0 is not drawn.
        counts: `(segments,)` of int64, the notes of each segment.
        onsets: add a channel that is 1 where a note begins.
        velocity: 1/127 to 1 where a note sounds, its velocity, instead of 1.

    Returns:
        `(segments, 1 or 2, 84, 192)` of float32, 1 where a note sounds.
    """
    device = notes.device
    row = torch.repeat_interleave(
        torch.arange(len(counts), device=device), counts, output_size=len(notes)
    )
    pitch, step, length = notes.long().unbind(1)[:3]
    # Added where a note begins, taken away where it ends: the running sum is what sounds.
    edges = torch.zeros(len(counts), PITCHES, SEGMENT_STEPS + 1, device=device)
    line = (row * PITCHES + pitch - LOWEST_PITCH) * (SEGMENT_STEPS + 1)
    height = notes[:, 3].float() if velocity else torch.ones(len(row), device=device)
    edges.view(-1).index_add_(0, line + step, height)
    edges.view(-1).index_add_(0, line + step + length, -height)
    sounding = edges.cumsum(2)[:, None, :, :SEGMENT_STEPS]
    rolls = sounding.clamp(max=127) / 127 if velocity else (sounding > 0).float()
    if not onsets:
        return rolls
    begins = torch.zeros_like(edges)
    begins.view(-1).index_fill_(0, (line + step)[length > 0], 1.0)
    return torch.cat([rolls, begins[:, None, :, :SEGMENT_STEPS]], dim=1)
