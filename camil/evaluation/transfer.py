"""What else an embedding knows: labels that are in the data already, and a probe for them."""

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
    """A question that can be put to an embedding.

    Attributes:
        name: of the task.
        labels: ``(segments,)`` of str; empty where a segment has no part in it.
        by_song: whether a song as a whole is asked about, with the mean of its segments.
    """

    name: str
    labels: pd.Series
    by_song: bool


def manifest_rows(manifest: Path | str, folder: Path | str, songs: ArrayLike) -> pd.DataFrame:
    """The manifest's row of each song.

    Args:
        manifest: a CSV with the column ``path``, relative to it.
        folder: that the corpus was made from; songs have their names by it.
        songs: names of songs, as in `segments.parquet`.

    Returns:
        Indexed by song, the manifest's columns; songs that it does not list are missing.

    Raises:
        ValueError: if there is no such file, or it has no column path.
    """
    if not Path(manifest).is_file():
        raise ValueError(f"the manifest {manifest} does not exist")
    rows = pd.read_csv(manifest, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if "path" not in rows:
        raise ValueError(f"the manifest {manifest} needs the column path")
    top, below = Path(manifest).resolve().parent, Path(folder).resolve()
    places = [top / path for path in rows["path"]]
    inside = [place.is_relative_to(below) for place in places]
    rows = rows[inside]
    files = [place.relative_to(below) for place, here in zip(places, inside, strict=True) if here]
    known = set(np.asarray(songs, dtype=str))
    # A song is named with its suffix only where another would have the same name.
    names = [
        file.as_posix() if file.as_posix() in known else file.with_suffix("").as_posix()
        for file in files
    ]
    rows = rows.set_axis(pd.Index(names, name="song"), axis=0)
    return rows[rows.index.isin(known) & ~rows.index.duplicated()]


def collections_and_composers(rows: pd.DataFrame) -> pd.DataFrame:
    """Where each song was collected, and who wrote it.

    Composers are asked for within one collection, the one that names most: between two they would
    be told by how the collection writes its files.

    Args:
        rows: of `manifest_rows`; a collection's name goes up to a bracket.

    Returns:
        Indexed by song, the columns ``collection`` and ``composer``, empty where not known.
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
    """Labels that enough songs have to be learnt and tested; others become empty.

    Args:
        labels: ``(segments,)`` of str.
        songs: ``song`` and ``split`` of the same rows.
        least: training songs that a label needs; in validation and test it needs one each.
    """
    counts = songs.assign(label=labels.to_numpy()).drop_duplicates(["song", "label"])
    counts = counts.groupby(["label", "split"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["train", "validation", "test"], fill_value=0)
    enough = (counts["train"] >= least) & (counts["validation"] > 0) & (counts["test"] > 0)
    return labels.where(labels.isin(counts.index[enough]), "")


def roles(segments: pd.DataFrame, height: ArrayLike) -> pd.Series:
    """Melody or accompaniment, by the skyline: the highest of the parts that play together.

    Args:
        segments: ``song``, ``track`` and ``start_beat``.
        height: ``(segments,)``, the mean pitch of each.

    Returns:
        ``melody`` for the highest of the segments of a song that begin together,
        ``accompaniment`` for the others; empty where a part is alone or two are equally high.
    """
    together = pd.Series(np.asarray(height, float), segments.index).groupby(
        [segments["song"], segments["start_beat"]]
    )
    highest = together.transform("max") == np.asarray(height, float)
    alone = together.transform("size") < 2
    shared = highest.groupby([segments["song"], segments["start_beat"]]).transform("sum") > 1
    labels = pd.Series(np.where(highest, *ROLES), segments.index)
    return labels.where(~alone & ~shared, "")


def probe(known: NDArray, task: Task, segments: pd.DataFrame) -> pd.DataFrame:
    """Fit a linear classifier on a representation and name the test songs' labels with it.

    Its strength is chosen on the validation songs; the split is the corpus's, by song and group.

    Args:
        known: ``(segments, values)``, what represents a segment; NaN counts as the mean.
        segments: ``song``, ``track``, ``start_beat`` and ``split`` of the same rows.

    Returns:
        A row a test unit, segment or song: song, track, start_beat, instrument (the true label; so
        that `camil.evaluation` can be used on it) and predicted.

    Raises:
        ValueError: if fewer than two labels are to be told apart.
    """
    known = np.asarray(known, dtype=float)
    known = np.where(np.isnan(known), np.nanmean(known, axis=0), known)
    units = segments[["song", "track", "start_beat", "split"]].reset_index(drop=True)
    units = units.assign(instrument=task.labels.to_numpy(), row=np.arange(len(units)))
    units = units[units["instrument"] != ""]
    if task.by_song:
        rows = [part.to_numpy() for _, part in units.groupby("song")["row"]]
        values = np.stack([known[part].mean(axis=0) for part in rows])
        units = units.groupby("song", as_index=False).first()
    else:
        values = known[units["row"]]
    names, number = np.unique(units["instrument"], return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{task.name} has fewer than two labels to tell apart: {list(names)}.")
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
