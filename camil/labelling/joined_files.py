"""Write a copy of a transcription in which each joined part is one track."""

import warnings
from pathlib import Path

import pandas as pd

from camil.labelling.transcriptions import per_track
from camil.midi.container import midi_content
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.join_messages import with_joined_tracks
from camil.midi.labelled_copy import LabelledCopy
from camil.midi.new_programs import labelled_programs
from camil.midi.repair import readable
from camil.midi.score import read_midi
from camil.workbook.files import write_bytes


def write_joined(
    path: Path | str,
    tracks: pd.DataFrame,
    output: Path | str,
    merges: pd.DataFrame,
    likely_drums: pd.DataFrame,
    instruments: InstrumentTable = FAMILIES,
) -> int:
    """Write a labelled copy of a transcription in which each joined part is one track.

    The events of a part move into its first MIDI track, onto the channel of that track. The part
    gets the program of its label, or that of its first track if the label is ``uncertain`` or
    ``other``. Likely drums move to channel 10, where they play the kit of the file's drums, or else
    the standard kit. Notes, times, tempi and controllers stay the same. Another part whose program
    was stated on one of these tracks gets a program change of its own.

    A track is not joined, and only gets the program of its part, if one of its notes would sound
    together with one of the same pitch, or if its controllers change or differ from those of the
    first track. Likely drums are not moved to channel 10 if their controllers change or differ from
    those of other drums there. A MIDI track with several parts is neither joined nor moved. A
    Python warning names these tracks.

    Args:
        path: the MIDI file.
        tracks: labels per part, from `camil.track_labels`, of this file only.
        output: the file to write, whole or not at all; its folder is created if necessary.
        merges, likely_drums: from `camil.labelling.label`, of this file only.
        instruments: classes of the labels, with the default program of each.

    Returns:
        The number of parts of the file, before they are joined, that play another program in the
        copy; likely drums are not counted.

    Raises:
        MidiError: if the file cannot be read.
    """
    path = Path(path)
    parts = read_midi(path, strict=False).tracks
    named = {part.name: part for part in parts}
    groups = [[named[name] for name in names] for names in merges["tracks"]]
    programs = labelled_programs(parts, per_track(tracks, merges), instruments)
    for group in groups:
        program = programs.get(group[0].name, group[0].program)
        programs |= {part.name: program for part in group}
    copy = LabelledCopy(readable(path.read_bytes()).data, parts, programs)
    drums = [named[name] for name in likely_drums["track"]]
    involved = {part.midi_track for group in (*groups, drums) for part in group}
    data, apart = copy.content(involved), []
    if groups or drums:
        content = data[slice(*midi_content(data))]
        data, apart = with_joined_tracks(content, parts, groups, drums, programs)
        if apart:
            names = ", ".join(apart)
            warnings.warn(
                f"{path}: these tracks could not be joined or moved: {names}", stacklevel=2
            )
    moved = {part.name for _, *others in groups for part in others} | {part.name for part in drums}
    copy.warn_of_shared_channels(path, moved - set(apart))
    write_bytes(output, data)
    return copy.changed
