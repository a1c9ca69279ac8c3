"""New General MIDI programs of labelled parts."""

import pandas as pd

from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.score import Track


def program_of_label(
    predicted: str, suggested: int, program: int, instruments: InstrumentTable = FAMILIES
) -> int | None:
    """The program of a labelled part in the copy; None if it keeps its own.

    A part whose program is of the predicted class keeps it: a steel guitar that is labelled Guitar
    does not become a nylon one. Another part gets the suggested program, the most probable one of
    its class, or the default program of the class if the network suggests none. Parts labelled
    ``other`` or ``uncertain`` keep their programs.

    Args:
        predicted: the label.
        suggested: the suggested program; -1 for none.
        program: the program in the file; -1 if it states none.
        instruments: the classes, with the default program of each.
    """
    defaults = instruments.default_programs
    if predicted not in defaults or instruments.of_program(program) == predicted:
        return None
    is_of_class = instruments.of_program(suggested) == predicted
    return suggested if is_of_class else defaults[predicted]


def labelled_programs(
    parts: list[Track], tracks: pd.DataFrame, instruments: InstrumentTable = FAMILIES
) -> dict[str, int]:
    """The program, 0 to 127, of each labelled part, by the part's name; see `program_of_label`.

    Uncertain parts, parts of no class and drums are absent.

    Args:
        parts: parts of the file, from `read_midi`.
        tracks: from `track_labels`, of this file only; ``suggested_program`` may be missing or
            NaN. A column ``part`` names the first track of the part that several tracks were joined
            to; all of them get its program.
        instruments: classes of the labels, with the default program of each.

    Raises:
        ValueError: if the labels are of several files or of segments, or a track has several.
    """
    _check_one_file(tracks)
    suggested = tracks.get("suggested_program", pd.Series(-1, index=tracks.index)).fillna(-1)
    of = tracks.get("part", tracks["track"])
    labels = zip(tracks["track"], of, tracks["predicted"], suggested, strict=True)
    named = {part.name: part for part in parts}
    programs = {}
    for name, first, predicted, suggestion in labels:
        if name in named and predicted in instruments.names and not named[name].is_drum:
            part = named[first]
            written = part.program if part.labelled else -1
            new = program_of_label(predicted, int(suggestion), written, instruments)
            programs[name] = part.program if new is None else new
    return programs


def _check_one_file(tracks: pd.DataFrame) -> None:
    """Raise ValueError unless the table has one label per track of one file."""
    # Parts of different files often have the same name, such as 00-Piano.
    files = tracks["file"].unique() if "file" in tracks else []
    if len(files) > 1:
        raise ValueError(
            f"the labels are of {len(files)} files, among them {files[0]} and {files[1]}; give "
            'those of the file only, such as tracks[tracks["file"] == "song.mid"]'
        )
    if "start_beat" in tracks:
        raise ValueError("these are labels of segments; give those of track_labels(segments)")
    repeated = tracks.loc[tracks["track"].duplicated(), "track"]
    if len(repeated):
        raise ValueError(
            f"track {repeated.iloc[0]} has several labels; give one row per track, from "
            "track_labels(segments)"
        )
