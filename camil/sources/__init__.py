"""Where songs come from. Every source gives the same: songs, and for a song its tracks' segments.

To add one, write a class with the five members of `Source`; nothing else needs to know it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from camil.midi import Segment


class Song(NamedTuple):
    """One song of a source.

    ``name`` is unique in the source. Songs of one ``group`` are versions of one another and must
    stay on the same side of a split. ``split`` is "train", "validation" or "test" where the data
    set says so itself, else ``None``.
    """

    name: str
    path: Path
    group: str
    split: str | None = None


@dataclass
class TrackSegments:
    """One track of a song: its class, its two-measure segments and how to hear them.

    ``instrument`` is one of `camil.midi.INSTRUMENTS`; ``timbre`` names what made the sound (a
    soundfont, a plugin). ``audio(segment)`` gives that span of the track's own audio: mono float32
    at the source's sample rate.
    """

    track: str
    instrument: str
    program: int
    timbre: str
    segments: list[Segment]
    audio: Callable[[Segment], np.ndarray]


class Source(Protocol):
    """What preprocessing asks of a data set. Sources are pickled to worker processes."""

    name: str
    sample_rate: int  # hertz

    def songs(self) -> list[Song]:
        """All songs, sorted by name, without reading them.

        Raises:
            ValueError: if the folder is missing or holds none, saying which folder.
        """

    def read(self, song: Song) -> list[TrackSegments]:
        """The song's tracks of the eight classes that have at least one segment.

        Raises:
            ValueError: if the song cannot be read, with the reason; the others still can.
        """

    def description(self) -> dict:
        """Origin, licence, checksums and parameters, ready for JSON."""
