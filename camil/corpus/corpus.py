"""Read a corpus: two-measure segments as notes and mel-spectrograms, split by song.

The folder holds ``segments.parquet`` (one row per segment, its notes as lists), ``mels.npy``
``(segments, 128, 282)`` float16 in dB, and ``corpus.json`` (source, parameters, checksums). Piano
rolls are drawn from the notes in batches, on the training device.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor

from camil.corpus.augmentation import Augmentation, draw_seeds
from camil.corpus.rolls import SegmentNotes, draw_rolls
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.segments import NOTE_COLUMNS
from camil.workbook.files import read_json

SPLITS = ("train", "validation", "test")
LISTS = {*NOTE_COLUMNS, "whole"}  # columns of segments.parquet that are not in `Corpus.table`


class Corpus:
    """A corpus on disk, and batches of its segments.

    Args:
        folder: written by ``01_preprocess``.
        device: device on which notes are held and batches are drawn.
        onsets: add a second channel to rolls, 1 where a note begins.
        velocity: draw velocities (1 is the loudest) instead of 1 where a note sounds.
        augmentation: applied by `rolls` if it receives seeds.

    Attributes:
        table: one row per segment, all columns of ``segments.parquet`` except lists.
        info: the content of ``corpus.json``.
        instruments: the instrument table, `FAMILIES` if ``corpus.json`` has none.
        labels: ``(segments,)`` int64 on the device, indices into ``instruments``.

    Raises:
        FileNotFoundError: if the folder contains no corpus.
        ValueError: if its files do not belong together.

    Example:
        >>> corpus = Corpus("corpora/demo")
        >>> rows = corpus.rows("train")  # (rows,)
        >>> corpus.rolls(rows[:32])  # (32, 1, 84, 192)
        >>> corpus.mels(rows[:32])  # (32, 1, 128, 282)
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
            raise FileNotFoundError(f"{folder} contains no corpus; build one with 01_preprocess.")
        self.info = read_json(self.folder / "corpus.json")
        stated = self.info.get("instruments")
        self.instruments = InstrumentTable.from_json(stated) if stated else FAMILIES
        path = self.folder / "segments.parquet"
        names = [name for name in pq.read_schema(path).names if name not in LISTS]
        self.table = pq.read_table(path, columns=names).to_pandas()
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
        self._mel_of = torch.from_numpy(self.table["mel"].to_numpy(np.int64, copy=True))
        self._held_mels: Tensor | None = None
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._coming: tuple[Tensor, Future] | None = None
        indices = pd.Index(self.instruments.names).get_indexer(self.table["instrument"])
        if (indices < 0).any():
            unknown = self.table["instrument"][indices < 0].iloc[0]
            raise ValueError(f"{folder}: class {unknown!r} is not in its instrument table")
        self.labels = torch.from_numpy(indices.astype(np.int64)).to(self.device)

    # Seeds for the augmentation of `rolls`, one per segment.
    draw_seeds = staticmethod(draw_seeds)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_audio(self) -> bool:
        """Whether the corpus has mels in addition to notes."""
        return len(self._mels) > 0

    @property
    def identity(self) -> dict[str, str]:
        """Folder, source, and the checksums of the files."""
        return {
            "folder": str(self.folder),
            "source": self.info["source"]["name"],
            "sha256": self.info["sha256"]["segments.parquet"],
            "sha256_mels": self.info["sha256"].get("mels.npy", ""),
        }

    def rows(self, split: str, fraction: float = 1.0, seed: int = 0) -> Tensor:
        """The rows of a split, or of a share of its songs.

        With the same seed, a smaller share is a subset of every larger one. Labels are not used.

        Args:
            split: "train", "validation" or "test".
            fraction: share of the songs.
            seed: random seed of the choice of songs.

        Returns:
            ``(rows,)`` int64 on the device, ascending.

        Raises:
            ValueError: if there is no such split or segment.
        """
        if split not in SPLITS:
            raise ValueError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
        inside = self.table["split"] == split
        songs = np.unique(self.table.loc[inside, "song"])
        if fraction < 1:
            order = np.random.default_rng([seed, len(songs)]).permutation(len(songs))
            songs = songs[order[: round(fraction * len(songs))]]
        rows = np.flatnonzero(inside & self.table["song"].isin(songs))
        if not len(rows):
            raise ValueError(
                f"No segment of {self.folder} is in split {split!r} with {fraction} of its songs; "
                "choose a larger train_fraction or more songs."
            )
        return torch.from_numpy(rows).to(self.device)

    def leave_out(self, rows: Tensor, programs: Sequence[int]) -> Tensor:
        """The rows whose track has none of the General MIDI programs.

        Args:
            rows: ``(rows,)`` int64.
            programs: 0 to 127.
        """
        program = torch.from_numpy(self.table["program"].to_numpy(np.int64, copy=True))
        left_out = torch.isin(program[rows.cpu()], torch.tensor(list(programs), dtype=torch.int64))
        return rows[~left_out.to(rows.device)]

    def require_labels(self, rows: Tensor) -> list[str]:
        """Check that training rows contain several classes, and list those that they lack.

        Args:
            rows: ``(rows,)`` int64, the training segments.

        Returns:
            The classes that occur in the corpus, but not in these rows: a classifier that is
            trained on them never predicts these classes.

        Raises:
            ValueError: if the rows contain one class only.
        """
        present = set(self.table["instrument"].iloc[rows.cpu().numpy()])
        if len(present) < 2:
            raise ValueError(
                f"All training segments of {self.folder} are {', '.join(present)}; a classifier "
                "needs two classes. Choose songs with more instruments."
            )
        lacking = set(self.table["instrument"]) - present
        return [name for name in self.instruments.names if name in lacking]

    def without(self, name: str) -> tuple[InstrumentTable, Tensor]:
        """The instrument table without one class, and the labels by that table.

        Args:
            name: a class of the corpus whose parts belong to no instrument that is to be predicted;
                if empty, nothing changes.

        Returns:
            The table, and ``(segments,)`` int64 labels: -1 for segments of the class.

        Raises:
            ValueError: if there is no such class.
        """
        table = self.instruments.without(name)
        of_class = [table.names.index(one) if one != name else -1 for one in self.instruments.names]
        return table, torch.tensor(of_class, device=self.device)[self.labels]

    def rolls(self, rows: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Piano rolls of some segments, drawn together.

        Args:
            rows: ``(rows,)`` int64.
            seeds: ``(rows,)`` int64 from `draw_seeds`: augment each segment by its seed.

        Returns:
            ``(rows, 1, 84, 192)`` float32: 1 where a note sounds, else 0; two channels if
            ``onsets``. Velocities are not drawn by default: they depend more on the person who made
            the file than on the instrument.
        """
        notes, counts = self._notes.of(rows)
        if self.augmentation and seeds is not None:
            notes = self.augmentation(notes, counts, seeds.to(self.device))
        return draw_rolls(notes, counts, onsets=self.onsets, velocity=self.velocity)

    def mels(self, rows: Tensor) -> Tensor:
        """Mel-spectrograms of some segments.

        Args:
            rows: ``(rows,)`` int64.

        Returns:
            ``(rows, 1, 128, 282)`` float32 in [0, 1]: 0 is 80 dB below the loudest bin or less.

        Raises:
            ValueError: if the corpus was built without audio.
        """
        if not self.has_audio:
            raise ValueError(
                f"{self.folder} has no mels: it was built with audio: false, and no audio encoder "
                "can be trained on it."
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
        """Hold all mels in GPU memory if they need no more than half of its free space.

        On the CPU the system caches the file's pages.

        Returns:
            Whether they are held; if not, each batch is read from disk, which `prefetch` speeds up.
        """
        if self.device.type != "cuda":
            return False
        if self._mels.nbytes > torch.cuda.mem_get_info(self.device)[0] / 2:
            return False
        self._held_mels = torch.empty(self._mels.shape, dtype=torch.float16, device=self.device)
        for begin in range(0, len(self._mels), 4096):
            part = self._mels[self._mel_of[begin : begin + 4096].numpy()]
            self._held_mels[begin : begin + len(part)] = torch.from_numpy(part)
        return True

    def prefetch(self, rows: Tensor) -> None:
        """Begin to read the mels of the next batch in a background thread."""
        if self._held_mels is None:
            rows = rows.cpu()
            self._coming = rows, self._reader.submit(self._read, rows)

    def _read(self, rows: Tensor) -> Tensor:
        # In the order of the file, which is faster on a disk.
        order = torch.argsort(self._mel_of[rows])
        mels = torch.empty(len(rows), *self._mels.shape[1:], dtype=torch.float16)
        mels = mels.pin_memory() if self.device.type == "cuda" else mels
        target = mels.numpy()
        mel_of = self._mel_of[rows]
        # Mapped for each batch: pages of a map that stays open count as memory of this process, and
        # in time that would be the whole file.
        file = np.load(self.folder / "mels.npy", mmap_mode="r")
        for index in order.tolist():
            target[index] = file[mel_of[index]]
        return mels

    def notes(self, row: int) -> pd.DataFrame:
        """The notes of one segment: one row per note, with pitch, step, length and velocity."""
        notes, _ = self._notes.of(torch.tensor([row]))
        return pd.DataFrame(notes.long().cpu().numpy(), columns=NOTE_COLUMNS)

    @cached_property
    def tracks(self) -> Tensor:
        """``(segments,)`` int64 on the CPU, the number of each segment's track."""
        names = self.table["song"] + "\0" + self.table["track"]
        return torch.from_numpy(pd.factorize(names)[0].astype(np.int64))

    @cached_property
    def _notes(self) -> SegmentNotes:
        """The notes of all segments, read when a roll is first drawn."""
        return SegmentNotes.read(self.folder / "segments.parquet", self.device)
