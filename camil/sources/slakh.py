"""Slakh2100: Lakh songs with a recording of every track, made with sampled instruments."""

import json
import re
from functools import cached_property, partial
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
import yaml

from camil.audio import read_audio
from camil.midi import (
    INSTRUMENTS,
    STEPS_PER_QUARTER,
    MidiError,
    Score,
    Segment,
    Track,
    read_midi,
    segments_of,
)
from camil.sources import Song, TrackSegments

SPLITS = ("redux", "original")
MIDI_SOURCES = ("stem", "all_src")
_SPLIT_FOLDERS = ("train", "validation", "test")


class Slakh:
    """Slakh2100 as FLAC (folders train, validation, test, omitted) or flat, as BabySlakh is.

    A stem's class is the ``inst_class`` of ``metadata.yaml``. A stem is taken if its MIDI and its
    audio are both there and can be read; what the metadata says about that is wrong in BabySlakh.

    Args:
        folder: holds ``TrackNNNNN`` folders, directly or in the split's folders.
        split: "redux", without duplicates, as the folders say; or "original", by track number, with
            the omitted tracks. Flat redux folders have no split unless ``splits_file`` gives one.
        midi_source: "stem" takes the notes of ``MIDI/SXX.mid``, "all_src" those of the Lakh file.
            They differ: Slakh moved its basses up by an octave and folded them into 35..79.
        merge_strings: count the class "Strings (continued)" (ensembles, choirs, orchestra hits) as
            Strings; otherwise its stems are left out.
        sample_rate: to which the stems are resampled, in hertz.
        max_segments_per_track: see `camil.midi.segments_of`.
        splits_file: a JSON list of slakh-utils (``redux.json``, ``splits_v2.json``) that omits
            tracks of the original split or moves them; it overrides the folders.

    Raises:
        ValueError: if ``split`` or ``midi_source`` is none of the values above.
    """

    name = "slakh"

    def __init__(
        self,
        folder: str | PathLike,
        split: str = "redux",
        midi_source: str = "stem",
        merge_strings: bool = True,
        sample_rate: int = 24000,
        max_segments_per_track: int | None = 12,
        splits_file: str | PathLike | None = None,
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
        self.splits_file = Path(splits_file) if splits_file else None

    def songs(self) -> list[Song]:
        """All tracks of the split; those made from the same Lakh file (``UUID``) share a group.

        Raises:
            ValueError: if the folder is missing or holds no ``TrackNNNNN``.
        """
        if not self.folder.is_dir():
            raise ValueError(f"the Slakh folder {self.folder} does not exist")
        paths = [*self.folder.glob("Track[0-9]*"), *self.folder.glob("*/Track[0-9]*")]
        paths = [path for path in paths if re.fullmatch(r"Track\d+", path.name)]
        if not paths:
            raise ValueError(
                f"the folder {self.folder} holds no TrackNNNNN folder, neither directly "
                f"nor in {', '.join(_SPLIT_FOLDERS)}"
            )
        songs = []
        for path in paths:
            split = self._split_of(path)
            if split != "omitted":
                songs.append(Song(path.name, path, _lakh_file(path) or path.name, split))
        return sorted(songs)

    def read(self, song: Song) -> list[TrackSegments]:
        """The stems of one track; those without readable notes or audio are passed over.

        Raises:
            ValueError: if the track has no readable ``metadata.yaml`` or, where it is asked for, no
                readable ``all_src.mid``.
        """
        lakh = read_midi(song.path / "all_src.mid") if self.midi_source == "all_src" else None
        tracks = []
        for stem, about in sorted(_stems(song.path).items()):
            instrument = self._instrument(about)
            audio_path = _audio_of(song.path, stem)
            if instrument is None or audio_path is None:
                continue
            try:
                duration = soundfile.info(audio_path).duration
                score = lakh or read_midi(song.path / "MIDI" / f"{stem}.mid")
            except (MidiError, soundfile.SoundFileError):
                continue
            track = score.tracks[0] if lakh is None else _lakh_track(lakh, stem, about)
            if track is None:
                continue
            found = segments_of(track, score, self.max_segments_per_track)
            segments = [one for one in found if _last_second(one, score) <= duration]
            if segments:
                audio = partial(_audio, audio_path, self.sample_rate)
                program, timbre = int(about["program_num"]), str(about.get("plugin_name", ""))
                tracks.append(TrackSegments(stem, instrument, program, timbre, segments, audio))
        return tracks

    def description(self) -> dict:
        """Origin, licence and parameters."""
        return {
            "source": self.name,
            "folder": self.folder.name,
            "licence": "CC BY 4.0 (Manilow, Wichern, Seetharaman & Le Roux, 2019)",
            "split": self.splits_file.name if self.splits_file else self.split,
            "midi_source": self.midi_source,
            "merge_strings": self.merge_strings,
            "sample_rate": self.sample_rate,
            "max_segments_per_track": self.max_segments_per_track,
        }

    def _instrument(self, about: dict) -> str | None:
        name = about.get("inst_class")
        if name == "Strings (continued)" and self.merge_strings:
            name = "Strings"
        return name if name in INSTRUMENTS and not about.get("is_drum") else None

    @cached_property
    def _changes(self) -> dict[str, dict]:
        try:
            return json.loads(self.splits_file.read_text()) if self.splits_file else {}
        except (OSError, ValueError) as error:
            raise ValueError(f"the splits file {self.splits_file} cannot be read") from error

    def _split_of(self, path: Path) -> str | None:
        """One of train, validation, test and omitted, or None where nothing tells."""
        if self.splits_file:
            change = self._changes.get(path.name, {})
            if change.get("action") == "omit":
                return "omitted"
            return change.get("destination_split") or _original_split(path)
        if self.split == "original":
            return _original_split(path)
        return path.parent.name if path.parent.name in (*_SPLIT_FOLDERS, "omitted") else None


def _original_split(path: Path) -> str:
    number = int(path.name.removeprefix("Track"))
    return "train" if number <= 1500 else "validation" if number <= 1875 else "test"


def _lakh_file(path: Path) -> str | None:
    """The MD5 of the Lakh file, found without parsing the YAML, as every song is asked for it."""
    try:
        found = re.search(r"^UUID:\s*(\w+)", (path / "metadata.yaml").read_text(), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return None
    return found and found[1]


def _stems(path: Path) -> dict[str, dict]:
    try:
        with open(path / "metadata.yaml", encoding="utf-8") as file:
            stems = yaml.safe_load(file)["stems"]
        return {name: about for name, about in stems.items() if "program_num" in about}
    except OSError as error:
        raise ValueError(f"{path.name} has no readable metadata.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the metadata.yaml of {path.name} does not list its stems") from error


def _audio_of(path: Path, stem: str) -> Path | None:
    files = [path / "stems" / f"{stem}{suffix}" for suffix in (".flac", ".wav")]
    return next((file for file in files if file.is_file()), None)


def _lakh_track(lakh: Score, stem: str, about: dict) -> Track | None:
    """Stem SXX is instrument XX of the Lakh file; None if the programs say it is not."""
    number = int(stem.removeprefix("S"))
    track = lakh.tracks[number] if number < len(lakh.tracks) else None
    return track if track and track.program == about["program_num"] else None


def _last_second(segment: Segment, score: Score) -> float:
    """When the last note ends: a recording may stop there, and the measure be filled by silence."""
    steps = int((segment.step + segment.length).max())
    return float(score.seconds_at(segment.start_beat + steps / STEPS_PER_QUARTER))


def _audio(path: Path, sample_rate: int, segment: Segment) -> np.ndarray:
    return read_audio(path, segment.start_seconds, segment.end_seconds, sample_rate)
