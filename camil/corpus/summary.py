"""Summary tables of a corpus, short for corpora of any size."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.sources.protocol import SPLITS
from camil.workbook.files import read_json

COUNTED = ("songs", "tracks", "segments")


def contents(corpus: Path | str) -> pd.DataFrame:
    """Songs, tracks and segments per instrument in each split, with totals.

    A song counts in every class that it contains, and once in the total.

    Returns:
        One row per class and ``all``; columns are pairs such as ``("songs", "train")``.
    """
    stated = read_json(Path(corpus) / "corpus.json").get("instruments")
    instruments = InstrumentTable.from_json(stated) if stated else FAMILIES
    path = Path(corpus) / "segments.parquet"
    keys = ["instrument", "split", "song", "track"]
    table = pq.read_table(path, columns=keys, read_dictionary=keys).unify_dictionaries()
    tracks = table.group_by(keys).aggregate([([], "count_all")])
    counted = {}
    for split in SPLITS:
        in_split = tracks.filter(
            pa.compute.equal(tracks["split"].cast(pa.string()), split)
        ).to_pandas()
        by_class = in_split.groupby(in_split["instrument"].astype(str))
        per_class = by_class["song"].nunique(), by_class.size(), by_class["count_all"].sum()
        totals = in_split["song"].nunique(), len(in_split), in_split["count_all"].sum()
        for name, numbers, total in zip(COUNTED, per_class, totals, strict=True):
            counted[name, split] = pd.concat([numbers, pd.Series({"all": total})])
    frame = pd.DataFrame(counted).reindex([*instruments.names, "all"]).fillna(0).astype(int)
    return frame[[(name, split) for name in COUNTED for split in SPLITS]]


def tempo_and_metre(corpus: Path | str) -> pd.DataFrame:
    """Share and tempi of the segments by the length of their two measures.

    Returns:
        One row per length in quarter notes (8 is 4/4, 6 is 3/4 or 6/8), with the share of the
        segments and the quartiles of their tempi in quarter notes per minute.
    """
    columns = ["start_seconds", "end_seconds", "bpm"]
    table = pq.read_table(Path(corpus) / "segments.parquet", columns=columns).to_pandas()
    quarters = (table["end_seconds"] - table["start_seconds"]) * table["bpm"] / 60
    by_length = table["bpm"].groupby(quarters.round(2).rename("quarter notes"))
    tempi = by_length.quantile([0.25, 0.5, 0.75]).unstack().round(0)
    tempi.columns = ["bpm 25 %", "bpm 50 %", "bpm 75 %"]
    tempi.insert(0, "share", (by_length.size() / len(table)).round(4))
    return tempi.sort_values("share", ascending=False)


def skipped(corpus: Path | str) -> pd.DataFrame:
    """The reasons for which songs and tracks were skipped.

    Returns:
        One row per reason: numbers of songs and tracks, and an example.
    """
    table = pd.read_csv(Path(corpus) / "skipped.csv", keep_default_na=False)
    reason = table["why"].str.replace(r"^.* cannot be read: ", "", regex=True)
    whole = table["track"] == ""
    counted = _by_kind(reason, {"songs": whole, "tracks": ~whole}, table["file"])
    return counted.sort_values(["songs", "tracks"], ascending=False)


def repaired(corpus: Path | str) -> pd.DataFrame:
    """The faults that were repaired, see the parameter ``repair`` of ``01_preprocess``.

    Returns:
        One row per kind of fault: the number of songs and of faults, and an example.
    """
    path = Path(corpus) / "warnings.csv"
    table = pd.read_csv(path, keep_default_na=False, dtype={"what": str, "done": str})
    fault = table["what"] + "; " + table["done"]
    first = ~table.assign(fault=_kind(fault)).duplicated(["song", "fault"])
    every = pd.Series(True, table.index)
    counted = _by_kind(fault, {"songs": first, "faults": every}, table["file"])
    return counted.sort_values(["songs", "faults"], ascending=False)


def sample(corpus: Path | str, most: int = 200_000) -> pd.DataFrame:
    """The segments with their pitches, classes, splits and tempi, for `figures.corpus_overview`.

    If the corpus has more than ``most`` segments, every n-th is taken.

    Returns:
        One row per segment: ``instrument``, ``split``, ``bpm`` and ``pitch`` (a list).
    """
    file = pq.ParquetFile(Path(corpus) / "segments.parquet")
    every = max(-(-file.metadata.num_rows // most), 1)
    columns = ["instrument", "split", "bpm", "pitch"]
    parts = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=columns)
        parts.append(table.take(np.arange(0, len(table), every)))
    return pa.concat_tables(parts).to_pandas()


def _kind(text: pd.Series) -> pd.Series:
    """Messages without their numbers."""
    return text.str.replace(r"0x[0-9A-Fa-f]+|\d[\d,.]*", "…", regex=True)


def _by_kind(messages: pd.Series, counted: dict[str, pd.Series], files: pd.Series) -> pd.DataFrame:
    kinds = _kind(messages).rename("reason")
    columns = {name: flags.groupby(kinds).sum() for name, flags in counted.items()}
    return pd.DataFrame(columns | {"example": files.groupby(kinds).first()})
