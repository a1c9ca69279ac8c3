"""Score and calibrate CAMIL+ on collections other than those it was trained on.

Temperatures fitted on validation songs hold for songs of the same collections. Leaving out one
collection at a time shows how confident a network may be on songs of another origin.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch

from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.song import LEVELS, read_songs
from camil.encoders.song_ensemble import SongEnsemble
from camil.evaluation.calibration import expected_calibration_error, fit_temperature
from camil.evaluation.metrics import (
    bootstrap_interval,
    class_probabilities,
    predictions_table,
    scores,
)
from camil.evaluation.song_study import SongData, train_song_encoder


class Logits(NamedTuple):
    """Logits ``(rows, classes)`` and true classes ``(rows,)`` of segments or tracks."""

    logits: np.ndarray
    labels: np.ndarray


def predictions_per_level(ensemble: SongEnsemble, corpus: Path | str) -> dict[str, pd.DataFrame]:
    """Predictions for all songs of a corpus, one table per level.

    Segments and tracks of a class that the ensemble does not have are read, but not in the tables.
    The level "segment" has one row per segment, the levels "track" and "song" one per track.
    """
    folder = Path(corpus)
    songs, data = Songs(pq.read_table(folder / "segments.parquet")), Corpus(folder)
    reading, indices = read_songs(ensemble, songs, torch.arange(len(songs)), torch.device("cpu"))
    first, found = songs.first_segments().numpy(), {}
    for level, logits in zip(LEVELS, reading, strict=True):
        rows = indices["segments"].numpy() if level == "segment" else first[indices["tracks"]]
        table = data.table.iloc[rows]
        known = table["instrument"].isin(ensemble.classes).to_numpy()
        probabilities = logits.exp().double().numpy()[known]
        found[level] = predictions_table(table[known], probabilities, ensemble.classes)
    return found


def scores_with_confidence(predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """Macro-F1 with its interval over songs, and the accuracy of confident predictions.

    Args:
        predictions: a table of `camil.evaluation.metrics.predictions_table`.
        threshold: the probability from which a prediction counts as confident.

    Returns:
        ``rows``, ``macro_f1``, ``macro_f1_low``, ``macro_f1_high``, ``accuracy``, ``confident``
        (share of rows), ``accuracy_where_confident`` (NaN if there are none),
        ``calibration_error`` and ``per_class_f1``.
    """
    shares = class_probabilities(predictions)
    probabilities = shares.to_numpy()
    right = (predictions["instrument"] == predictions["predicted"]).to_numpy()
    confident = probabilities.max(axis=1) >= threshold
    low, high = bootstrap_interval([predictions])
    found = scores(predictions["instrument"], predictions["predicted"])
    true = shares.columns.get_indexer(predictions["instrument"])
    return {
        "rows": len(predictions),
        "macro_f1": found["macro_f1"],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "accuracy": found["accuracy"],
        "confident": float(confident.mean()),
        "accuracy_where_confident": (
            float(right[confident].mean()) if confident.any() else float("nan")
        ),
        "calibration_error": expected_calibration_error(probabilities, true),
        "per_class_f1": found["per_class_f1"],
    }


def collections_of(names: Sequence[str], random_groups: int = 3, seed: int = 0) -> np.ndarray:
    """The collection of each song: its folder's name up to the first hyphen.

    Songs outside folders, such as those of the demo, are assigned at random, by the seed, to
    ``random_groups`` collections. That demonstrates the method, but no difference in origin.
    """
    folders = [name.split("/")[-2] if "/" in name else "" for name in names]
    found = np.array([folder.split("-")[0] for folder in folders])
    if (found == "").all():
        dealt = np.random.default_rng(seed).permutation(len(names)) % random_groups
        found = np.array([f"group {number + 1}" for number in dealt])
    return found


def leave_one_collection_out(
    data: SongData, collections: np.ndarray, device: torch.device, **training: Any
) -> dict[str, Logits]:
    """Read every song with a network that was trained without the song's collection.

    Training songs of the other collections train the network; their remaining songs, validation
    and test songs alike, choose its epoch.

    Args:
        collections: ``(songs,)``, from `collections_of`.
        training: arguments of `camil.evaluation.song_study.train_song_encoder`.

    Returns:
        Logits and true classes per level, over all songs.
    """
    everything = torch.arange(len(data.songs))
    in_train = torch.isin(everything, data.splits["train"])
    found: dict[str, list[Logits]] = {level: [] for level in LEVELS}
    for collection in sorted(set(collections)):
        left_out = torch.from_numpy(collections == collection)
        splits = {"train": in_train & ~left_out, "validation": ~in_train & ~left_out}
        others = replace(data, splits={name: everything[mask] for name, mask in splits.items()})
        network = train_song_encoder(others, device, **training)
        reading, indices = read_songs(network, data.songs, everything[left_out], device)
        labels = data.track_labels[indices["tracks"]]
        true = data.labels[indices["segments"]], labels, labels
        for level, logits, level_labels in zip(LEVELS, reading, true, strict=True):
            found[level].append(Logits(logits.numpy(), level_labels.numpy()))
    return {
        level: Logits(*(np.concatenate(parts) for parts in zip(*read, strict=True)))
        for level, read in found.items()
    }


def temperature_on_unseen(read: Logits) -> dict[str, float]:
    """The temperature that calibrates readings of unseen collections.

    Returns:
        ``temperature``, and the expected ``calibration_error`` with it and without
        (``calibration_error_untempered``).
    """
    temperature = fit_temperature(read.logits, read.labels)
    tempered, plain = (
        torch.from_numpy(read.logits / divisor).softmax(1).numpy() for divisor in (temperature, 1)
    )
    return {
        "temperature": temperature,
        "calibration_error": expected_calibration_error(tempered, read.labels),
        "calibration_error_untempered": expected_calibration_error(plain, read.labels),
    }
