"""Sources: the data sets that a corpus can be built from.

``SOURCES`` maps each value of the parameter ``dataset`` to a source. To add one, write a class with
the members of `camil.sources.protocol.Source` in a separate file and add it here; a package
installed beside camil can add one as an entry point of the group ``camil.sources``. Its constructor
receives ``folder`` and those parameters of ``01_preprocess`` that it has arguments for.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from camil.registry import Registry
from camil.sources.cocochorales import CocoChorales
from camil.sources.demo import Demo
from camil.sources.midi_folder import MidiFolder
from camil.sources.protocol import Source
from camil.sources.slakh import Slakh

SOURCES: Registry[type[Source]] = Registry(
    "camil.sources",
    {"cocochorales": CocoChorales, "demo": Demo, "midi": MidiFolder, "slakh": Slakh},
)

__all__ = ["SOURCES", "open_source", "sound_of"]


def open_source(parameters: Mapping[str, Any]) -> Source:
    """Open the source that the parameters of ``01_preprocess`` name.

    Args:
        parameters: ``dataset``, ``source``, ``corpus`` and the source's own; others are ignored.

    Raises:
        ValueError: if the data set is unknown, or its folder is not given or unusable.
    """
    dataset, folder = parameters["dataset"], parameters["source"]
    if dataset not in SOURCES:
        raise ValueError(f"dataset must be one of {', '.join(SOURCES)}, got {dataset!r}.")
    kind = SOURCES[dataset]
    if not kind.reads_folder:
        folder = Path(parameters["corpus"]) / "midi"
    elif not folder:
        raise ValueError(
            f"source is empty: dataset {dataset!r} needs the folder, manifest or list to read."
        )
    accepted = inspect.signature(kind).parameters.keys() & parameters.keys()
    return kind(folder, **{name: parameters[name] for name in accepted - {"folder"}})


def sound_of(row, parameters: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    """Render or read the audio of one segment of a corpus again, from the corpus' source.

    Args:
        row: a row of `Corpus.table`.
        parameters: those of ``01_preprocess``, as recorded in ``corpus.json``.

    Returns:
        Mono float32 audio and its sample rate in hertz.

    Raises:
        ValueError: if the source or the segment no longer exists.
    """
    source = open_source(parameters)
    for song in source.songs():
        if song.name == row["song"]:
            for part in source.read(song):
                for segment in part.segments:
                    if (part.track, segment.start_beat) == (row["track"], row["start_beat"]):
                        return part.audio(segment), source.sample_rate
    raise ValueError(f"{row['song']} is no longer in the source, or has changed")
