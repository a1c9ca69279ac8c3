"""Label one file of the command ``camil label``, in this process or in another one."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from camil.labelling.files import LabelledFile, LabellerByName, label_file, one_thread
from camil.labelling.joined_files import write_joined
from camil.labelling.label import track_labels
from camil.labelling.labelled_files import write_labelled
from camil.labelling.report import file_record, transcription_record
from camil.labelling.transcriptions import per_track


@dataclass
class LabelJob:
    """Labels one file, and writes its labelled copy if there are paths of copies.

    Attributes:
        names: the name of each file in the tables.
        copies: the path of the copy of each file; empty if none are written.
        labeller: the labeller.
        threshold: as for `camil.label`.
        transcribed: join the tracks that are likely one part before, and mark likely drums.
        joined: write the joined parts into the copies as one track each.
    """

    names: list[str]
    copies: list[Path]
    labeller: LabellerByName
    threshold: float
    transcribed: bool = False
    joined: bool = False

    def __call__(self, path: Path, index: int) -> tuple[dict[str, Any], pd.DataFrame]:
        """The record of `file_record` and the labels per part.

        With a copy, the record also has its path as ``copy``, ``overwritten`` (whether it replaced
        the original), ``programs_changed`` (the number of parts of the file that play another
        program) and ``notes``, the warnings.
        """
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore")
            labels = label_file(
                path, self.names[index], self.labeller, self.threshold, self.transcribed
            )
        tracks = track_labels(labels.segments, self.threshold)
        record = file_record(labels, tracks, self.labeller.instruments)
        if self.transcribed:
            record |= transcription_record(labels)
        if self.copies:
            copy = self.copies[index]
            overwritten = copy.exists() and copy.samefile(path)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                changed = self._write_copy(path, tracks, labels, copy)
            record |= {"copy": str(copy), "overwritten": overwritten, "programs_changed": changed}
            record["notes"] = [str(one.message) for one in caught]
        return record, tracks

    def _write_copy(
        self, path: Path, tracks: pd.DataFrame, labels: LabelledFile, copy: Path
    ) -> int:
        """Write the copy; returns the number of parts of the file that play another program."""
        merges = pd.DataFrame(labels.merges, columns=["part", "tracks"])
        if self.joined:
            drums = pd.DataFrame(labels.likely_drums, columns=["track"])
            return write_joined(path, tracks, copy, merges, drums, self.labeller.instruments)
        return write_labelled(path, per_track(tracks, merges), copy, self.labeller.instruments)
