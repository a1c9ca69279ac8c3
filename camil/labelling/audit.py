"""Find the tracks of a collection whose General MIDI program is probably wrong.

Programs in files from the web are often wrong or missing. An audit labels each part from its notes
and compares the label with the program. `camil.evaluation.planted_errors` measures how well that
works.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi

from camil.evaluation.planted_errors import suspicion
from camil.labelling.files import LabellerByName
from camil.labelling.label import label
from camil.labelling.networks import Labeller
from camil.midi.instrument_words import CONTRADICTS, OTHER, SILENT, name_verdict
from camil.midi.instruments import FAMILIES, InstrumentTable


def audit(
    path: Path | str, pretrained: Path | str | Labeller | None = None, processes: int = 1
) -> pd.DataFrame:
    """Compare the programs of a MIDI file, or of all files of a folder, with their labels.

    Damaged files are repaired or skipped as by `camil.label`; `camil.skipped` and `camil.repairs`
    list them.

    Args:
        path, pretrained, processes: as for `camil.label`.

    Returns:
        One row per pitched part with a General MIDI program, as from `audited`.

    Raises:
        MidiError, ValueError, FileNotFoundError: under the conditions of `camil.label`.

    Example:
        >>> audit("songs").to_csv("audit.csv", index=False)
    """
    labeller = pretrained if callable(pretrained) else LabellerByName(pretrained)
    return audited(label(path, labeller, processes=processes), labeller.instruments)


def audited(labels: pd.DataFrame, instruments: InstrumentTable = FAMILIES) -> pd.DataFrame:
    """Compare the programs of parts with their labels.

    Args:
        labels: labels per segment, from `camil.label`.
        instruments: the classes of the labels, `Labeller.instruments`.

    Returns:
        One row per part for which the file states a General MIDI program, the most suspicious
        first:

        - ``file``, ``track``, ``channel`` (1 to 16), ``program`` (0 to 127) and ``written``, the
          name of the program
        - ``family``: the class of the program, or ``other`` if it is of none; ``probability``: that
          the part is of this class, NaN for ``other`` if the network does not predict it
        - ``best``: the most probable of the classes and ``other``, with ``best_probability``
        - ``suspicion``: ``log((1 - probability) / probability)``, see
          `camil.evaluation.planted_errors.suspicion`; NaN where ``probability`` is
        - ``suggested``: the program itself if it is of the best class; else the most probable
          program of that class, or its default program if the network does not predict programs;
          -1 if there is neither. ``suggested_name`` is its name
        - ``name``: the name of the track, and ``name_verdict``: whether it ``confirms`` or
          ``contradicts`` the program, or is ``silent``. If a track changes its program, its name
          contradicts none of them if it fits one
        - ``p_Guitar`` ... ``p_Reed``, ``p_other``: the probabilities. They add up to 1; ``p_other``
          is NaN if the network does not predict it.
    """
    classes = [name.removeprefix("p_") for name in labels if name.startswith("p_")]
    parts = labels[labels["labelled"]].drop_duplicates(["file", "track"]).reset_index(drop=True)
    joint = _joint(parts, classes)  # (parts, classes + 1)
    answers = np.asarray([*classes, OTHER], dtype=object)
    rows = np.arange(len(parts))
    family = [instruments.of_program(program) or OTHER for program in parts["program"]]
    best = np.nan_to_num(joint, nan=-1).argmax(axis=1)
    found = parts[["file", "track", "channel", "program"]].copy()
    found["written"] = _names(parts["program"])
    found["family"] = family
    found["probability"] = joint[rows, pd.Index(answers).get_indexer(family)]
    found["best"] = answers[best]
    found["best_probability"] = joint[rows, best]
    found["suspicion"] = suspicion(found["probability"])
    found["suggested"] = _suggested(parts, found, instruments)
    found["suggested_name"] = _names(found["suggested"])
    # The reader adds the part's number.
    found["name"] = [track.partition("-")[2] for track in parts["track"]]
    found["name_verdict"] = _verdicts(found, instruments)
    found[[f"p_{name}" for name in answers]] = joint
    found = found.sort_values("suspicion", ascending=False, kind="stable", ignore_index=True)
    found.attrs = labels.attrs
    return found


def _joint(parts: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Probabilities of the classes and of no class; the last is NaN if it is unknown."""
    of_class = parts[[f"track_{name}" for name in classes]].to_numpy(float)
    other = parts["track_other"].to_numpy(float)
    return np.column_stack([of_class * (1 - np.nan_to_num(other))[:, None], other])


def _suggested(
    parts: pd.DataFrame, found: pd.DataFrame, instruments: InstrumentTable
) -> np.ndarray:
    """The suggested program of each part; -1 if there is none."""
    predicted = parts["track_suggested_program"].to_numpy(int)
    default = found["best"].map(instruments.default_programs | {OTHER: -1}).to_numpy(int)
    changed = np.where(predicted >= 0, predicted, default)
    return np.where(found["best"] == found["family"], found["program"], changed)


def _verdicts(found: pd.DataFrame, instruments: InstrumentTable) -> np.ndarray:
    """The verdict of each part's name on its program."""
    pairs = zip(found["name"], found["program"], strict=True)
    verdict = np.array([name_verdict(*pair, instruments) for pair in pairs], dtype=object)
    # The parts of a track with program changes share its name and channel.
    track = found.assign(fits=verdict != CONTRADICTS).groupby(["file", "channel", "name"])
    fits_another = track["fits"].transform("any").to_numpy(bool)
    return np.where((verdict == CONTRADICTS) & fits_another, SILENT, verdict)


def _names(programs: pd.Series) -> list[str]:
    """General MIDI names of programs; empty for -1."""
    return [
        pretty_midi.program_to_instrument_name(number) if number >= 0 else ""
        for number in programs.tolist()
    ]
