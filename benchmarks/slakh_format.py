"""Compose and render a data set in Slakh2100's format, to measure preprocessing.

    python -m benchmarks.slakh_format FOLDER [--tracks 100] [--seconds 240]

Songs of the demo's composer are repeated to the given duration. Every part is rendered with the
soundfont at 44.1 kHz to a FLAC stem. Metadata, stem MIDI and ``all_src.mid`` are laid out as in
Slakh, including its altered Bass: a stem is an octave higher than written, folded into 35..79. The
mixes of Slakh are not read and therefore omitted. Existing tracks are not written again.
"""

import argparse
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
import yaml

from camil.audio import SoundFont, default_soundfont
from camil.composer import compose
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM

RATE = 44_100
BASS = range(35, 80)


def make(folder: Path, tracks: int, seconds: float) -> None:
    font = SoundFont(default_soundfont(), RATE)
    for number in range(1, tracks + 1):
        split = ("train",) * 14 + ("validation",) * 3 + ("test",) * 3
        path = folder / split[number % 20] / f"Track{number:05d}"
        if path.is_dir():
            continue
        making = path.with_name(f".{path.name}")
        shutil.rmtree(making, ignore_errors=True)
        make_track(making, number, seconds, font)
        os.replace(making, path)


def make_track(path: Path, number: int, seconds: float, font: SoundFont) -> None:
    for name in ("MIDI", "stems"):
        (path / name).mkdir(parents=True)
    song = compose(0, number).midi
    repeat(song, seconds)
    song.write(str(path / "all_src.mid"))
    song = pretty_midi.PrettyMIDI(str(path / "all_src.mid"))  # in the order of reading
    stems = {}
    for index, part in enumerate(song.instruments):
        stem = f"S{index:02d}"
        instrument = "Drums" if part.is_drum else INSTRUMENT_OF_PROGRAM.get(part.program, "Other")
        stems[stem] = {
            "audio_rendered": True,
            "inst_class": instrument,
            "is_drum": part.is_drum,
            "midi_program_name": pretty_midi.program_to_instrument_name(part.program),
            "midi_saved": True,
            "plugin_name": f"{font.path.stem}.nkm",
            "program_num": 128 if part.is_drum else int(part.program),
        }
        audio = np.zeros(1) if part.is_drum else render(part, song.get_end_time() + 1, font)
        soundfile.write(path / "stems" / f"{stem}.flac", audio, RATE, subtype="PCM_16")
        write_stem(song, part, instrument == "Bass", path / "MIDI" / f"{stem}.mid")
    md5 = hashlib.md5((path / "all_src.mid").read_bytes()).hexdigest()
    about = {"UUID": md5, "audio_dir": f"Track{number:05d}/stems", "stems": stems}
    (path / "metadata.yaml").write_text(yaml.safe_dump(about))


def repeat(song: pretty_midi.PrettyMIDI, seconds: float) -> None:
    """Repeat the song until it has the given duration."""
    measure = song.get_downbeats()[1]
    length = np.ceil(song.get_end_time() / measure) * measure
    for part in song.instruments:
        once = list(part.notes)
        for again in range(1, int(np.ceil(seconds / length))):
            part.notes += [
                pretty_midi.Note(
                    n.velocity, n.pitch, n.start + again * length, n.end + again * length
                )
                for n in once
            ]
        part.control_changes, part.pitch_bends = [], []


def render(part: pretty_midi.Instrument, seconds: float, font: SoundFont) -> np.ndarray:
    notes = sorted(part.notes, key=lambda note: (note.start, note.pitch))
    columns = [[getattr(n, name) for n in notes] for name in ("pitch", "velocity", "start", "end")]
    pitch, velocity, start, end = (np.array(column) for column in columns)
    return np.clip(font.render(part.program, pitch, velocity, start, end, 0, seconds), -1, 1)


def write_stem(song: pretty_midi.PrettyMIDI, part, bass: bool, path: Path) -> None:
    """A file of one part, with the song's tempi and metres."""
    whole, song.instruments = song.instruments, [part]
    if bass:
        for note in part.notes:
            note.pitch += 12
            while note.pitch not in BASS:
                note.pitch += 12 if note.pitch < BASS.start else -12
    song.write(str(path))
    song.instruments = whole


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--tracks", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=240, help="a track lasts so long")
    given = arguments.parse_args()
    make(given.folder, given.tracks, given.seconds)


if __name__ == "__main__":
    main()
