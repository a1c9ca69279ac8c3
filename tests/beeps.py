"""A source and a spectrogram for tests of preprocessing, importable by its worker processes."""

import hashlib
import os
import signal
import time

import numpy as np
import pretty_midi

from camil.corpus.build import write_corpus
from camil.sources.midi_folder import MidiFolder


class Loudness:
    """A fast spectrogram: every bin depends on the length of the segment only."""

    def __call__(self, audio):
        return np.full((128, 282), -(len(audio) % 80), np.float16)

    def description(self):
        return {"name": "loudness"}


class Beeps(MidiFolder):
    """A folder of MIDI files without audio; some file names make reading fail."""

    def read(self, song):
        if song.name.startswith("slow"):
            time.sleep(600)
        if song.name.startswith("killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        if song.name.startswith("bug"):
            raise IndexError("list index out of range")
        if song.name.startswith("big"):
            raise MemoryError
        return super().read(song)


def make(folder, corpus, shard="", workers=1, audio=True, **options):
    """Write a corpus of a folder of MIDI files, with splits by `by_name`."""
    source = Beeps(folder, audio=False, **options)
    spectrogram = Loudness() if audio else None
    return write_corpus(corpus, source, spectrogram, by_name, {"a": 1}, shard, workers)


def by_name(groups):
    """Assign the three splits in turn."""
    names = sorted(set(groups))
    return {name: ("train", "validation", "test")[i % 3] for i, name in enumerate(names)}


def write(path, seed):
    """A MIDI file of three parts of random notes."""
    draw = np.random.default_rng(seed)
    write_parts(path, {program: [draw.integers(40, 80) for _ in range(40)]
                       for program in (0, 33, 73)})  # fmt: skip


def write_parts(path, pitches_of):
    """A MIDI file whose parts have one note per half second.

    Args:
        pitches_of: the pitches of each part by its program, None for drums.
    """
    midi = pretty_midi.PrettyMIDI()
    for program, pitches in pitches_of.items():
        part = pretty_midi.Instrument(program or 0, is_drum=program is None)
        for i, pitch in enumerate(pitches):
            part.notes.append(pretty_midi.Note(80, int(pitch), i / 2, i / 2 + 0.4))
        midi.instruments.append(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


def content(corpus):
    """The checksum of every file of a corpus."""
    files = [path for path in corpus.glob("*") if path.is_file() and path.name[0] != "."]
    files += (corpus / "arrays").glob("*")
    assert len(files) == 5 + 11
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
