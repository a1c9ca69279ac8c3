"""Label single MIDI files, and map a function over many files in several processes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from camil.corpus.workers import Faults, Report, in_parallel
from camil.labelling.networks import Labeller, TrackReading, load_labeller
from camil.labelling.transcriptions import transcription
from camil.midi.faults import MidiWarning
from camil.midi.score import Score, Track, read_midi

# Labels with a lower probability are uncertain: probabilities are calibrated, so below one half the
# label is more likely wrong than right.
THRESHOLD = 0.5
UNCERTAIN = "uncertain"
OTHER = "other"
DRUMS = "drums are not labelled"
TOO_SHORT = "the track has no two notes within two measures, between C1 and B7"
FILES_PER_JOB = 8  # a job whose process dies starts again
FILES_PER_PROCESS = 16  # a process needs as long to start as for about this many files
SECONDS_PER_FILE = 120.0
_SHOWN_REPAIRS = 3  # per file, in the Python warning


@dataclass
class LabelledFile:
    """The labels of one file.

    Attributes:
        name: the name of the file in all tables.
        segments: one row per segment, with the columns that `camil.label` documents.
        skipped: tracks without a label: ``file``, ``track`` and ``why``.
        repairs: faults that were repaired.
        merges, likely_drums: rows of the tables of a
            `camil.labelling.transcriptions.Transcription`; empty if tracks were not joined.
    """

    name: str
    segments: pd.DataFrame
    skipped: list[dict[str, str]]
    repairs: list[MidiWarning]
    merges: list[dict[str, Any]] = field(default_factory=list)
    likely_drums: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class SkippedFile:
    """A file without a result, and why."""

    why: str


class LabellerByName:
    """A loaded labeller; another process loads it again instead of receiving its weights.

    Args:
        pretrained: as for `load_labeller`.
    """

    def __init__(self, pretrained: Path | str | None):
        self.pretrained = pretrained
        self.labeller = load_labeller(pretrained)
        self.classes, self.instruments = self.labeller.classes, self.labeller.instruments

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        return self.labeller(tracks, score)

    def __reduce__(self):
        return LabellerByName, (self.pretrained,)


def label_file(
    path: Path, name: str, labeller: Labeller, threshold: float, transcribed: bool = False
) -> LabelledFile:
    """Label one file.

    Args:
        name: the name of the file in the tables.
        threshold: segments whose most probable class is less probable are ``uncertain``.
        transcribed: join the tracks that are likely one part before, and mark likely drums.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if no pitched track has two notes within two measures, and no track is marked
            as likely drums.
    """
    score = read_midi(path, strict=False)
    if not transcribed:
        return label_score(score, path, name, labeller, threshold)
    with one_thread():
        found = transcription(score, labeller)
    if found.likely_drums.empty:
        labelled = label_score(found.score, path, name, labeller, threshold)
    else:  # they are a result, also if no other track can be labelled
        labelled = _labelled(found.score, name, labeller, threshold)
    labelled.merges = found.merges.to_dict("records")
    labelled.likely_drums = found.likely_drums.to_dict("records")
    return labelled


def label_score(
    score: Score, path: Path, name: str, labeller: Labeller, threshold: float
) -> LabelledFile:
    """Label the score of a file.

    Args:
        score, path, name, labeller, threshold: the song, and as for `label_file`.

    Raises:
        ValueError: if no pitched track has two notes within two measures.
    """
    labelled = _labelled(score, name, labeller, threshold)
    if labelled.segments.empty:
        raise ValueError(f"{path} has no pitched track with two notes within two measures.")
    return labelled


def _labelled(score: Score, name: str, labeller: Labeller, threshold: float) -> LabelledFile:
    """The labels of a score; the table of segments may have no rows."""
    pitched = [track for track in score.tracks if not track.is_drum]
    with one_thread():
        readings = labeller(pitched, score)
    pairs = zip(pitched, readings, strict=True)
    read = [(track, reading) for track, reading in pairs if reading is not None]
    labelled = {track.name for track, _ in read}
    skipped = [
        {"file": name, "track": track.name, "why": DRUMS if track.is_drum else TOO_SHORT}
        for track in score.tracks
        if track.name not in labelled
    ]
    segments = _rows(name, read, score, labeller, threshold)
    return LabelledFile(name, segments, skipped, score.warnings)


def warn_of_repairs(path: Path, repairs: Sequence[MidiWarning]) -> None:
    """Issue one Python warning with the first repairs of a file, if there are any."""
    if repairs:
        rest = len(repairs) - _SHOWN_REPAIRS
        more = f"; and {rest} more" if rest > 0 else ""
        text = "; ".join(str(one) for one in repairs[:_SHOWN_REPAIRS])
        warnings.warn(f"{path} is damaged and was repaired: {text}{more}", stacklevel=3)


def check_threshold(threshold: float) -> None:
    """Raise ValueError unless the threshold is a probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold = {threshold} must be between 0 and 1")


def most_probable(probabilities: np.ndarray, names: Sequence[str], threshold: float) -> np.ndarray:
    """``(rows,)`` most probable names of ``(rows, names)``; ``uncertain`` below the threshold."""
    check_threshold(threshold)
    best = np.asarray(names, dtype=object)[probabilities.argmax(axis=1)]
    return np.where(probabilities.max(axis=1) >= threshold, best, UNCERTAIN)


def map_files(
    files: Sequence[Path],
    work: Callable[[Path, int], Any],
    processes: int = 1,
    on_file: Callable[[str], None] = lambda path: None,
) -> Iterator[Any]:
    """Apply a function to files, in this process or in several.

    A file at which processes die repeatedly, or which takes longer than two minutes, is a
    `SkippedFile`; with one process, such a file ends or delays this process.

    Args:
        work: called with a file and its index; pickled if there are several processes. Its
            exceptions make a `SkippedFile`.
        processes: largest number of processes. Fewer are used for few files.
        on_file: called with the path of each file that is begun.

    Yields:
        One result per file, in the order of the files.
    """
    processes = min(processes, -(-len(files) // FILES_PER_PROCESS))
    if processes < 2:
        for index, file in enumerate(files):
            on_file(str(file))
            yield _attempt(work, file, index)
        return
    indexed = list(enumerate(files))
    jobs = [indexed[i : i + FILES_PER_JOB] for i in range(0, len(files), FILES_PER_JOB)]
    finished, following = {}, 0
    results = in_parallel(jobs, partial(_do_job, work), processes, SECONDS_PER_FILE, on_file)
    for first, of_job in results:
        finished[first] = of_job
        while following in finished:
            of_job = finished.pop(following)
            following += len(of_job)
            yield from of_job


def _do_job(
    work: Callable[[Path, int], Any], job: list[tuple[int, Path]], faults: Faults, report: Report
) -> tuple[int, list[Any]]:
    """The index of the first file of a job, and the results of its files."""
    results = []
    for index, file in job:
        report(str(file))
        why = faults.get(str(file))
        results.append(SkippedFile(f"{file}: {why}") if why else _attempt(work, file, index))
    return job[0][0], results


def _attempt(work: Callable[[Path, int], Any], file: Path, index: int) -> Any:
    try:
        return work(file, index)
    except Exception as error:
        # One file must not end a long job, whatever is wrong with it.
        if isinstance(error, ValueError | OSError) and str(error):
            return SkippedFile(str(error))
        return SkippedFile(": ".join(filter(None, [str(file), type(error).__name__, str(error)])))


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, so that results do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _rows(
    name: str,
    read: Sequence[tuple[Track, TrackReading]],
    score: Score,
    labeller: Labeller,
    threshold: float,
) -> pd.DataFrame:
    """One row per segment of a file, in the order of its tracks."""
    if not read:  # no rows, with the same columns and types
        nothing = np.zeros((1, len(labeller.classes)))
        blank = TrackReading(np.zeros((1, 2)), nothing, nothing[0])
        return _rows(name, [(score.tracks[0], blank)], score, labeller, threshold).iloc[:0]
    counts = [len(reading.spans) for _, reading in read]
    start, end = np.concatenate([reading.spans for _, reading in read]).T
    probabilities = np.concatenate([reading.probabilities for _, reading in read])
    of_tracks = pd.DataFrame([_of_track(track, reading, labeller) for track, reading in read])
    of_segments = of_tracks.loc[np.repeat(np.arange(len(read)), counts)].reset_index(drop=True)
    columns = {
        "file": name,
        **{column: of_segments.pop(column) for column in ("track", "channel", "program")},
        "labelled": of_segments.pop("labelled"),
        "start_beat": start,
        "end_beat": end,
        "start_seconds": score.seconds_at(start),
        "end_seconds": score.seconds_at(end),
        "predicted": most_probable(probabilities, labeller.classes, threshold),
    }
    columns |= {f"p_{one}": probabilities[:, i] for i, one in enumerate(labeller.classes)}
    return pd.concat([pd.DataFrame(columns), of_segments], axis=1)


def _of_track(track: Track, reading: TrackReading, labeller: Labeller) -> dict[str, Any]:
    program, probability = _suggestion(reading, labeller)
    return {
        "track": track.name,
        "channel": track.channel + 1,
        "program": track.program,
        "labelled": track.labelled,
        **{
            f"track_{name}": share
            for name, share in zip(labeller.classes, reading.track, strict=True)
        },
        "track_other": reading.other,
        "track_suggested_program": program,
        "track_suggested_program_probability": probability,
    }


def _suggestion(reading: TrackReading, labeller: Labeller) -> tuple[int, float]:
    """The most probable program within the most probable label, with its probability there.

    Within ``other``, these are the programs of no class.
    """
    if reading.programs is None:
        return -1, float("nan")
    best = labeller.classes[int(reading.track.argmax())]
    if reading.other > (1 - reading.other) * reading.track.max():
        best = None
    table = labeller.instruments
    within = np.array([table.of_program(number) == best for number in range(len(reading.programs))])
    shares = np.where(within, reading.programs, 0)
    if not shares.sum() > 0:
        return -1, float("nan")
    return int(shares.argmax()), float(shares.max() / shares.sum())
