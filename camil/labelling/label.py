"""Label the instrument of every track of a MIDI file, or of a folder of files, from its notes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pretty_midi

from camil.labelling.files import (
    OTHER,
    THRESHOLD,
    UNCERTAIN,
    LabelledFile,
    LabellerByName,
    SkippedFile,
    check_threshold,
    label_file,
    map_files,
    most_probable,
    warn_of_repairs,
)
from camil.labelling.networks import Labeller
from camil.midi.folder import midi_files
from camil.training.progress import each


def label(
    path: Path | str,
    pretrained: Path | str | Labeller | None = None,
    threshold: float = THRESHOLD,
    processes: int = 1,
    transcription: bool = False,
    progress: Callable[[Sequence[Path]], Iterable[Path]] | None = None,
) -> pd.DataFrame:
    """Label a MIDI file, or all files of a folder, per two measures.

    The programs in a file are not used. A part is the notes that one program plays on one channel
    of one MIDI track, so each channel of a type-0 file is a part. Damaged files are repaired as far
    as possible; a Python warning is issued for each, and `repairs` lists the repairs. In a folder,
    a file or subfolder that cannot be read is skipped; `skipped` lists it with the reason.

    Args:
        path: a ``.mid``, ``.midi``, ``.kar`` or ``.rmi`` file, or a folder, which is searched
            recursively.
        pretrained: a run of ``11_songs``, or of ``03_classify`` on MIDI, the name of an included
            network, or a labeller from `load_labeller`; by default the network that is included in
            camil.
        threshold: segments whose most probable class is less probable are ``uncertain``.
        processes: largest number of processes for the files of a folder; the labels do not depend
            on it. A script that sets it needs ``if __name__ == "__main__":``.
        transcription: for files that a transcription model wrote from audio: join the tracks that
            are likely one part before labelling, and mark likely drums, which are not labelled. A
            joined part has the name, channel and program of its first track. `merges` and
            `likely_drums` list what was joined and marked.
        progress: iterates over the files of a folder and shows the progress; by default a bar, or
            a line every ten seconds.

    Returns:
        One row per segment: ``file`` (its name; in a folder, its path from there; bytes that are
        not UTF-8 are escaped), ``track``, ``channel`` (1 to 16), ``program`` (0 to 127, as in the
        file), ``labelled`` (False if the file states no General MIDI program for the part),
        ``start_beat``, ``end_beat`` (quarter notes), ``start_seconds``, ``end_seconds``,
        ``predicted`` (a class, or ``uncertain``), the probabilities ``p_Guitar`` ... ``p_Reed`` of
        the segment, and those of the whole track, ``track_Guitar`` ... ``track_Reed``. Both are
        given that the part belongs to one of the classes. ``track_other`` is the probability that
        it belongs to none (NaN if the network does not predict it), ``track_suggested_program`` the
        most probable program within the most probable class (or within the other programs if these
        are more probable; -1 if the network predicts no programs),
        ``track_suggested_program_probability`` its probability there.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if no pitched track has two notes within two measures (nor, with
            ``transcription``, is likely drums), if the folder has no MIDI file or none that can be
            labelled, if the run classifies audio, or if the path or threshold is invalid.
        FileNotFoundError: if there is no such file or no classifier.

    Example:
        >>> segments = label("song.mid")
        >>> track_labels(segments)[["track", "predicted", "probability"]]
    """
    if path == "":  # such as an unset variable; pathlib takes it for the current folder
        raise ValueError("the path is empty; name a file or folder, or '.' for the current folder")
    check_threshold(threshold)
    path = Path(path)
    labeller = pretrained if callable(pretrained) else LabellerByName(pretrained)
    if not path.is_dir():
        one = label_file(path, as_utf8(path.name), labeller, threshold, transcription)
        warn_of_repairs(path, one.repairs)
        return _table([one], [])
    files, unreadable = midi_files(path)
    names = [name_within(path, file) for file in files]
    tables, faults = [], []
    options = {"labeller": labeller, "threshold": threshold, "transcribed": transcription}
    results = map_files(files, partial(_work, names=names, **options), processes)
    shown = progress(files) if progress else each(files, "file")
    for file, name, one in zip(shown, names, results, strict=True):
        if isinstance(one, SkippedFile):
            faults.append({"file": name, "track": "", "why": as_utf8(one.why)})
        else:
            warn_of_repairs(file, one.repairs)
            tables.append(one)
    if not tables:
        raise ValueError(
            f"none of the {len(files)} files in {path} can be labelled; the first: "
            f"{faults[0]['file']}: {faults[0]['why']}"
        )
    for below, why in unreadable.items():
        faults.append({"file": name_within(path, below), "track": "", "why": as_utf8(why)})
    return _table(tables, faults)


def track_labels(labels: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Labels per track.

    The probability of a class is ``(1 - other) p``, where ``other`` is the probability that the
    part belongs to no class and ``p`` that of the class if it belongs to one; ``other`` counts as 0
    if the network does not predict it. The label is the most probable of the classes and ``other``,
    if its probability is at least the threshold.

    Args:
        labels: from `label`.
        threshold: labels with a lower probability are ``uncertain``.

    Returns:
        One row per track: ``file``, ``track``, ``channel``, ``program``, ``written`` (the General
        MIDI name of the program, or ``unknown`` if the file states none), ``predicted`` (a class,
        ``other`` or ``uncertain``), ``probability`` of the most probable label, and then

        - ``text``: the label; below the threshold the two most probable ones, such as "Pipe or
          Reed", if their probabilities together reach it and the second is at least half of the
          first, else ``uncertain``
        - ``first``, ``second``: the two most probable labels, classes or ``other``;
          ``second_probability`` (``probability`` is that of the first)
        - ``other``: the probability that the part belongs to no class; NaN if the network does not
          predict it
        - ``suggested_program``: the most probable General MIDI program, 0 to 127, within the
          predicted class, or for ``other`` within the programs of no class; -1 if the label is
          uncertain or the network predicts no programs. ``suggested_program_probability`` is its
          probability within the class
        - ``p_Guitar`` ... ``p_Reed``: the probabilities of the classes if the part belongs to one;
          they add up to 1.
    """
    classes = [name.removeprefix("p_") for name in labels if name.startswith("p_")]
    first = labels.groupby(["file", "track"], sort=False).first().reset_index()
    tracks = first[["file", "track", "channel", "program"]].copy()
    stated = _column(first, "labelled", True)
    tracks["written"] = [
        pretty_midi.program_to_instrument_name(program) if known else "unknown"
        for program, known in zip(tracks["program"], stated, strict=True)
    ]
    shares = first[[f"track_{name}" for name in classes]]
    tracks = tracks.join(_decisions(shares.to_numpy(), classes, first, threshold))
    return tracks.join(shares.set_axis([f"p_{name}" for name in classes], axis=1))


def skipped(labels: pd.DataFrame) -> pd.DataFrame:
    """Files, subfolders and tracks without a label.

    Args:
        labels: from `label`, as it was returned.

    Returns:
        One row per file, subfolder or track: ``file``, ``track`` (empty unless it is a track) and
        ``why``.
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


def merges(labels: pd.DataFrame) -> pd.DataFrame:
    """Parts that were joined of several tracks.

    Args:
        labels: from `label` with ``transcription=True``, as it was returned.

    Returns:
        One row per joined part: ``file``, ``part`` (its name, that of its first track), ``tracks``
        (the list of their names), ``probability`` that the least similar of them belong together,
        and ``reason``, a sentence.
    """
    columns = ["file", "part", "tracks", "probability", "reason"]
    return pd.DataFrame(labels.attrs["merges"], columns=columns)


def likely_drums(labels: pd.DataFrame) -> pd.DataFrame:
    """Tracks that are likely drums and that the file has as pitched.

    Args:
        labels: from `label` with ``transcription=True``, as it was returned.

    Returns:
        One row per track, most probable first: ``file``, ``track``, ``notes``, ``probability``.
    """
    columns = ["file", "track", "notes", "probability"]
    return pd.DataFrame(labels.attrs["likely_drums"], columns=columns)


def name_within(folder: Path, path: Path) -> str:
    """The name, in tables, of a file or subfolder of a folder."""
    return as_utf8(path.relative_to(folder).as_posix())


def as_utf8(text: str) -> str:
    """A text that tables can hold: bytes of a file name that are not UTF-8 are escaped.

    A table of pandas, or a file, with such a name as Python reads it raises UnicodeEncodeError.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _decisions(
    shares: np.ndarray, classes: Sequence[str], first: pd.DataFrame, threshold: float
) -> pd.DataFrame:
    """The columns of `track_labels` from ``predicted`` to ``suggested_program_probability``."""
    other = _column(first, "track_other", np.nan).to_numpy(float)
    none = np.nan_to_num(other)[:, None]
    joint = np.concatenate([(1 - none) * shares, none], axis=1)  # (tracks, classes + 1)
    names = np.array([*classes, OTHER], dtype=object)
    order = np.argsort(-joint, axis=1, kind="stable")[:, :2]
    best, second = np.take_along_axis(joint, order, axis=1).T
    predicted = most_probable(joint, names, threshold)
    either = [" or ".join(pair) for pair in names[order]]
    is_uncertain = predicted == UNCERTAIN
    rivals = is_uncertain & (best + second >= threshold) & (second >= best / 2)
    program = _column(first, "track_suggested_program", -1).to_numpy(int)
    probability = _column(first, "track_suggested_program_probability", np.nan).to_numpy(float)
    return pd.DataFrame(
        {
            "predicted": predicted,
            "probability": best,
            "text": np.where(rivals, either, predicted),
            "first": names[order[:, 0]],
            "second": names[order[:, 1]],
            "second_probability": second,
            "other": other,
            "suggested_program": np.where(is_uncertain, -1, program),
            "suggested_program_probability": np.where(is_uncertain, np.nan, probability),
        }
    )


def _column(table: pd.DataFrame, name: str, default: object) -> pd.Series:
    """A column, or a constant if a table of an earlier version lacks it."""
    return table[name] if name in table else pd.Series(default, index=table.index)


def _work(path: Path, index: int, names: Sequence[str], **options: Any) -> LabelledFile:
    return label_file(path, names[index], **options)


def _table(files: list[LabelledFile], faults: list[dict[str, str]]) -> pd.DataFrame:
    labels = pd.concat([one.segments for one in files], ignore_index=True)
    labels.attrs["skipped"] = faults + [row for one in files for row in one.skipped]
    labels.attrs["repairs"] = [
        {"file": one.name} | asdict(repair) for one in files for repair in one.repairs
    ]
    for name in ("merges", "likely_drums"):
        rows = [(one.name, row) for one in files for row in getattr(one, name)]
        labels.attrs[name] = [{"file": file} | row for file, row in rows]
    return labels
