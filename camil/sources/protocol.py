"""The interface of a source: songs, and for each song the segments of its tracks.

`camil.sources` describes how to add a source.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from camil.midi.instruments import InstrumentTable
from camil.midi.score import MidiWarning
from camil.midi.segments import Segment

SPLITS = ("train", "validation", "test")
# The reason of a track without a General MIDI program: it has no label.
UNKNOWN_INSTRUMENT = "instrument unknown: the file states no General MIDI program for the track"


class Song(NamedTuple):
    """One song of a source.

    Attributes:
        name: unique in the source.
        path: path of the song's file or folder.
        group: songs of one group are versions of each other and belong to one split. None if the
            group is found from the notes, see `camil.midi.versions`.
        split: "train", "validation" or "test" if the data set defines it, else None.
    """

    name: str
    path: Path
    group: str | None
    split: str | None = None


@dataclass
class TrackSegments:
    """One track of a song: its class, its two-measure segments and their audio.

    A track that belongs to a class but cannot be used has no segments and a reason in ``skipped``.

    Attributes:
        track: name, unique in the song.
        instrument: a class name of the source's instrument table.
        program: General MIDI program, 0 to 127.
        timbre: name of the sound generator: a soundfont, a plugin.
        segments: two measures each; see `camil.midi.segments_of`.
        audio: returns the audio of one segment of this track alone, mono float32 at the source's
            sample rate.
        skipped: the reason if the track cannot be used, else empty.
        whole: performance features of the whole track, see `camil.midi.performance`; empty if they
            were not requested.
        warnings: faults of the track's file that were repaired; if several tracks share a file,
            the first of them has the warnings.
    """

    track: str
    instrument: str
    program: int
    timbre: str
    segments: list[Segment]
    audio: Callable[[Segment], np.ndarray]
    skipped: str = ""
    whole: Sequence[float] = ()
    warnings: Sequence[MidiWarning] = ()


class Source(Protocol):
    """A data set that a corpus can be built from. Sources are pickled to worker processes.

    Attributes:
        name: the key of the source in `camil.sources.SOURCES`.
        sample_rate: sample rate of the audio, in hertz.
        reads_folder: True if the parameter ``source`` names the data to read.
        instruments: the classes of the tracks.
    """

    name: str
    sample_rate: int
    reads_folder: bool
    instruments: InstrumentTable

    def songs(self) -> list[Song]:
        """List all songs, sorted by name, without reading them.

        Raises:
            ValueError: if the folder is missing or has no songs, with its path.
        """

    def read(self, song: Song) -> list[TrackSegments]:
        """Read the tracks of a song that belong to a class and have segments or a fault.

        Raises:
            ValueError: if the song cannot be read, with the reason.
        """

    def sketch(self, song: Song) -> list[int]:
        """The input of `camil.midi.versions.groups_of`; needed if any song has no group."""

    def description(self) -> dict:
        """Origin, licence, checksums and parameters, ready for JSON."""


def silence(sample_rate: int, segment: Segment) -> np.ndarray:
    """The audio of a segment in a source without audio: float32 zeros of its length."""
    return np.zeros(round((segment.end_seconds - segment.start_seconds) * sample_rate), np.float32)


def unlabelled(track: str, program: int) -> TrackSegments:
    """A track that states no General MIDI program: skipped, with `UNKNOWN_INSTRUMENT`."""
    return TrackSegments(track, "", program, "", [], np.zeros_like, UNKNOWN_INSTRUMENT)


def one_split_per_group(songs: Sequence[Song]) -> list[Song]:
    """Give all songs of a group the split of the group's first song that has one."""
    first: dict[str | None, str | None] = {}
    for song in songs:
        if song.group is not None and song.split is not None:
            first.setdefault(song.group, song.split)
    return [song._replace(split=first.get(song.group, song.split)) for song in songs]


def first_segment(source: Source) -> tuple[Song, TrackSegments, Segment]:
    """The first segment of the first song that has segments, with its track and song.

    Raises:
        ValueError: if no song has segments, with the reason of the last one.
    """
    why = "no track of any class has two measures with enough notes"
    for song in source.songs():
        try:
            for track in source.read(song):
                if track.segments:
                    return song, track, track.segments[0]
                why = track.skipped
        except Exception as fault:  # the corpus skips such a song, whatever its damage
            why = str(fault)
    raise ValueError(f"no song of source {source.name!r} has a segment: {why}")
