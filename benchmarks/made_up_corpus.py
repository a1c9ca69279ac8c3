"""Corpora of random notes and mels for timing; they are as fast to read as real ones."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camil.midi.instruments import INSTRUMENTS


def made_up_corpus(folder: Path, segments: int, seed: int = 0) -> Path:
    """Write a corpus of segments with 8 to 40 notes each, and return its folder."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    counts = random.integers(8, 41, segments)
    offsets = np.r_[0, np.cumsum(counts)].astype(np.int32)
    notes = {
        "pitch": random.integers(24, 108, offsets[-1]),
        "step": random.integers(0, 180, offsets[-1]),
        "length": random.integers(1, 13, offsets[-1]),
        "velocity": random.integers(1, 128, offsets[-1]),
    }
    columns = {
        name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.int16)))
        for name, values in notes.items()
    }
    row = np.arange(segments)
    columns |= {
        "song": [f"song-{i // 16:05d}" for i in row],
        "track": [f"{i % 16:02d}" for i in row],
        "instrument": [INSTRUMENTS[i % 8] for i in row],
        "split": [("train", "train", "train", "validation", "test")[i // 16 % 5] for i in row],
        "start_beat": 8.0 * row,
        "mel": row,
    }
    pq.write_table(pa.table(columns), folder / "segments.parquet")
    mels = np.lib.format.open_memmap(folder / "mels.npy", "w+", np.float16, (segments, 128, 282))
    for begin in range(0, segments, 1024):
        part = mels[begin : begin + 1024]
        part[:] = random.uniform(-80, 0, part.shape).astype(np.float16)
    mels.flush()
    checksum = hashlib.sha256((folder / "segments.parquet").read_bytes()).hexdigest()
    info = {
        "source": {"name": "made up", "licence": "none", "note": "random notes, to time with"},
        "segments": segments,
        "sha256": {"segments.parquet": checksum},
    }
    (folder / "corpus.json").write_text(json.dumps(info))
    return folder
