"""A corpus of a few composed songs, made once and shared by the tests."""

import pytest

from camil.audio import MelSpectrogram
from camil.preprocessing import write_corpus
from camil.sources.demo import Demo
from camil.splits import splits_of

PARAMETERS = {
    "dataset": "demo",
    "source": "",
    "songs": 24,
    "max_segments_per_track": 2,
    "soundfonts": [],
    "sample_rate": 16000,
    "midi_source": "stem",
    "merge_strings": True,
    "whole_tracks": True,
    "seed": 0,
}


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory):
    """The folder of a demo corpus of 24 songs."""
    folder = tmp_path_factory.mktemp("tiny") / "corpus"
    kept = {"sample_rate": 16000, "max_segments_per_track": 2, "whole_tracks": True}
    source = Demo(folder / "midi", songs=24, **kept)
    parameters = PARAMETERS | {"corpus": str(folder)}
    write_corpus(folder, source, MelSpectrogram(16000), splits_of, parameters)
    return folder
