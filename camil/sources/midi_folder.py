"""A folder of MIDI files, heard through soundfonts."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import repeat
from os import PathLike
from pathlib import Path

import numpy as np

from camil.audio import SoundFont, default_soundfont
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.midi.performance import performance
from camil.midi.score import Track, read_midi
from camil.midi.segments import Segment, segments_of
from camil.midi.versions import sketch_of
from camil.sources.protocol import Song, TrackSegments, silence
from camil.sources.slakh_bass import as_in_slakh

MIN_TRACK_NOTES = 8


class MidiFolder:
    """Every MIDI file below a folder, its tracks labelled by General MIDI program.

    Drums, programs of none of the eight classes and tracks of fewer than eight notes are left out.
    Where there are several soundfonts, each track's is drawn from the seed, the song's and the
    track's name, so that it does not depend on what else is in the folder.

    Songs that belong together (arrangements, editions) are told by a ``manifest.csv`` with the
    columns ``path`` (relative to the manifest) and ``group``; a file it does not list is a group of
    its own. Without a manifest their notes tell: see `camil.midi.versions`.

    Args:
        folder: searched recursively for ``.mid`` and ``.midi``.
        soundfonts: paths of ``.sf2`` files; by default the one that comes with pretty_midi.
        sample_rate: of the rendered audio, in hertz.
        max_segments_per_track: see `camil.midi.segments_of`.
        seed: draws the soundfonts.
        manifest: path of the manifest; by default looked for in the folder and two levels up.
        audio: whether the segments are to be heard; without, no soundfont is opened.
        slakh_bass: move Bass notes as Slakh's generator does; see `camil.sources.slakh_bass`.
        whole_tracks: tell how whole tracks are played, for `SongEncoder`; see `camil.midi.performance`.
    """

    name = "midi"
    reads_folder = True

    def __init__(
        self,
        folder: str | PathLike,
        soundfonts: Sequence[str | PathLike] = (),
        sample_rate: int = 24000,
        max_segments_per_track: int | None = 12,
        seed: int = 0,
        manifest: str | PathLike | None = None,
        audio: bool = True,
        slakh_bass: bool = False,
        whole_tracks: bool = False,
    ):
        self.folder = Path(folder)
        self.sample_rate = sample_rate
        self.max_segments_per_track = max_segments_per_track
        self.seed = seed
        self.slakh_bass = slakh_bass
        self.whole_tracks = whole_tracks
        self.manifest = Path(manifest) if manifest else _manifest_near(self.folder)
        paths = (list(soundfonts) or [default_soundfont()]) if audio else []
        self.soundfonts = [SoundFont(path, sample_rate) for path in paths]

    def songs(self) -> list[Song]:
        """All files, sorted by name: the path below the folder without its suffix.

        Raises:
            ValueError: if the folder, the manifest or a soundfont is missing or not what it should
                be, or if the folder holds no MIDI file.
        """
        if not self.folder.is_dir():
            raise ValueError(f"the folder of MIDI files {self.folder} does not exist")
        files = [
            Path(place, name)
            for place, _, names in os.walk(self.folder)
            for name in names
            if name.lower().endswith((".mid", ".midi"))
        ]
        if not files:
            raise ValueError(f"the folder {self.folder} holds no .mid or .midi file")
        for soundfont in self.soundfonts:
            soundfont.presets  # noqa: B018 - loads it, so that a wrong one is told before the work
        names = [_name(path.relative_to(self.folder)) for path in files]
        shared = {name for name, count in Counter(names).items() if count > 1}
        songs = []
        for name, path in zip(names, files, strict=True):
            name = name + path.suffix if name in shared else name  # a.mid beside a.midi
            songs.append(Song(name, path, self._group(path)))
        return sorted(songs)

    def read(self, song: Song) -> list[TrackSegments]:
        """The melodic tracks of one song; raises MidiError if the file cannot be read."""
        score = read_midi(song.path)
        tracks = []
        wholes = performance(score) if self.whole_tracks else repeat(())
        for track, whole in zip(score.tracks, wholes, strict=False):
            instrument = INSTRUMENT_OF_PROGRAM.get(track.program)
            if track.is_drum or instrument is None or len(track.pitch) < MIN_TRACK_NOTES:
                continue
            if self.slakh_bass and instrument == "Bass":
                track = replace(track, pitch=as_in_slakh(track.pitch))
            segments = segments_of(track, score, self.max_segments_per_track)
            if not segments:
                continue
            about = (track.name, instrument, track.program)
            if not self.soundfonts:
                heard = partial(silence, self.sample_rate)
                tracks.append(TrackSegments(*about, "", segments, heard, whole=whole))
            elif soundfont := self._soundfont(song.name, track):
                heard = _Rendering(soundfont, track)
                timbre = soundfont.path.stem
                tracks.append(TrackSegments(*about, timbre, segments, heard, whole=whole))
            else:
                why = f"no soundfont has its program {track.program}"
                tracks.append(TrackSegments(*about, "", [], silence, why))
        return tracks

    def sketch(self, song: Song) -> list[int]:
        """The song's notes in short, where no manifest tells its group."""
        return sketch_of(read_midi(song.path)) if song.group is None else []

    def description(self) -> dict:
        """Licences and origins as the manifest tells them, soundfonts and parameters."""
        return {
            "source": self.name,
            "folder": self.folder.name,
            "licence": sorted({row["licence"] for row in self._rows.values() if row.get("licence")})
            or "that of the files in the folder",
            "origins": sorted(
                {row["source_repo"] for row in self._rows.values() if row.get("source_repo")}
            ),
            "manifest": self.manifest and _sha256(self.manifest),
            "groups": "manifest" if self.manifest else "notes",
            "soundfonts": {font.path.name: _sha256(font.path) for font in self.soundfonts},
            "sample_rate": self.sample_rate,
            "max_segments_per_track": self.max_segments_per_track,
            "seed": self.seed,
            "slakh_bass": self.slakh_bass,
            "whole_tracks": self.whole_tracks,
        }

    @cached_property
    def _rows(self) -> dict[Path, dict]:
        """Rows of the manifest by absolute path, those below the folder."""
        if self.manifest is None:
            return {}
        if not self.manifest.is_file():
            raise ValueError(f"the manifest {self.manifest} does not exist")
        # As spreadsheets write it: with a byte order mark, perhaps with spaces behind the commas.
        with open(self.manifest, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        if rows and not {"path", "group"} <= rows[0].keys():
            raise ValueError(f"the manifest {self.manifest} needs the columns path and group")
        below, top = self.folder.resolve(), self.manifest.resolve().parent
        return {top / row["path"]: row for row in rows if (top / row["path"]).is_relative_to(below)}

    def _group(self, path: Path) -> str | None:
        if self.manifest is None:
            return None
        row = self._rows.get(path.resolve())
        return (row and row["group"]) or None

    def _soundfont(self, song: str, track: Track) -> SoundFont | None:
        """The one drawn for this track, of those that have its program."""
        able = [font for font in self.soundfonts if track.program in font.presets]
        if not able:
            return None
        drawn = hashlib.sha256(f"{self.seed}/{song}/{track.name}".encode()).digest()
        return able[int.from_bytes(drawn[:8]) % len(able)]


class _Rendering:
    """A track through a soundfont: the audio of any of its segments."""

    def __init__(self, soundfont: SoundFont, track: Track):
        self.soundfont = soundfont
        self.track = track

    def __call__(self, segment: Segment) -> np.ndarray:
        track = self.track
        return self.soundfont.render(
            track.program,
            track.pitch,
            track.velocity,
            track.start_seconds,
            track.end_seconds,
            segment.start_seconds,
            segment.end_seconds,
        )


def _name(path: Path) -> str:
    """The path without its suffix, also where it is not valid Unicode."""
    return path.with_suffix("").as_posix().encode(errors="backslashreplace").decode()


def _manifest_near(folder: Path) -> Path | None:
    """The nearest ``manifest.csv`` with the columns path and group, up to two levels up."""
    folder = folder.resolve()
    for place in [folder, *folder.parents][:3]:
        path = place / "manifest.csv"
        if path.is_file():
            with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
                columns = {name.strip() for name in next(csv.reader(file), [])}
            if {"path", "group"} <= columns:
                return path
            if place == folder:
                raise ValueError(
                    f"{path} needs the columns path and group, separated by commas; it has "
                    f"{', '.join(columns) or 'nothing'}. Mend it or give it another name."
                )
    return None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
