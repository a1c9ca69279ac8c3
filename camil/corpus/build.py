"""Build a corpus on disk from a source, in parallel and resumable.

The songs are divided into parts, which are written by several processes, or by shards on several
machines, and merged when all are complete. Existing parts are not written again.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from camil.corpus.merge import Splits, install, is_begun, mel_header, merge
from camil.corpus.parts import MAX_SONGS, MEL_BYTES, Part, Parts, PartWriter, Spectrogram
from camil.corpus.workers import in_parallel
from camil.midi.instruments import FAMILIES
from camil.sources.protocol import Song, Source
from camil.workbook.files import read_json
from camil.workbook.lock import locked
from camil.workbook.provenance import commit, package_version, versions
from camil.workbook.valid_values import is_shard

SECONDS_PER_SONG = 600
# The rooms, in addition to `audio.py`, on whose code the content of a corpus depends.
ROOMS = ("midi", "composer", "sources", "corpus")
# The content of a corpus depends on these packages; parts of other versions are not mixed.
PACKAGES = ("numpy", "scipy", "librosa", "soundfile", "soxr", "tinysoundfont", "pyarrow")
PROCESS_PARAMETERS = ("shard", "workers")  # these do not change the content of a corpus


def write_corpus(
    folder: Path | str,
    source: Source,
    spectrogram: Spectrogram | None,
    splits: Splits,
    parameters: dict[str, Any],
    shard: str = "",
    workers: int = 0,
) -> dict[str, Any]:
    """Write the segments of every song of a source.

    Songs and tracks that cannot be read are skipped and listed in ``skipped.csv``; repaired faults
    are listed in ``warnings.csv``. The existing corpus is replaced when the new one is complete. An
    interrupted run is resumed, and the result is bit-identical.

    Args:
        folder: folder of the corpus.
        source: source of the songs.
        spectrogram: converts a segment's audio to ``(128, 282)``, with its parameters in
            ``description()``; None writes no mels.
        splits: assigns groups of songs to train, validation and test, for songs whose source
            defines no split.
        parameters: recorded in ``corpus.json``.
        shard: "3/8" does the third of eight shares of the work and writes no corpus; after all
            eight, a run without a shard merges them.
        workers: number of processes; 0 for one per core.

    Returns:
        The content of ``corpus.json``; for a shard, the numbers of its ``songs`` and ``segments``.

    Raises:
        ValueError: if no song has a segment, two songs have the same name, or the shard is not of
            the form "3/8".
        FolderInUseError: if another run is writing this corpus.
        OSError: if the disk is full; finished parts are kept.
    """
    folder = Path(folder)
    number, shards = shard_of(shard)
    parameters = {name: parameters[name] for name in parameters if name not in PROCESS_PARAMETERS}
    try:
        with locked(folder / ".lock", shared=bool(shard)):
            job = _Job(folder, source, spectrogram, parameters)
            if shard:
                with locked(folder / f".lock-{number}-of-{shards}"):
                    return job.make_share(number, shards, workers)
            return job.make(splits, workers)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message = "The disk is full. Finished parts are kept: free space and run this again"
            raise OSError(error.errno, message, str(folder)) from error
        raise


def shard_of(shard: str) -> tuple[int, int]:
    """The two numbers of a shard such as "3/8"; (1, 1) for the empty string.

    Raises:
        ValueError: if it has another form.
    """
    if problem := is_shard(shard):
        raise ValueError(f"shard {problem}, got {shard!r}")
    number, _, shards = shard.partition("/")
    return (int(number), int(shards)) if shard else (1, 1)


class _Job:
    """One corpus to be built: its folder, source, parts and description."""

    def __init__(
        self,
        folder: Path,
        source: Source,
        spectrogram: Spectrogram | None,
        parameters: dict[str, Any],
    ):
        self.folder, self.making = folder, folder / ".making"
        self.source, self.spectrogram = source, spectrogram
        songs = source.songs()
        self.sketches = any(song.group is None for song in songs)
        recipe = {
            "source": {"name": source.name} | source.description(),
            "mel": spectrogram and spectrogram.description(),
            "instruments": getattr(source, "instruments", FAMILIES).to_json(),
            "sketches": self.sketches,
            "code": _code(),
            "packages": {name: package_version(name) for name in PACKAGES},
        }
        self.recipe = _digest(recipe)
        self.plan = plan(songs, self.recipe)
        self.parts = Parts(self.making / self.recipe)
        groups = [(song.group, song.split) for part in self.plan for song in part.songs]
        marks = [part.mark for part in self.plan]
        self.information = {
            "source": recipe["source"],
            "mel": recipe["mel"],
            "instruments": recipe["instruments"],
            "parameters": parameters,
            "fingerprint": _digest([marks, groups, parameters]),
            "commit": commit(),
            "versions": versions(),
        }

    def make(self, splits: Splits, workers: int) -> dict[str, Any]:
        install(self.making / "next", self.folder)  # if a run was interrupted here
        if self._is_complete():
            print("The corpus exists already, built from the same files with the same parameters.")
        else:
            self._remove_other_parts()
            mels = self.making / "next" / "mels.npy"
            if not is_begun(mels, self.parts, self.plan):
                mels.unlink(missing_ok=True)
                self.parts.forget_unfinished()
                self._make_parts(self.plan, workers)
            merge(self.making / "next", self.parts, self.plan, splits, self.information)
            install(self.making / "next", self.folder)
        shutil.rmtree(self.making, ignore_errors=True)
        return read_json(self.folder / "corpus.json")

    def make_share(self, number: int, shards: int, workers: int) -> dict[str, Any]:
        share = self.plan[number - 1 :: shards]
        self._make_parts(share, workers)
        found = [self.parts.contents(part) for part in share]
        return {
            "songs": sum(len(contents.songs) for contents in found),
            "segments": sum(contents.segments for contents in found),
        }

    def _make_parts(self, plan: list[Part], workers: int) -> None:
        self.parts.folder.mkdir(parents=True, exist_ok=True)
        missing = [part for part in plan if not self.parts.is_done(part)]
        work = PartWriter(self.parts.folder, self.source, self.spectrogram, self.sketches)
        progress = _Progress(plan, missing)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        workers = min(workers or cores, len(missing))
        for _ in in_parallel(missing, work, workers, SECONDS_PER_SONG, progress.begin):
            pass
        progress.end()

    def _is_complete(self) -> bool:
        """Whether the folder contains this corpus completely."""
        paths = [self.folder / name for name in ("corpus.json", "segments.parquet", "mels.npy")]
        if not all(path.is_file() for path in paths):
            return False
        about = read_json(paths[0])
        mels = about.get("segments", 0) if self.spectrogram else 0
        complete = paths[2].stat().st_size == len(mel_header(mels)) + mels * MEL_BYTES
        return complete and about.get("fingerprint") == self.information["fingerprint"]

    def _remove_other_parts(self) -> None:
        """Remove parts of another source or of other parameters."""
        for folder in self.making.glob("*"):
            if folder.name not in (self.recipe, "next"):
                shutil.rmtree(folder, ignore_errors=True)


class _Progress:
    """Print the number of songs done, the rate and the remaining time every few seconds."""

    def __init__(self, plan: list[Part], missing: list[Part]):
        self.total = sum(len(part.songs) for part in plan)
        self.done = self.before = self.total - sum(len(part.songs) for part in missing)
        self.started = self.reported = time.monotonic()
        self.seen: set[str] = set()
        if self.before:
            print(f"{self.before} of {self.total} songs are complete from an earlier run.")

    def begin(self, song: str) -> None:
        now = time.monotonic()
        self.done = self.before + len(self.seen)
        if now - self.reported > 5 and self.seen:
            self.reported, rate = now, len(self.seen) / (now - self.started)
            left = (self.total - self.done) / rate
            print(f"{self.done}/{self.total} songs, {rate:.1f} per second, {left:.0f} s left")
        self.seen.add(song)

    def end(self) -> None:
        seconds = time.monotonic() - self.started
        print(f"{self.total}/{self.total} songs in {seconds:.0f} s")


def plan(songs: list[Song], recipe: str) -> list[Part]:
    """Divide the songs into parts. The division depends only on the songs.

    Raises:
        ValueError: if two songs have the same name.
    """
    path_of: dict[str, Path] = {}
    for song in songs:
        if song.name in path_of:
            raise ValueError(
                f"two songs have the name {song.name!r}: {path_of[song.name]} and {song.path}; "
                "rename a file or leave it out"
            )
        path_of[song.name] = song.path
    size = min(max(len(songs) // 64, 1), MAX_SONGS)
    parts = []
    for begin in range(0, len(songs), size):
        some = songs[begin : begin + size]
        parts.append(Part(len(parts), some, _digest([recipe, [_state(song) for song in some]])))
    return parts


def _state(song: Song) -> list:
    """Names, sizes and times of the song's files, which change when a file does."""
    files = sorted(song.path.rglob("*")) if song.path.is_dir() else [song.path]
    return [song.name, *((file.name, *_size_and_time(file)) for file in files)]


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # missing or not accessible: reported when it is read
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _code() -> str:
    """A checksum of the code that the content of a corpus depends on."""
    package = Path(__file__).parents[1]
    files = sorted(file for room in ROOMS for file in package.glob(f"{room}/**/*.py"))
    files.append(package / "audio.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
