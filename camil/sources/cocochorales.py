"""CocoChorales: synthetic four-part chorales with a recording and a MIDI file of every voice.

Tested on synthetic fixtures only: this source was written from the published description of the
format (lukewys/chamber-ensemble-generator, ``data_format.md``) and has never been run on the real
data set.
"""

import re
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from camil.audio import Recording
from camil.midi.instruments import read_instruments
from camil.midi.score import read_midi
from camil.midi.segments import Segment, segments_of
from camil.sources.protocol import Song, TrackSegments, silence

# The last track number of each split.
LAST_TRACK = {"train": 192_000, "validation": 216_000, "test": 240_000}


class CocoChorales:
    """The tracks of CocoChorales (Wu et al., 2022) below a folder, with their official split.

    A track is a folder ``<ensemble>_track<number>`` with ``metadata.yaml``,
    ``stems_audio/0_violin.wav`` ... and ``stems_MIDI/0_violin.mid`` ... A voice's class is that of
    its ``midi_program_number`` (from 0). Tracks with the same ``midi_file`` form a group.

    Args:
        folder: searched recursively for tracks.
        sample_rate: sample rate to which recordings are resampled, in hertz.
        max_segments_per_track: see `camil.midi.segments_of`.
        audio: whether recordings are needed; if False, only the notes are read.
        repair: also take MIDI files that only lenient reading can read.
        instruments: path of an instrument table; empty for the eight families of the paper.
    """

    name = "cocochorales"
    reads_folder = True

    def __init__(
        self,
        folder: str | PathLike,
        sample_rate: int = 24000,
        max_segments_per_track: int | None = 12,
        audio: bool = True,
        repair: bool = False,
        instruments: str = "",
    ):
        self.folder = Path(folder)
        self.sample_rate = sample_rate
        self.max_segments_per_track = max_segments_per_track
        self.audio = audio
        self.repair = repair
        self.instruments = read_instruments(instruments)

    def songs(self) -> list[Song]:
        """All tracks, sorted by name.

        Raises:
            ValueError: if the folder is missing or contains no track.
        """
        if not self.folder.is_dir():
            raise ValueError(
                f"the CocoChorales folder {self.folder} does not exist; check the path"
            )
        paths = sorted(
            path.parent
            for path in self.folder.rglob("*_track[0-9]*/metadata.yaml")
            if re.fullmatch(r"[a-z]+_track\d+", path.parent.name)
        )
        if not paths:
            raise ValueError(
                f"the folder {self.folder} contains no track such as string_track000001 with a "
                "metadata.yaml"
            )
        songs = [Song(path.name, path, _midi_file(path), _split(path.name)) for path in paths]
        return sorted(songs)

    def read(self, song: Song) -> list[TrackSegments]:
        """The voices of one track; unusable ones have a reason in ``skipped``.

        Raises:
            ValueError: if the track has no readable ``metadata.yaml``.
        """
        tracks = []
        for voice, program in sorted(_programs(song.path).items()):
            instrument = self.instruments.of_program(program)
            if instrument is None:
                continue
            track = TrackSegments(str(voice), instrument, program, "MIDI-DDSP", [], silence)
            try:
                self._read_voice(song.path, voice, track)
            except ValueError as error:
                track.segments, track.skipped = [], str(error)
            if track.segments or track.skipped:
                tracks.append(track)
        return tracks

    def sketch(self, song: Song) -> list[int]:
        """Empty: groups follow from the MIDI file that a track was made from."""
        return []

    def description(self) -> dict[str, Any]:
        """Origin, licence and parameters."""
        return {
            "source": self.name,
            "folder": self.folder.name,
            "licence": "see magenta.tensorflow.org/datasets/cocochorales (Wu et al., 2022)",
            "sample_rate": self.sample_rate,
            "max_segments_per_track": self.max_segments_per_track,
            "audio": self.audio,
            "repair": self.repair,
        }

    def _read_voice(self, path: Path, voice: int, track: TrackSegments) -> None:
        """Set name, segments, audio and warnings; raises ValueError if the voice is unusable."""
        midi = _only(path / "stems_MIDI", f"{voice}_*.mid", "MIDI file")
        track.track = midi.stem
        score = read_midi(midi, strict=not self.repair)
        notes = next((one for one in score.tracks if not one.is_drum), None)
        if notes is None:
            raise ValueError(f"{midi.name} has no pitched notes")
        track.warnings = score.warnings
        track.segments = segments_of(notes, score, self.max_segments_per_track)
        track.audio = partial(silence, self.sample_rate)
        if self.audio:
            sound = _only(path / "stems_audio", f"{voice}_*.wav", "recording")
            recording = Recording(sound, self.sample_rate)
            end = recording.duration()
            track.segments = [one for one in track.segments if one.start_seconds < end]
            track.audio = partial(_audio, recording)


def _audio(recording: Recording, segment: Segment):
    return recording.span(segment.start_seconds, segment.end_seconds)


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ValueError(f"{folder.name} needs one {what} {pattern}, and has {len(found)}")
    return found[0]


def _split(name: str) -> str:
    number = int(name.rpartition("track")[2])
    return next((split for split, last in LAST_TRACK.items() if number <= last), "test")


def _midi_file(path: Path) -> str:
    """The generated piece, read without parsing the YAML, as it is needed for every track."""
    try:
        text = (path / "metadata.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return path.name
    found = re.search(r"^midi_file:\s*(\S+)", text, re.MULTILINE)
    return found[1] if found else path.name


def _programs(path: Path) -> dict[int, int]:
    """General MIDI program by voice."""
    try:
        content = yaml.safe_load((path / "metadata.yaml").read_text(encoding="utf-8"))
        programs = content["midi_program_number"]
        return {int(voice): int(program) for voice, program in programs.items()}
    except OSError as error:
        raise ValueError(f"{path.name} has no readable metadata.yaml") from error
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the metadata.yaml of {path.name} states no midi_program_number"
        ) from error
