"""Slakh2100: Lakh songs with a recording of every track, rendered with sampled instruments."""

import json
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from camil.audio import Recording
from camil.midi.instruments import PROGRAMS, read_instruments
from camil.midi.score import Score, Track, read_midi
from camil.midi.segments import STEPS_PER_QUARTER, Segment, segments_of
from camil.sources.protocol import SPLITS as SPLIT_FOLDERS
from camil.sources.protocol import Song, TrackSegments, silence
from camil.sources.slakh_layout import lakh_file, stems_of, track_folders

SPLITS = ("redux", "original", "split2")
MIDI_SOURCES = ("stem", "all_src")
_LISTS = {"redux": "redux.json", "split2": "splits_v2.json"}
# Stems whose recording does not match their notes, as listeners have published them: issue 21 of
# ethman/slakh-utils, and 17 of the 22 stems of its issue 17, from an earlier version of the
# reporter's file (problem_stems.json in greenbech/slakh-pytorch-dataset).
_SILENT = "its recording lacks its notes"
_PITCH = "its recording has other pitches than its notes"
_SHORT = "its notes are shorter than its recording has them"
_DRONE = "its recording is a single tone from beginning to end"
FAULTY = {
    ("Track00262", "S01"): "its notes are those of another part",
    ("Track00357", "S03"): _SILENT,
    ("Track00377", "S07"): _SILENT,
    ("Track00385", "S00"): _SILENT,
    ("Track00398", "S00"): _SILENT,
    ("Track00400", "S00"): _SILENT,
    ("Track00404", "S03"): _SHORT,
    ("Track00496", "S01"): _PITCH,
    ("Track00629", "S01"): _SILENT,
    ("Track00633", "S01"): _SILENT,
    ("Track00737", "S01"): _SHORT,
    ("Track00749", "S01"): _SILENT,
    ("Track00893", "S01"): _SHORT,
    ("Track01500", "S12"): _DRONE,
    ("Track01500", "S13"): _DRONE,
    ("Track01629", "S00"): _SILENT,
    ("Track01918", "S10"): _PITCH,
    ("Track01931", "S01"): _PITCH,
    ("Track01937", "S03"): _PITCH,
}


class Slakh:
    """Slakh2100 as FLAC (folders train, validation, test, omitted) or flat, like BabySlakh.

    A stem's class is the ``inst_class`` of ``metadata.yaml``, or, with another instrument table,
    the class of its ``program_num``. The paths in the metadata are not used, as some are wrong. A
    stem is used if the metadata states its class and program, if its MIDI and audio files exist and
    can be read to the end, and if it is not listed in `FAULTY`. Tracks made from one Lakh file form
    a group and belong to the split of the first of them, even if the split assigns the others
    elsewhere.

    Args:
        folder: holds ``TrackNNNNN`` folders, directly or one folder below, as in ``train``.
        split: "redux", by folder, without duplicates; "original", by track number, with the
            omitted tracks; or "split2", the second edition, which needs ``split_lists``. Flat
            folders have no redux split unless ``split_lists`` defines it.
        split_lists: the folder ``splits`` of slakh-utils (``redux.json``, ``splits_v2.json``,
            ``duplicates.json``).
        midi_source: "stem" uses the notes of ``MIDI/SXX.mid``, "all_src" those of the Lakh file.
            They differ: Slakh moved Bass up by an octave and folded it into 35..79.
        merge_strings: count the class "Strings (continued)" (ensembles, choirs, orchestra hits) as
            Strings; if False, its stems are left out.
        sample_rate: sample rate to which the stems are resampled, in hertz.
        max_segments_per_track: see `camil.midi.segments_of`.
        audio: whether recordings are needed; if False, only the notes are read.
        repair: also take MIDI files that only lenient reading can read.
        instruments: path of an instrument table; empty for the eight families of the paper.

    Raises:
        ValueError: if ``split`` or ``midi_source`` has another value, or split2 lacks its lists.
    """

    name = "slakh"
    reads_folder = True

    def __init__(
        self,
        folder: str | PathLike,
        split: str = "redux",
        midi_source: str = "stem",
        merge_strings: bool = True,
        sample_rate: int = 24000,
        max_segments_per_track: int | None = 12,
        split_lists: str | PathLike | None = None,
        audio: bool = True,
        repair: bool = False,
        instruments: str = "",
    ):
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        if midi_source not in MIDI_SOURCES:
            raise ValueError(f"midi_source must be one of {MIDI_SOURCES}, got {midi_source!r}")
        self.folder = Path(folder)
        self.split = split
        self.midi_source = midi_source
        self.merge_strings = merge_strings
        self.sample_rate = sample_rate
        self.max_segments_per_track = max_segments_per_track
        self.split_lists = Path(split_lists) if split_lists else None
        self.audio = audio
        self.repair = repair
        self.instruments = read_instruments(instruments)
        self._by_program = bool(instruments)
        if split == "split2" and not self.split_lists:
            raise ValueError("split2 needs split_lists: the folder splits of ethman/slakh-utils")

    def songs(self) -> list[Song]:
        """All tracks of the split; those made from one Lakh file (``UUID``) share a group.

        Raises:
            ValueError: if the folder is missing, contains no ``TrackNNNNN``, or one of them twice.
        """
        songs = []
        for path in track_folders(self.folder):
            split = self._split_of(path)
            if split != "omitted":
                group = self._md5.get(path.name) or lakh_file(path) or path.name
                songs.append(Song(path.name, path, group, split))
        side = {song.group: song.split for song in reversed(songs)}
        return [song._replace(split=side[song.group]) for song in songs]

    def read(self, song: Song) -> list[TrackSegments]:
        """The stems of one track; unusable ones have a reason in ``skipped``.

        Raises:
            ValueError: if the track has no readable ``metadata.yaml`` or, with midi_source
                "all_src", no readable ``all_src.mid``.
        """
        lakh = self._score(song.path / "all_src.mid") if self.midi_source == "all_src" else None
        found = [
            self._track(song, stem, about, lakh)
            for stem, about in sorted(stems_of(song.path).items())
        ]
        tracks = [track for track in found if track.segments or track.skipped]
        if lakh and tracks:
            tracks[0].warnings = lakh.warnings
        return tracks

    def sketch(self, song: Song) -> list[int]:
        """Empty: groups follow from the Lakh file."""
        return []

    def _track(self, song: Song, stem: str, about: Any, lakh: Score | None) -> TrackSegments:
        """A stem with segments or a reason in ``skipped``; with neither if it is of no class."""
        track = TrackSegments(stem, "", 0, "", [], partial(silence, self.sample_rate))
        try:
            if instrument := self._instrument(about):
                track.instrument, track.program = instrument, about["program_num"]
                track.timbre = str(about.get("plugin_name", ""))
                found = self._stem(song, stem, about, lakh)
                track.segments, track.audio, track.warnings = found
        except ValueError as error:
            track.skipped = str(error)
        return track

    def _stem(self, song: Song, stem: str, about: dict, lakh: Score | None) -> tuple:
        """Segments, audio and warnings of a stem; raises ValueError if it cannot be used."""
        if fault := FAULTY.get((song.name, stem)):
            raise ValueError(f"the stem is on the published list of faulty stems: {fault}")
        duration = np.inf
        audio = partial(silence, self.sample_rate)
        if self.audio:
            recording = Recording(_audio_of(song.path, stem), self.sample_rate)
            duration = recording.duration()
            audio = partial(_audio, recording)
        score = lakh or self._score(song.path / "MIDI" / f"{stem}.mid")
        track = score.tracks[0] if lakh is None else _lakh_track(lakh, stem, about)
        found = segments_of(track, score, self.max_segments_per_track)
        segments = [one for one in found if _last_second(one, score) <= duration]
        if found and not segments:
            raise ValueError(f"the recording ends after {duration:.1f} seconds, before a segment")
        return segments, audio, [] if lakh else score.warnings

    def _score(self, path: Path) -> Score:
        return read_midi(path, strict=not self.repair)

    def description(self) -> dict:
        """Origin, licence and parameters."""
        return {
            "source": self.name,
            "folder": self.folder.name,
            "licence": "CC BY 4.0 (Manilow, Wichern, Seetharaman & Le Roux, 2019)",
            "split": self.split,
            "midi_source": self.midi_source,
            "merge_strings": self.merge_strings,
            "sample_rate": self.sample_rate,
            "max_segments_per_track": self.max_segments_per_track,
            "audio": self.audio,
            "repair": self.repair,
        }

    def _instrument(self, about: Any) -> str | None:
        """The class of a stem, None if it has none; raises ValueError if the metadata is wrong."""
        if not isinstance(about, dict):
            raise ValueError("metadata.yaml must state inst_class and program_num of the stem")
        if about.get("is_drum"):  # its program_num is 128
            return None
        program, name = about.get("program_num"), about.get("inst_class")
        if type(program) is not int or not 0 <= program < PROGRAMS:
            raise ValueError(
                f"program_num in metadata.yaml must be an integer from 0 to 127, got {program!r}"
            )
        family = self.instruments.of_program(program)
        if self._by_program:
            return family
        if name == "Strings (continued)":
            return "Strings" if self.merge_strings else None
        if name in self.instruments.names:
            return name
        if family:
            raise ValueError(
                f"inst_class in metadata.yaml is {name!r}, which is no class, but program_num "
                f"{program} belongs to {family}; correct one of them"
            )
        return None

    @cached_property
    def _changes(self) -> dict[str, dict]:
        """The tracks that the list of the split omits or moves, with the change."""
        return self._list(_LISTS[self.split]) if self.split in _LISTS else {}

    @cached_property
    def _md5(self) -> dict[str, str]:
        """The Lakh file of each track."""
        about = self._list("duplicates.json")
        return {name: one["midi_md5"] for name, one in about.items() if "midi_md5" in one}

    def _list(self, name: str) -> dict[str, dict]:
        if self.split_lists is None:
            return {}
        try:
            found = json.loads((self.split_lists / name).read_text())
            if not all(isinstance(about, dict) for about in found.values()):
                raise ValueError("an entry is no object")
            return found
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(
                f"the split list {self.split_lists / name} cannot be read; check split_lists"
            ) from error

    def _split_of(self, path: Path) -> str | None:
        """One of train, validation, test and omitted, or None if the data set defines no split."""
        if self._changes:
            change = self._changes.get(path.name, {})
            if change.get("action") == "omit":
                return "omitted"
            return change.get("destination_split") or _original_split(path)
        if self.split == "original":
            return _original_split(path)
        return path.parent.name if path.parent.name in (*SPLIT_FOLDERS, "omitted") else None


def _original_split(path: Path) -> str:
    number = int(path.name.removeprefix("Track"))
    return "train" if number <= 1500 else "validation" if number <= 1875 else "test"


def _audio_of(path: Path, stem: str) -> Path:
    files = [path / "stems" / f"{stem}{suffix}" for suffix in (".flac", ".wav")]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise ValueError("the stem has no recording")
    return found


def _lakh_track(lakh: Score, stem: str, about: dict) -> Track:
    """Stem SXX is instrument XX of the Lakh file, if the programs agree."""
    number = stem.removeprefix("S")
    in_file = number.isdecimal() and int(number) < len(lakh.tracks)
    track = lakh.tracks[int(number)] if in_file else None
    if track is None or track.program != about["program_num"]:
        raise ValueError("all_src.mid has no such part")
    return track


def _last_second(segment: Segment, score: Score) -> float:
    """Seconds at which the last note ends; a recording that stops there is filled with silence."""
    steps = int((segment.step + segment.length).max())
    return float(score.seconds_at(segment.start_beat + steps / STEPS_PER_QUARTER))


def _audio(recording: Recording, segment: Segment) -> np.ndarray:
    return recording.span(segment.start_seconds, segment.end_seconds)
