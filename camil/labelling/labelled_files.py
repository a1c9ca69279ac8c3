"""Write a copy of a MIDI file that plays the instruments it was labelled with."""

from pathlib import Path

import pandas as pd

from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.labelled_copy import LabelledCopy
from camil.midi.new_programs import labelled_programs
from camil.midi.repair import readable
from camil.midi.score import read_midi
from camil.workbook.files import write_bytes


def write_labelled(
    path: Path | str,
    tracks: pd.DataFrame,
    output: Path | str,
    instruments: InstrumentTable = FAMILIES,
) -> int:
    """Write a copy of a MIDI file in which every labelled part plays its predicted instrument.

    Program changes of labelled parts get another program; a part without one gets one just before
    its first note. A bank select before a program of another bank than General MIDI's selects bank
    0 in the copy. Everything else is the same to the byte: notes, tempi, controllers, lyrics. A
    damaged file is copied as it was repaired. Uncertain parts, parts labelled ``other`` and drums
    keep their programs. Parts of several MIDI tracks that share a channel play one instrument on
    most devices; a warning is issued if their labels differ.

    Args:
        path: the MIDI file.
        tracks: from `track_labels`, of this file only.
        output: the file to write, whole or not at all; its folder is created if necessary, and a
            symbolic link is followed.
        instruments: classes of the labels, with the default program of each.

    Returns:
        The number of parts of the file that play another program in the copy.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if the labels are of several files, or of segments.
        OSError: if the copy cannot be written.
    """
    path = Path(path)
    parts = read_midi(path, strict=False).tracks
    programs = labelled_programs(parts, tracks, instruments)
    copy = LabelledCopy(readable(path.read_bytes()).data, parts, programs)
    copy.warn_of_shared_channels(path)
    write_bytes(output, copy.content())
    return copy.changed
