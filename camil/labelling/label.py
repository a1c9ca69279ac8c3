"""Name the instrument of every track of a MIDI file, or of a folder of them, from notes alone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi

from camil.labelling.networks import Labeller, TrackReading, load_labeller
from camil.midi.score import Score, Track, read_midi
from camil.training.progress import each

# A label with a lower probability is "not sure": probabilities are calibrated, so below a half the
# label is more likely wrong than right.
SURE = 0.5
SUFFIXES = (".mid", ".midi", ".kar")
DRUMS = "drums are not labelled"
TOO_SHORT = "it has no two notes within two measures, between C1 and B7"


def label(path: Path | str, pretrained: Path | str | Labeller | None = None) -> pd.DataFrame:
    """Label a MIDI file, or all of a folder, two measures by two measures.

    What a file says about its instruments is not looked at. A part is what one program plays on one
    channel of one MIDI track, so the channels of a type-0 file are parts. In a folder, a file that
    cannot be read is skipped; `skipped` lists it with the reason.

    Args:
        path: a `.mid`, `.midi` or `.kar` file, or a folder of them, searched recursively.
        pretrained: a run of `03_classify` on MIDI, or what `load_labeller` gives; by default the
            classifier that comes with camil.

    Returns:
        A row a segment: `file` (its name, in a folder its path from there), `track`, `channel` (1
        to 16), `program` (0 to 127, as the file has it), `start_beat`, `end_beat` (quarter notes),
        `start_seconds`, `end_seconds`, `predicted` (a class, or `not sure`), its probabilities
        `p_Guitar` ... `p_Reed`, and those of the whole track, `track_Guitar` ... `track_Reed`.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if no track has two notes within two measures, if the folder holds no MIDI file
            or none that can be labelled, or the run classifies audio.
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
    """A row a track: `file`, `track`, `channel`, `program`, `written` (the program's General MIDI
    name), `predicted` (a class, or `not sure` below `SURE`), `probability` of the most probable
    class, and the probabilities of all, `p_Guitar` ... `p_Reed`.

    Args:
        labels: from `label`.
    """
    classes = [name.removeprefix("p_") for name in labels if name.startswith("p_")]
    first = labels.groupby(["file", "track"], sort=False).first().reset_index()
    tracks = first[["file", "track", "channel", "program"]].copy()
    names = [pretty_midi.program_to_instrument_name(program) for program in tracks["program"]]
    tracks["written"] = names
    shares = first[[f"track_{name}" for name in classes]]
    tracks["predicted"] = _named(shares.to_numpy(), classes)
    tracks["probability"] = shares.max(axis=1)
    return tracks.join(shares.set_axis([f"p_{name}" for name in classes], axis=1))


def skipped(labels: pd.DataFrame) -> pd.DataFrame:
    """What has no label and why: `file`, `track` (empty: the whole file) and `why`.

    Args:
        labels: from `label`, as it was returned.
    """
    return pd.DataFrame(labels.attrs["skipped"], columns=["file", "track", "why"])


def midi_files(folder: Path) -> list[Path]:
    """All MIDI files below a folder, sorted.

    Raises:
        ValueError: if there is none.
    """
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    files = sorted(file for file in found if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"the folder {folder} holds no {', '.join(SUFFIXES)} file")
    return files


@dataclass
class _Labelled:
    """One file: its rows and what of it was skipped."""

    rows: pd.DataFrame
    skipped: list[dict[str, str]]


def _label_file(path: Path, name: str, labeller: Labeller) -> _Labelled:
    score = read_midi(path)
    pitched = [track for track in score.tracks if not track.is_drum]
    readings = zip(pitched, labeller(pitched, score), strict=True)
    read = [(track, reading) for track, reading in readings if reading is not None]
    if not read:
        raise ValueError(f"{path} has no pitched track with two notes within two measures.")
    labelled = {track.name for track, _ in read}
    left = [
        {"file": name, "track": track.name, "why": DRUMS if track.is_drum else TOO_SHORT}
        for track in score.tracks
        if track.name not in labelled
    ]
    rows = [_rows(name, track, reading, score, labeller.classes) for track, reading in read]
    return _Labelled(pd.concat(rows, ignore_index=True), left)


def _rows(
    file: str, track: Track, reading: TrackReading, score: Score, classes: Sequence[str]
) -> pd.DataFrame:
    start, end = reading.spans.T
    about = {
        "file": file,
        "track": track.name,
        "channel": track.channel + 1,
        "program": track.program,
        "start_beat": start,
        "end_beat": end,
        "start_seconds": score.seconds_at(start),
        "end_seconds": score.seconds_at(end),
        "predicted": _named(reading.probabilities, classes),
    }
    columns = zip(classes, reading.probabilities.T, strict=True)
    of_track = zip(classes, reading.track, strict=True)
    about |= {f"p_{name}": share for name, share in columns}
    return pd.DataFrame(about | {f"track_{name}": share for name, share in of_track})


def _table(files: list[_Labelled], faults: list[dict[str, str]]) -> pd.DataFrame:
    labels = pd.concat([one.rows for one in files], ignore_index=True)
    labels.attrs["skipped"] = faults + [row for one in files for row in one.skipped]
    return labels


def _named(probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The most probable class of each row, or `not sure`."""
    best = np.asarray(classes, dtype=object)[probabilities.argmax(axis=1)]
    return np.where(probabilities.max(axis=1) >= SURE, best, "not sure")
