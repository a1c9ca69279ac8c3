"""Label the instrument of every track of a MIDI file, or of a folder of files, from its notes."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi

from camil.labelling.networks import Labeller, TrackReading, load_labeller
from camil.midi.faults import MidiWarning
from camil.midi.score import Score, Track, read_midi
from camil.training.progress import each

# Labels with a lower probability are uncertain: probabilities are calibrated, so below one half the
# label is more likely wrong than right.
THRESHOLD = 0.5
UNCERTAIN = "uncertain"
SUFFIXES = (".mid", ".midi", ".kar")
DRUMS = "drums are not labelled"
TOO_SHORT = "the track has no two notes within two measures, between C1 and B7"
_SHOWN_REPAIRS = 3  # per file, in the Python warning


def label(path: Path | str, pretrained: Path | str | Labeller | None = None) -> pd.DataFrame:
    """Label a MIDI file, or all files of a folder, per two measures.

    The programs in a file are not used. A part is the notes that one program plays on one channel
    of one MIDI track, so each channel of a type-0 file is a part. Damaged files are repaired as far
    as possible; a Python warning is issued for each, and `repairs` lists the repairs. In a folder,
    a file that cannot be read is skipped; `skipped` lists it with the reason.

    Args:
        path: a ``.mid``, ``.midi`` or ``.kar`` file, or a folder, which is searched recursively.
        pretrained: a run of ``03_classify`` on MIDI, or a labeller from `load_labeller`; by default
            the classifier that is included in camil.

    Returns:
        One row per segment: ``file`` (its name; in a folder, its path from there), ``track``,
        ``channel`` (1 to 16), ``program`` (0 to 127, as in the file), ``labelled`` (False if the
        file states no General MIDI program for the part), ``start_beat``, ``end_beat`` (quarter
        notes), ``start_seconds``, ``end_seconds``, ``predicted`` (a class, or ``uncertain``), the
        probabilities ``p_Guitar`` ... ``p_Reed`` of the segment, and those of the whole track,
        ``track_Guitar`` ... ``track_Reed``.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if no track has two notes within two measures, if the folder has no MIDI file or
            none that can be labelled, or if the run classifies audio.
        FileNotFoundError: if there is no such file or no classifier.

    Example:
        >>> segments = label("song.mid")
        >>> track_labels(segments)[["track", "predicted", "probability"]]
    """
    path = Path(path)
    labeller = pretrained if callable(pretrained) else load_labeller(pretrained)
    if not path.is_dir():
        return _table([_label_file(path, path.name, labeller)], [])
    tables, faults = [], []
    files = midi_files(path)
    for file in each(files, "file"):
        name = file.relative_to(path).as_posix()
        try:
            tables.append(_label_file(file, name, labeller))
        except (ValueError, OSError, MemoryError) as error:
            faults.append({"file": name, "track": "", "why": str(error) or type(error).__name__})
    if not tables:
        raise ValueError(
            f"none of the {len(files)} files in {path} can be labelled; the first: "
            f"{faults[0]['file']}: {faults[0]['why']}"
        )
    return _table(tables, faults)


def track_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Labels per track.

    Args:
        labels: from `label`.

    Returns:
        One row per track: ``file``, ``track``, ``channel``, ``program``, ``written`` (the General
        MIDI name of the program, or ``unknown`` if the file states none), ``predicted`` (a class,
        or ``uncertain`` below `THRESHOLD`), ``probability`` of the most probable class, and the
        probabilities of all classes, ``p_Guitar`` ... ``p_Reed``.
    """
    classes = [name.removeprefix("p_") for name in labels if name.startswith("p_")]
    first = labels.groupby(["file", "track"], sort=False).first().reset_index()
    tracks = first[["file", "track", "channel", "program"]].copy()
    stated = first["labelled"] if "labelled" in first else np.ones(len(first), bool)
    tracks["written"] = [
        pretty_midi.program_to_instrument_name(program) if known else "unknown"
        for program, known in zip(tracks["program"], stated, strict=True)
    ]
    shares = first[[f"track_{name}" for name in classes]]
    tracks["predicted"] = _predicted(shares.to_numpy(), classes)
    tracks["probability"] = shares.max(axis=1)
    return tracks.join(shares.set_axis([f"p_{name}" for name in classes], axis=1))


def skipped(labels: pd.DataFrame) -> pd.DataFrame:
    """Files and tracks without a label.

    Args:
        labels: from `label`, as it was returned.

    Returns:
        One row per file or track: ``file``, ``track`` (empty for a whole file) and ``why``.
    """
    return pd.DataFrame(labels.attrs["skipped"], columns=["file", "track", "why"])


def repairs(labels: pd.DataFrame) -> pd.DataFrame:
    """Faults of damaged files that were repaired.

    Args:
        labels: from `label`, as it was returned.

    Returns:
        One row per repair: ``file``, ``track`` (from 1; 0 if the fault is in no track), ``offset``
        (bytes; -1 if the fault is at no position), ``what`` (the fault) and ``done``.
    """
    columns = ["file", "track", "offset", "what", "done"]
    return pd.DataFrame(labels.attrs["repairs"], columns=columns)


def midi_files(folder: Path) -> list[Path]:
    """All MIDI files in a folder and its subfolders, sorted.

    Raises:
        ValueError: if there is none.
    """
    found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    files = sorted(file for file in found if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"the folder {folder} contains no {', '.join(SUFFIXES)} file")
    return files


@dataclass
class _Labelled:
    """The rows of one file, its tracks without a label, and its repairs."""

    rows: pd.DataFrame
    skipped: list[dict[str, str]]
    repairs: list[dict[str, str | int]]


def _label_file(path: Path, name: str, labeller: Labeller) -> _Labelled:
    score = read_midi(path, strict=False)
    _show(path, score.warnings)
    pitched = [track for track in score.tracks if not track.is_drum]
    readings = zip(pitched, labeller(pitched, score), strict=True)
    read = [(track, reading) for track, reading in readings if reading is not None]
    if not read:
        raise ValueError(f"{path} has no pitched track with two notes within two measures.")
    labelled = {track.name for track, _ in read}
    unlabelled = [
        {"file": name, "track": track.name, "why": DRUMS if track.is_drum else TOO_SHORT}
        for track in score.tracks
        if track.name not in labelled
    ]
    rows = [_rows(name, track, reading, score, labeller.classes) for track, reading in read]
    found = [{"file": name} | asdict(warning) for warning in score.warnings]
    return _Labelled(pd.concat(rows, ignore_index=True), unlabelled, found)


def _show(path: Path, found: list[MidiWarning]) -> None:
    """Issue one Python warning with the first repairs of a file."""
    if found:
        more = f"; and {len(found) - _SHOWN_REPAIRS} more" if len(found) > _SHOWN_REPAIRS else ""
        text = "; ".join(str(one) for one in found[:_SHOWN_REPAIRS])
        warnings.warn(f"{path} is damaged and was repaired: {text}{more}", stacklevel=4)


def _rows(
    file: str, track: Track, reading: TrackReading, score: Score, classes: Sequence[str]
) -> pd.DataFrame:
    start, end = reading.spans.T
    about = {
        "file": file,
        "track": track.name,
        "channel": track.channel + 1,
        "program": track.program,
        "labelled": track.labelled,
        "start_beat": start,
        "end_beat": end,
        "start_seconds": score.seconds_at(start),
        "end_seconds": score.seconds_at(end),
        "predicted": _predicted(reading.probabilities, classes),
    }
    columns = zip(classes, reading.probabilities.T, strict=True)
    of_track = zip(classes, reading.track, strict=True)
    about |= {f"p_{name}": share for name, share in columns}
    return pd.DataFrame(about | {f"track_{name}": share for name, share in of_track})


def _table(files: list[_Labelled], faults: list[dict[str, str]]) -> pd.DataFrame:
    labels = pd.concat([one.rows for one in files], ignore_index=True)
    labels.attrs["skipped"] = faults + [row for one in files for row in one.skipped]
    labels.attrs["repairs"] = [row for one in files for row in one.repairs]
    return labels


def _predicted(probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The most probable class of each row, or ``uncertain``."""
    best = np.asarray(classes, dtype=object)[probabilities.argmax(axis=1)]
    return np.where(probabilities.max(axis=1) >= THRESHOLD, best, UNCERTAIN)
