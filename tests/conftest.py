"""Shared fixtures: a corpus of 24 composed songs, and a Table I of synthetic scores."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from beeps import content, make, write

from camil.audio import MelSpectrogram
from camil.corpus.build import write_corpus
from camil.corpus.songs import Songs
from camil.corpus.splits import splits_of
from camil.midi.instruments import INSTRUMENTS
from camil.sources.demo import Demo

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


@pytest.fixture(scope="module")
def segment_table(tiny_corpus):
    """The segments of the tiny corpus."""
    return pq.read_table(tiny_corpus / "segments.parquet")


@pytest.fixture(scope="module")
def songs(segment_table):
    """The songs of the tiny corpus."""
    return Songs(segment_table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of nine songs of beeps and a damaged file."""
    folder = tmp_path_factory.mktemp("music")
    for seed in range(9):
        write(folder / f"{seed}.mid", seed)
    (folder / "4-damaged.mid").write_bytes(b"this is not music")
    return folder


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The content of the corpus made of `folder` without an interruption."""
    corpus = tmp_path_factory.mktemp("whole")
    make(folder, corpus)
    return content(corpus)


@pytest.fixture
def table() -> pd.DataFrame:
    """Table I with synthetic scores."""
    rows = [
        ("AIC (Audio encoder)", 1.0, None, 0.9012),
        ("SIC (Baseline)", 1.0, None, 0.6123),
        ("Fine-tuned CAMIL", 1.0, "class", 0.6501),
        ("Unsupervised CAMIL", 0.5, "random", 0.5987),
    ]
    table = pd.DataFrame(rows, columns=["condition", "train_fraction", "negatives", "macro_f1"])
    table["seeds"] = 3
    table["macro_f1_low"] = table["macro_f1"] - 0.0201
    table["macro_f1_high"] = table["macro_f1"] + 0.0302
    table["weighted_f1"] = table["macro_f1"] + 0.0113
    table["accuracy"] = table["macro_f1"] + 0.0207
    table["track_macro_f1"] = table["macro_f1"] + 0.0409
    return table


@pytest.fixture
def drawn_segments() -> pd.DataFrame:
    """Segments of a synthetic corpus, six per instrument, for figures."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "instrument": np.repeat(INSTRUMENTS, 6),
            "split": ["train", "train", "train", "train", "validation", "test"] * 8,
            "bpm": generator.uniform(60, 180, 48),
            "pitch": [generator.integers(24, 108, 5) for _ in range(48)],
        }
    )
