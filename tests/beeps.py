"""What the tests of preprocessing need in its processes: little, so that these start soon."""

import os
import signal
import time

import numpy as np

from camil.corpus.build import write_corpus
from camil.sources.midi_folder import MidiFolder


class Loudness:
    """A spectrogram that costs nothing: every bin of a mel is the segment's length."""

    def __call__(self, audio):
        return np.full((128, 282), -(len(audio) % 80), np.float16)

    def description(self):
        return {"name": "loudness"}


class Beeps(MidiFolder):
    """A folder of MIDI files that sound like nothing, as this is not about sound."""

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
    """A corpus of a folder of MIDI files, every song's split drawn from its name."""
    source = Beeps(folder, audio=False, **options)
    spectrogram = Loudness() if audio else None
    return write_corpus(corpus, source, spectrogram, by_name, {"a": 1}, shard, workers)


def by_name(groups):
    """Three splits in turn."""
    names = sorted(set(groups))
    return {name: ("train", "validation", "test")[i % 3] for i, name in enumerate(names)}
