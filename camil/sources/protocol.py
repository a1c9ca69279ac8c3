"""Where songs come from. Every source gives the same: songs, and for a song its tracks' segments.

To add one, see `camil.sources`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from camil.midi.segments import Segment


class Song(NamedTuple):
    """One song of a source.

    ``name`` is unique in the source. Songs of one ``group`` are versions of one another and must
    stay on the same side of a split; ``None`` leaves it to their notes to tell. ``split`` is
    "train", "validation" or "test" where the data set says so itself, else ``None``.
    """

    name: str
    path: Path
    group: str | None
    split: str | None = None


@dataclass
class TrackSegments:
    """One track of a song: its class, its two-measure segments and how to hear them.

    ``instrument`` is one of `camil.midi.INSTRUMENTS`; ``timbre`` names what made the sound (a
    soundfont, a plugin). ``audio(segment)`` gives that span of the track's own audio: mono float32
    at the source's sample rate. ``whole`` tells how the whole track is played, see
    `camil.midi.performance`; empty where nobody asked. A track that belongs to one of the classes but
    cannot be used has no segments, and tells in ``skipped`` why.
    """

    track: str
    instrument: str
    program: int
    timbre: str
    segments: list[Segment]
    audio: Callable[[Segment], np.ndarray]
    skipped: str = ""
    whole: Sequence[float] = ()


class Source(Protocol):
    """What preprocessing asks of a data set. Sources are pickled to worker processes."""

    name: str
    sample_rate: int  # hertz
    reads_folder: bool  # whether the parameter `source` names a folder to read

    def songs(self) -> list[Song]:
        """All songs, sorted by name, without reading them.

        Raises:
            ValueError: if the folder is missing or holds none, saying which folder.
        """

    def read(self, song: Song) -> list[TrackSegments]:
        """The song's tracks of the eight classes that have a segment, or a fault to tell of.

        Raises:
            ValueError: if the song cannot be read, with the reason; the others still can.
        """

    def sketch(self, song: Song) -> list[int]:
        """What `camil.midi.versions.groups_of` needs, for songs without a group."""

    def description(self) -> dict:
        """Origin, licence, checksums and parameters, ready for JSON."""


def silence(sample_rate: int, segment: Segment) -> np.ndarray:
    """What a segment sounds like in a source without audio: float32 zeros, as long as it is."""
    return np.zeros(round((segment.end_seconds - segment.start_seconds) * sample_rate), np.float32)


def first_segment(source: Source) -> tuple[Song, TrackSegments, Segment]:
    """The first segment of the first song that has one, with its track and song.

    Raises:
        ValueError: if no song has any, with the reason that the last one gives.
    """
    why = "their tracks have no two measures with enough notes, or none of the eight instruments"
    for song in source.songs():
        try:
            for track in source.read(song):
                if track.segments:
                    return song, track, track.segments[0]
                why = track.skipped
        except ValueError as fault:
            why = str(fault)
    raise ValueError(f"None of the songs of source {source.name!r} has a segment: {why}")
