"""Transfer tasks: labels that a corpus already has, and linear probes of embeddings for them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from camil.evaluation.probing import linear_probe

ROLES = ("melody", "accompaniment")


@dataclass
class Task:
    """A classification task for a linear probe.

    Attributes:
        name: name of the task.
        labels: ``(segments,)`` str; empty where a segment has no label.
        by_song: classify whole songs, by the mean of their segments' embeddings.
    """

    name: str
    labels: pd.Series
    by_song: bool


def manifest_rows(manifest: Path | str, folder: Path | str, songs: ArrayLike) -> pd.DataFrame:
    """Read the manifest's row of each song.

    Args:
        manifest: CSV file with the column ``path``, relative to the file's folder.
        folder: source of the corpus; names of songs are paths relative to it.
        songs: names of songs, as in ``segments.parquet``.

    Returns:
        The manifest's columns, indexed by song; songs that it does not list are missing.

    Raises:
        ValueError: if there is no such file, or it has no column ``path``.
    """
    if not Path(manifest).is_file():
        raise ValueError(f"the manifest {manifest} does not exist; check the path")
    rows = pd.read_csv(manifest, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if "path" not in rows:
        raise ValueError(f"the manifest {manifest} needs the column path")
    top, below = Path(manifest).resolve().parent, Path(folder).resolve()
    paths = [top / path for path in rows["path"]]
    inside = [path.is_relative_to(below) for path in paths]
    rows = rows[inside]
    files = [path.relative_to(below) for path, kept in zip(paths, inside, strict=True) if kept]
    known = set(np.asarray(songs, dtype=str))
    # A song's name includes the suffix only where another song would have the same name.
    names = [
        file.as_posix() if file.as_posix() in known else file.with_suffix("").as_posix()
        for file in files
    ]
    rows = rows.set_axis(pd.Index(names, name="song"), axis=0)
    return rows[rows.index.isin(known) & ~rows.index.duplicated()]


def collections_and_composers(rows: pd.DataFrame) -> pd.DataFrame:
    """Collection and composer of each song.

    Composers are kept within one collection only, the one that names most of them: across
    collections, a probe could recognize them by the files' format.

    Args:
        rows: rows from `manifest_rows`; a bracket ends a collection's name.

    Returns:
        The columns ``collection`` and ``composer``, indexed by song; empty where unknown.
    """
    nothing = pd.Series("", rows.index)
    collection = rows.get("source_repo", nothing).str.split(" (", regex=False).str[0]
    artist = rows.get("artist", nothing)
    named = collection[artist != ""]
    home = named.value_counts().index[0] if len(named) else ""
    return pd.DataFrame(
        {"collection": collection, "composer": artist.where(collection == home, "")}
    )


def frequent(labels: pd.Series, songs: pd.DataFrame, least: int) -> pd.Series:
    """Keep labels with enough songs to train and test on; others become empty.

    Args:
        labels: ``(segments,)`` str.
        songs: ``song`` and ``split`` of the same rows.
        least: smallest number of training songs per label; validation and test need one each.
    """
    counts = songs.assign(label=labels.to_numpy()).drop_duplicates(["song", "label"])
    counts = counts.groupby(["label", "split"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["train", "validation", "test"], fill_value=0)
    enough = (counts["train"] >= least) & (counts["validation"] > 0) & (counts["test"] > 0)
    return labels.where(labels.isin(counts.index[enough]), "")


def roles(segments: pd.DataFrame, height: ArrayLike) -> pd.Series:
    """Label segments as melody or accompaniment with the skyline heuristic.

    Args:
        segments: ``song``, ``track`` and ``start_beat``.
        height: ``(segments,)``, the mean pitch of each segment.

    Returns:
        ``melody`` for the highest of a song's segments that start together, ``accompaniment`` for
        the others; empty where no other part plays or two are equally high.
    """
    together = pd.Series(np.asarray(height, float), segments.index).groupby(
        [segments["song"], segments["start_beat"]]
    )
    highest = together.transform("max") == np.asarray(height, float)
    alone = together.transform("size") < 2
    shared = highest.groupby([segments["song"], segments["start_beat"]]).transform("sum") > 1
    labels = pd.Series(np.where(highest, *ROLES), segments.index)
    return labels.where(~alone & ~shared, "")


def probe(features: NDArray, task: Task, segments: pd.DataFrame) -> pd.DataFrame:
    """Fit a linear probe to a representation and predict the labels of the test songs.

    Its regularization is chosen on the validation songs. The split is that of the corpus.

    Args:
        features: the representation of each segment; NaN is replaced by the column's mean.
        task: the labels.
        segments: ``song``, ``track``, ``start_beat`` and ``split`` of the same rows.

    Shape:
        features: ``(segments, features)``.

    Returns:
        One row per test segment or test song: ``song``, ``track``, ``start_beat``, ``instrument``
        (the true label, under the name that `camil.evaluation.metrics` expects) and ``predicted``.

    Raises:
        ValueError: if there are fewer than two labels.
    """
    features = np.asarray(features, dtype=float)
    features = np.where(np.isnan(features), np.nanmean(features, axis=0), features)
    units = segments[["song", "track", "start_beat", "split"]].reset_index(drop=True)
    units = units.assign(instrument=task.labels.to_numpy(), row=np.arange(len(units)))
    units = units[units["instrument"] != ""]
    if task.by_song:
        rows = [part.to_numpy() for _, part in units.groupby("song")["row"]]
        values = np.stack([features[part].mean(axis=0) for part in rows])
        units = units.groupby("song", as_index=False).first()
    else:
        values = features[units["row"]]
    names, number = np.unique(units["instrument"], return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{task.name} has fewer than two labels: {list(names)}.")
    tensors = torch.tensor(values, dtype=torch.float32), torch.tensor(number)
    part = {
        split: (units["split"] == split).to_numpy(copy=True)
        for split in ("train", "validation", "test")
    }
    given = [x[part[split]] for split in ("train", "validation") for x in tensors]
    head = linear_probe(*given, classes=len(names))
    with torch.no_grad():
        chosen = head(tensors[0][part["test"]]).argmax(1).numpy()
    columns = ["song", "track", "start_beat", "instrument"]
    return units.loc[part["test"], columns].assign(predicted=names[chosen]).reset_index(drop=True)
