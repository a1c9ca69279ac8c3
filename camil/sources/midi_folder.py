"""MIDI files below a folder or in a list, with audio from soundfonts."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import repeat
from os import PathLike
from pathlib import Path

import numpy as np

from camil.audio import SoundFont, default_soundfont
from camil.midi.folder import midi_files
from camil.midi.instruments import read_instruments
from camil.midi.performance import performance
from camil.midi.score import Score, Track, read_midi
from camil.midi.segments import Segment, segments_of
from camil.midi.versions import sketch_of
from camil.sources.manifest import listed_files, manifest_near, read_manifest, row_of
from camil.sources.protocol import Song, TrackSegments, one_split_per_group, silence, unlabelled
from camil.sources.slakh_bass import as_in_slakh

MIN_TRACK_NOTES = 8


class MidiFolder:
    """All MIDI files below a folder, or those of a list, with their tracks labelled by program.

    Drums, programs of no class and tracks of fewer than eight notes are left out, and so are tracks
    without a General MIDI program (``Track.labelled`` is False). If there are several soundfonts,
    the one of each track is drawn from the seed and the names of song and track, so it does not
    depend on the other files.

    Versions of one song (arrangements, editions) are joined by the column ``group`` of a manifest,
    see `camil.sources.manifest`; a file that the manifest does not list or lists without a group,
    and every file without a manifest, is grouped by its notes, see `camil.midi.versions`, also with
    files that have a group. The manifest's column ``split`` is used if present.

    Args:
        folder: searched recursively for ``.mid``, ``.midi``, ``.kar`` and ``.rmi``; links to
            folders are not followed. Also a manifest (``.csv``) or a text file with one path per
            line: then the files that it lists.
        soundfonts: paths of ``.sf2`` files; by default the one that comes with pretty_midi.
        sample_rate: sample rate of the rendered audio, in hertz.
        max_segments_per_track: see `camil.midi.segments_of`.
        seed: random seed of the choice of soundfonts.
        manifest: path of the manifest; by default it is looked for in the folder and up to two
            levels above it.
        audio: whether segments have audio; if False, no soundfont is opened.
        slakh_bass: move Bass notes as Slakh's generator does; see `camil.sources.slakh_bass`.
        whole_tracks: compute performance features of whole tracks, an input of `SongEncoder`; see
            `camil.midi.performance`.
        repair: also take files that only lenient reading can read; see `camil.midi.read_midi`.
        instruments: path of an instrument table; empty for the eight families of the paper.
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
        repair: bool = False,
        instruments: str = "",
    ):
        self.file_list = Path(folder) if Path(folder).is_file() else None
        self.folder = self.file_list.parent if self.file_list else Path(folder)
        self.sample_rate = sample_rate
        self.max_segments_per_track = max_segments_per_track
        self.seed = seed
        self.slakh_bass = slakh_bass
        self.whole_tracks = whole_tracks
        self.repair = repair
        self.instruments = read_instruments(instruments)
        if self.file_list and self.file_list.suffix.lower() == ".csv":
            manifest = manifest or self.file_list
        self.manifest = Path(manifest) if manifest else manifest_near(self.folder)
        paths = (list(soundfonts) or [default_soundfont()]) if audio else []
        self.soundfonts = [SoundFont(path, sample_rate) for path in paths]
        self._last: tuple[Path, Score] | None = None  # `sketch` follows `read` of the same song

    def __getstate__(self):
        return vars(self) | {"_last": None}

    def songs(self) -> list[Song]:
        """All files, sorted by name: the path below the folder, without its suffix if unique.

        Raises:
            ValueError: if the folder, the list, the manifest or a soundfont is missing or invalid,
                or if there is no MIDI file.

        Warns:
            UserWarning: if a subfolder cannot be read, or if the manifest of a folder lists files
                that are not in it.
        """
        files = listed_files(self.file_list) if self.file_list else self._files()
        if not files:
            raise ValueError(f"the list {self.file_list} names no MIDI file")
        for soundfont in self.soundfonts:
            soundfont.presets  # noqa: B018 - loads it, so that an invalid one raises now
        songs, listed = [], set()
        for name, path in zip(self._names(files), files, strict=True):
            key, row = row_of(path, self._rows)
            listed.add(key)
            songs.append(Song(name, path, row.get("group") or None, row.get("split") or None))
        self._warn_of_rows_without_file(listed)
        return one_split_per_group(sorted(songs))

    def read(self, song: Song) -> list[TrackSegments]:
        """The pitched tracks of one song that belong to a class.

        Raises:
            MidiError: if the file cannot be read.
            ValueError: if the file has no measures.
        """
        score = self._score(song)
        if not score.has_measures:
            raise ValueError("time is counted in SMPTE frames, so the file has no measures")
        tracks = []
        performances = performance(score) if self.whole_tracks else repeat(())
        for track, whole in zip(score.tracks, performances, strict=False):
            instrument = self.instruments.of_program(track.program)
            if track.is_drum or len(track.pitch) < MIN_TRACK_NOTES:
                continue
            if not track.labelled:
                tracks.append(unlabelled(track.name, track.program))
                continue
            if instrument is None:
                continue
            if self.slakh_bass and instrument == "Bass":
                track = replace(track, pitch=as_in_slakh(track.pitch))
            segments = segments_of(track, score, self.max_segments_per_track)
            if not segments:
                continue
            about = (track.name, instrument, track.program)
            if not self.soundfonts:
                audio = partial(silence, self.sample_rate)
                tracks.append(TrackSegments(*about, "", segments, audio, whole=whole))
            elif soundfont := self._soundfont(song.name, track):
                audio = _Rendering(soundfont, track)
                timbre = soundfont.path.stem
                tracks.append(TrackSegments(*about, timbre, segments, audio, whole=whole))
            else:
                why = f"no soundfont has its program {track.program}"
                tracks.append(TrackSegments(*about, "", [], silence, why))
        if tracks:
            tracks[0].warnings = score.warnings
        return tracks

    def sketch(self, song: Song) -> list[int]:
        """The sketch of the song's notes, see `camil.midi.versions`."""
        return sketch_of(self._score(song))

    def description(self) -> dict:
        """Licences and origins from the manifest, checksums of the soundfonts, and parameters."""
        below = self.folder.resolve()
        rows = [row for path, row in self._rows.items()
                if self.file_list or path.is_relative_to(below)]  # fmt: skip
        return {
            "source": self.name,
            "folder": (self.file_list or self.folder).name,
            "licence": sorted({row["licence"] for row in rows if row.get("licence")})
            or "that of the files in the folder",
            "origins": sorted({row["source_repo"] for row in rows if row.get("source_repo")}),
            "manifest": self.manifest and _sha256(self.manifest),
            "groups": "manifest" if self.manifest else "notes",
            "soundfonts": {font.path.name: _sha256(font.path) for font in self.soundfonts},
            "sample_rate": self.sample_rate,
            "max_segments_per_track": self.max_segments_per_track,
            "seed": self.seed,
            "slakh_bass": self.slakh_bass,
            "whole_tracks": self.whole_tracks,
            "repair": self.repair,
        }

    @cached_property
    def _rows(self) -> dict[Path, dict[str, str]]:
        return read_manifest(self.manifest) if self.manifest else {}

    def _warn_of_rows_without_file(self, listed: set[Path]) -> None:
        """Warn if the manifest of a folder lists files that the folder does not contain."""
        if self.file_list or not self._rows:
            return
        below = self.folder.resolve()
        is_own = self.manifest.resolve().parent == below  # else it may list other folders, too
        expected = [path for path in self._rows if is_own or path.is_relative_to(below)]
        if missing := [path for path in expected if path not in listed]:
            warnings.warn(
                f"{len(missing)} of {len(expected)} rows of {self.manifest} match no MIDI file in "
                f"{self.folder}; the first: {missing[0]}. Check the column path.",
                stacklevel=2,  # in this file, so that Python shows it once, whoever lists songs
            )

    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            raise ValueError(
                f"the folder of MIDI files {self.folder} does not exist; check the path"
            )
        files, unreadable = midi_files(self.folder)
        for why in unreadable.values():
            warnings.warn(f"{why}; its files are left out", stacklevel=3)
        return files

    def _score(self, song: Song) -> Score:
        if self._last is None or self._last[0] != song.path:
            self._last = song.path, read_midi(song.path, strict=not self.repair)
        return self._last[1]

    def _names(self, files: Sequence[Path]) -> list[str]:
        """The names of the songs, with the suffixes that are needed to tell them apart."""
        stems = [self._name(path) for path in files]
        full = [stem + path.suffix for stem, path in zip(stems, files, strict=True)]
        count = Counter(stems)  # more than one of a.mid and a.midi
        names = [one if count[one] == 1 else two for one, two in zip(stems, full, strict=True)]
        return names if len(set(names)) == len(names) else full  # a.mid, a.midi and a.mid.mid

    def _name(self, path: Path) -> str:
        """The path below the folder without its suffix; escaped if it is not valid Unicode."""
        below = self.folder.resolve() if self.file_list else self.folder
        path = path.relative_to(below) if path.is_relative_to(below) else Path(*path.parts[1:])
        return path.with_suffix("").as_posix().encode(errors="backslashreplace").decode()

    def _soundfont(self, song: str, track: Track) -> SoundFont | None:
        """The soundfont drawn for this track from those that have its program; None if none has."""
        able = [font for font in self.soundfonts if track.program in font.presets]
        if not able:
            return None
        drawn = hashlib.sha256(f"{self.seed}/{song}/{track.name}".encode()).digest()
        return able[int.from_bytes(drawn[:8]) % len(able)]


class _Rendering:
    """The audio of a track's segments, rendered through a soundfont."""

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


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
