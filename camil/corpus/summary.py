"""What a corpus holds and lacks, in tables a screen high, however large it is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from camil.midi.instruments import INSTRUMENTS

_SPLITS = ("train", "validation", "test")


def contents(corpus: Path | str) -> pd.DataFrame:
    """Songs, tracks and segments of each instrument (a row) in each split (columns), with totals.

    A song counts in every class that plays in it, and once in the total.
    """
    path = Path(corpus) / "segments.parquet"
    keys = ["instrument", "split", "song", "track"]
    table = pq.read_table(path, columns=keys, read_dictionary=keys).unify_dictionaries()
    tracks = table.group_by(keys).aggregate([([], "count_all")])
    counted = {}
    for split in _SPLITS:
        here = tracks.filter(pa.compute.equal(tracks["split"].cast(pa.string()), split)).to_pandas()
        by_class = here.groupby(here["instrument"].astype(str))
        counted["songs", split] = by_class["song"].nunique()
        counted["tracks", split] = by_class.size()
        counted["segments", split] = by_class["count_all"].sum()
        for what, number in (
            ("songs", here["song"].nunique()),
            ("tracks", len(here)),
            ("segments", here["count_all"].sum()),
        ):
            counted[what, split] = pd.concat([counted[what, split], pd.Series({"all": number})])
    frame = pd.DataFrame(counted).reindex([*INSTRUMENTS, "all"]).fillna(0).astype(int)
    return frame[[(what, split) for what in ("songs", "tracks", "segments") for split in _SPLITS]]


def tempo_and_metre(corpus: Path | str) -> pd.DataFrame:
    """How long two measures are, in quarter notes (a row: 8 is 4/4, 6 is 3/4 or 6/8), what share of
    the segments is so, and their tempi (quarter notes per minute; quartiles)."""
    columns = ["start_seconds", "end_seconds", "bpm"]
    table = pq.read_table(Path(corpus) / "segments.parquet", columns=columns).to_pandas()
    quarters = (table["end_seconds"] - table["start_seconds"]) * table["bpm"] / 60
    by_length = table["bpm"].groupby(quarters.round(2).rename("quarter notes"))
    tempi = by_length.quantile([0.25, 0.5, 0.75]).unstack().round(0)
    tempi.columns = ["bpm 25 %", "bpm 50 %", "bpm 75 %"]
    tempi.insert(0, "share", (by_length.size() / len(table)).round(4))
    return tempi.sort_values("share", ascending=False)


def skipped(corpus: Path | str) -> pd.DataFrame:
    """Why songs and tracks were skipped: a row a reason, how often, and an example."""
    table = pd.read_csv(Path(corpus) / "skipped.csv", keep_default_na=False)
    reason = table["why"].str.replace(r"^.* cannot be read: ", "", regex=True)
    reason = reason.str.replace(r"\d+(\.\d+)?", "…", regex=True).rename("reason")
    rows = table.assign(whole=table["track"] == "").groupby(reason)
    counted = pd.DataFrame(
        {
            "songs": rows["whole"].sum(),
            "tracks": rows.size() - rows["whole"].sum(),
            "for example": rows["file"].first(),
        }
    )
    return counted.sort_values(["songs", "tracks"], ascending=False)


def sample(corpus: Path | str, most: int = 200_000) -> pd.DataFrame:
    """The segments with their notes: all of them or, of a very large corpus, every nth so that
    there are at most `most`."""
    file = pq.ParquetFile(Path(corpus) / "segments.parquet")
    every = max(-(-file.metadata.num_rows // most), 1)
    parts = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        parts.append(table.take(np.arange(0, len(table), every)))
    return pa.concat_tables(parts).to_pandas()
