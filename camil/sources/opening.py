"""Open a source by name, with the parameters of `01_preprocess`."""

from pathlib import Path
from typing import Any

import numpy as np

from camil.sources import Source
from camil.sources.demo import Demo
from camil.sources.midi_folder import MidiFolder
from camil.sources.slakh import Slakh


def open_source(
    dataset: str,
    source: str,
    corpus: str,
    songs: int,
    max_segments_per_track: int,
    soundfonts: list[str],
    sample_rate: int,
    midi_source: str,
    merge_strings: bool,
    seed: int,
    audio: bool = True,
    slakh_bass: bool = False,
    split: str = "redux",
    split_lists: str = "",
    whole_tracks: bool = False,
    **_: Any,
) -> Source:
    """The source that the parameters name; what each means stands in `01_preprocess`.

    Parameters of that notebook which are not about the source are passed over.

    Raises:
        ValueError: if the source has no folder, or the data set is unknown.
    """
    kept = {
        "sample_rate": sample_rate,
        "max_segments_per_track": max_segments_per_track,
        "audio": audio,
    }
    midi = {"soundfonts": soundfonts, "seed": seed, "whole_tracks": whole_tracks}
    if dataset == "demo":
        return Demo(Path(corpus) / "midi", songs=songs, **midi, **kept)
    if not source:
        raise ValueError(
            f"source is empty: dataset {dataset!r} needs the folder it is to be read from."
        )
    if dataset == "midi":
        return MidiFolder(source, slakh_bass=slakh_bass, **midi, **kept)
    if dataset == "slakh":
        slakh = {"midi_source": midi_source, "merge_strings": merge_strings}
        return Slakh(source, split=split, split_lists=split_lists or None, **slakh, **kept)
    raise ValueError(f"dataset must be demo, midi or slakh, got {dataset!r}.")


def sound_of(row, parameters: dict) -> tuple[np.ndarray, int]:
    """The audio of one segment of a corpus, played again from where the corpus came from.

    Args:
        row: a row of `Corpus.table`.
        parameters: those of `01_preprocess`, as the corpus has recorded them.

    Returns:
        Mono float32 audio and its sample rate in hertz.

    Raises:
        ValueError: if the source is no longer there, or no longer has this segment.
    """
    source = open_source(**parameters)
    for song in source.songs():
        if song.name == row["song"]:
            for part in source.read(song):
                for segment in part.segments:
                    if (part.track, segment.start_beat) == (row["track"], row["start_beat"]):
                        return part.audio(segment), source.sample_rate
    raise ValueError(f"{row['song']} is not in the source any more, or has changed")
