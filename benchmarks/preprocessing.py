"""Cost of preprocessing, as ratios of times measured in one run on one core.

    python -m benchmarks.slakh_format FOLDER_OF_STEMS --tracks 5
    python -m benchmarks.preprocessing FOLDER_OF_MIDI FOLDER_OF_STEMS [--files 100]

Processor time is measured instead of wall time, to be less affected by other programs. The two
sides of each comparison alternate, segment by segment or file by file.
"""

import argparse
import json
import random
import time
import warnings
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
import tinysoundfont
import torch
from threadpoolctl import threadpool_limits

from benchmarks.provenance import provenance
from camil.audio import LEAD_SECONDS, MelSpectrogram, Recording, SoundFont, default_soundfont
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.midi.score import Track, read_midi
from camil.midi.segments import Segment, segments_of

SAMPLE_RATE = 16_000


def notes_by_pretty_midi(path: Path) -> list[list[tuple[int, int, int]]]:
    """All two-measure segments of the melodic tracks, by a straightforward use of pretty_midi."""
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


def notes_by_camil(path: Path) -> list:
    score = read_midi(path)
    melodic = (t for t in score.tracks if not t.is_drum and t.program in INSTRUMENT_OF_PROGRAM)
    return [segments_of(track, score) for track in melodic]


def measured(function, *arguments) -> float:
    """Seconds of processor time."""
    begin = time.process_time()
    function(*arguments)
    return time.process_time() - begin


def notes(files: list[Path]) -> dict[str, float]:
    camil_seconds = pretty_midi_seconds = 0.0
    for path in files:
        try:
            pretty_midi_seconds += measured(notes_by_pretty_midi, path)
        except (ValueError, OSError, KeyError, EOFError):
            continue
        camil_seconds += measured(notes_by_camil, path)
    each = 1000 / len(files)
    return {
        "files": len(files),
        "pretty_midi_ms_per_file": pretty_midi_seconds * each,
        "our_ms_per_file": camil_seconds * each,
        "times_faster": pretty_midi_seconds / camil_seconds,
    }


def rendering(files: list[Path]) -> dict[str, float]:
    """Rendering, and rendering with mel, compared with the player alone on the audible notes."""
    font, mel = SoundFont(default_soundfont(), SAMPLE_RATE), MelSpectrogram(SAMPLE_RATE)
    player = Player()
    mel(font.render(0, *np.array([[60], [90], [0], [1]]), 0, 4))
    player_seconds = spans = render = whole = seconds = 0.0
    count = 0
    for track, segment in melodic_segments(files):
        sound = (track.program, track.pitch, track.velocity,
                 track.start_seconds, track.end_seconds)  # fmt: skip
        span = (segment.start_seconds, segment.end_seconds)
        player_seconds += player.seconds(track, *span, LEAD_SECONDS)
        spans += player.seconds(track, *span, 0.0)
        render += measured(font.render, *sound, *span)
        whole += measured(lambda s=sound, n=span: mel(font.render(*s, *n)))
        seconds += span[1] - span[0]
        count += 1
    each = 1000 / count
    return {
        "segments": count,
        "seconds_of_audio": seconds,
        "player_ms_per_segment": player_seconds * each,
        "player_without_tails_ms_per_segment": spans * each,
        "render_ms_per_segment": render * each,
        "render_and_mel_ms_per_segment": whole * each,
        "render_to_player": render / player_seconds,
        "render_and_mel_to_player": whole / player_seconds,
        "render_and_mel_to_player_without_tails": whole / spans,
    }


def melodic_segments(files: list[Path]) -> list[tuple[Track, Segment]]:
    found = []
    for path in files:
        score = read_midi(path)
        for track in score.tracks:
            if not track.is_drum and track.program in INSTRUMENT_OF_PROGRAM:
                found += [(track, segment) for segment in segments_of(track, score, 4)]
    return found


class Player:
    """tinysoundfont alone: note on, note off and generate, prepared before the measurement."""

    def __init__(self):
        self.synth = tinysoundfont.Synth(gain=-12.0, samplerate=SAMPLE_RATE)
        self.synth.sfload(str(default_soundfont()))

    def seconds(self, track: Track, begin: float, end: float, tail: float) -> float:
        """Processor time to play the notes that sound in a span, or in the ``tail`` seconds before
        it, from the first of their onsets (at most 12 seconds earlier) to the end of the span."""
        sounding = (track.start_seconds < end) & (track.end_seconds > begin - tail)
        on = np.maximum(track.start_seconds[sounding], begin - 12 if tail else begin)
        off = np.minimum(track.end_seconds[sounding], end)
        first = min([begin, *on])
        events = [(at, 1, index) for index, at in enumerate(on)]
        events += [(at, 0, index) for index, at in enumerate(off) if at < end]
        pitch, velocity = track.pitch[sounding].tolist(), track.velocity[sounding].tolist()
        actions = []
        for at, kind, index in sorted(events):
            actions.append((round((at - first) * SAMPLE_RATE), kind, pitch[index], velocity[index]))
        self.synth.sounds_off(0)
        self.synth.generate(SAMPLE_RATE)
        self.synth.program_select(0, 0, 0, track.program)
        return measured(self._play, actions, round((end - first) * SAMPLE_RATE))

    def _play(self, actions: list[tuple], samples: int) -> None:
        now = 0
        for sample, kind, pitch, velocity in actions:
            if sample > now:
                self.synth.generate(sample - now)
                now = sample
            self.synth.noteon(0, pitch, velocity) if kind else self.synth.noteoff(0, pitch)
        if samples > now:
            self.synth.generate(samples - now)


def recordings(stems: list[Path]) -> dict[str, float]:
    """Twelve spans of four seconds of each stem, which each side opens once."""
    mel = MelSpectrogram(SAMPLE_RATE)
    mel(Recording(stems[0], SAMPLE_RATE).span(0, 4))
    decoder = read = whole = 0.0
    for path in stems:
        begins = np.linspace(0, soundfile.info(path).duration - 4, 12)
        decoder += measured(decode, path, begins)
        read += measured(lambda p=path, b=begins: list(spans_of(p, b)))
        whole += measured(lambda p=path, b=begins: [mel(audio) for audio in spans_of(p, b)])
    each = 1000 / (12 * len(stems))
    return {
        "stems": len(stems),
        "decoder_ms_per_segment": decoder * each,
        "read_ms_per_segment": read * each,
        "read_and_mel_ms_per_segment": whole * each,
        "read_to_decoder": read / decoder,
        "read_and_mel_to_decoder": whole / decoder,
    }


def decode(path: Path, begins: np.ndarray) -> None:
    with soundfile.SoundFile(path) as file:
        for begin in begins:
            file.seek(round(begin * file.samplerate))
            file.read(4 * file.samplerate, dtype="float32")


def spans_of(path: Path, begins: np.ndarray):
    recording = Recording(path, SAMPLE_RATE)
    recording.duration()
    return (recording.span(begin, begin + 4) for begin in begins)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("midi", type=Path)
    arguments.add_argument("stems", type=Path, help="made by benchmarks.slakh_format")
    arguments.add_argument("--files", type=int, default=100)
    arguments.add_argument("--output", type=Path, help="a JSON file for the results")
    given = arguments.parse_args()
    warnings.filterwarnings("ignore", module="pretty_midi")
    files = sorted(given.midi.rglob("*.mid"))
    files = random.Random(0).sample(files, min(given.files, len(files)))
    stems = [path for path in sorted(given.stems.rglob("S*.flac")) if path.stat().st_size > 100_000]
    with threadpool_limits(1):
        results = {
            "notes": notes(files),
            "rendering": rendering(files[: max(len(files) // 4, 1)]),
            "recordings": recordings(stems[: max(len(files) // 4, 1)]),
            **provenance(torch.device("cpu")),
        }
    text = json.dumps(results, indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
