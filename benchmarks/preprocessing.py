"""What preprocessing costs, as ratios of times measured in one run on one core.

    python benchmarks/preprocessing.py FOLDER_OF_MIDI [--files 100]

Processor time, not wall time, so that other programs matter little. Each pair alternates between
the two sides, file by file.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
from threadpoolctl import threadpool_limits

from camil.audio import MelSpectrogram, SoundFont, default_soundfont, read_audio
from camil.midi import INSTRUMENT_OF_PROGRAM, read_midi, segments_of


def notes_the_straightforward_way(path: Path) -> list[list[tuple[int, int, int]]]:
    """Every two-measure segment of the melodic tracks, as one would write it with pretty_midi."""
    midi = pretty_midi.PrettyMIDI(str(path))
    downbeats = midi.get_downbeats()
    segments = []
    for instrument in midi.instruments:
        if instrument.is_drum or instrument.program not in INSTRUMENT_OF_PROGRAM:
            continue
        for start, end in zip(downbeats[:-2:2], downbeats[2::2], strict=False):
            begin = midi.time_to_tick(start)
            notes = []
            for note in instrument.notes:
                if note.start < end and note.end > start:
                    on = max(midi.time_to_tick(note.start) - begin, 0) * 24 / midi.resolution
                    off = (midi.time_to_tick(min(note.end, end)) - begin) * 24 / midi.resolution
                    notes.append((note.pitch, round(on), max(round(off - on), 1)))
            if len(notes) >= 2:
                segments.append(sorted(notes))
    return segments


def notes_our_way(path: Path) -> list:
    score = read_midi(path)
    melodic = (t for t in score.tracks if not t.is_drum and t.program in INSTRUMENT_OF_PROGRAM)
    return [segments_of(track, score) for track in melodic]


def measured(function, *arguments) -> float:
    """Seconds of processor time."""
    begin = time.process_time()
    function(*arguments)
    return time.process_time() - begin


def notes(files: list[Path]) -> None:
    ours = theirs = 0.0
    for path in files:
        try:
            theirs += measured(notes_the_straightforward_way, path)
        except (ValueError, OSError, KeyError, EOFError):
            continue
        ours += measured(notes_our_way, path)
    each = 1000 / len(files)
    print(f"notes of {len(files)} files: {theirs * each:.1f} ms a file by pretty_midi, "
          f"{ours * each:.2f} ms by us: {theirs / ours:.1f} times faster")  # fmt: skip


def rendering(files: list[Path]) -> None:
    """The player's own time is that of one call for all the audio of the segments in a row."""
    sample_rate = 16_000
    font, mel = SoundFont(default_soundfont(), sample_rate), MelSpectrogram(sample_rate)
    mel(np.zeros(sample_rate, np.float32))
    player = ours = seconds = 0.0
    for path in files:
        score = read_midi(path)
        for track in score.tracks:
            if track.is_drum or track.program not in INSTRUMENT_OF_PROGRAM:
                continue
            sound = (track.program, track.pitch, track.velocity,
                     track.start_seconds, track.end_seconds)  # fmt: skip
            segments = segments_of(track, score, 4)
            for segment in segments:
                span = (segment.start_seconds, segment.end_seconds)
                ours += measured(lambda s=sound, n=span: mel(font.render(*s, *n)))
                player += measured(lambda s=sound, n=span: font.render(*s, *n))
                seconds += span[1] - span[0]
    print(f"{seconds:.0f} s of audio: render {player:.1f} s, render and mel {ours:.1f} s: "
          f"{ours / player:.2f} times the player's own time")  # fmt: skip


def recordings() -> None:
    sample_rate = 16_000
    mel = MelSpectrogram(sample_rate)
    rng = np.random.default_rng(0)
    audio = np.cumsum(rng.normal(size=44_100 * 120))
    audio = 0.5 * audio / np.abs(audio).max()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stem.flac")
        soundfile.write(path, audio, 44_100)

        def decode(begin):
            with soundfile.SoundFile(path) as file:
                file.seek(round(begin * 44_100))
                file.read(4 * 44_100, dtype="float32")

        decoder = read = whole = 0.0
        for begin in range(0, 112, 4):
            decoder += measured(decode, begin)
            read += measured(read_audio, path, begin, begin + 4, sample_rate)
            whole += measured(lambda b=begin: mel(read_audio(path, b, b + 4, sample_rate)))
    print(f"FLAC: decoder {decoder:.2f} s; at our rate {read / decoder:.2f} times that, "
          f"with mel {whole / decoder:.2f} times")  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, default=100)
    given = arguments.parse_args()
    files = sorted(given.folder.rglob("*.mid"))
    files = random.Random(0).sample(files, min(given.files, len(files)))
    with threadpool_limits(1):
        notes(files)
        recordings()
        rendering(files[: max(len(files) // 10, 1)])


if __name__ == "__main__":
    main()
