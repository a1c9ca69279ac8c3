"""Scores of recognized programs: shares of the tracks, averaged over the programs."""

from typing import Any

import numpy as np
import pandas as pd
import pretty_midi
from numpy.typing import NDArray

from camil.evaluation.bootstrap import interval, resample
from camil.evaluation.metrics import recall
from camil.evaluation.new_instruments import LEFT_OUT, NOTES
from camil.evaluation.retrieval import CHANCE
from camil.midi.instruments import InstrumentClass, InstrumentTable

_ANOTHER = "another"  # any program but the right one


def scored(found: pd.DataFrame) -> pd.DataFrame:
    """Share of the tracks whose program is ranked first, or among the first three.

    Shares are of the tracks of each program, averaged over the programs, so that a frequent program
    does not decide.

    Args:
        found: results of `recognized` and `recognized_by_family`, with the ``seed`` of the run.

    Returns:
        One row per method and set of candidates, with `CHANCE`: ``seeds``, ``tracks``, ``top-1``
        and ``top-3``, the mean over seeds, each with its 95 % interval over songs (``low``,
        ``high``); ``difference``, top-1 of `NOTES` among the same candidates minus that of the
        method, with its paired interval.
    """
    rows = []
    for (among, candidates), group in found.groupby(["among", "candidates"], sort=False):
        head = {"among": among, "candidates": candidates}
        of_method = {
            method: [one for _, one in part.groupby("seed")]
            for method, part in group.groupby("method", sort=False)
        }
        for method, tables in of_method.items():
            row = {"method": method, **head, "seeds": len(tables), "tracks": len(tables[0])}
            for k in (1, 3):
                ends = (f"top-{k}", f"top-{k} low", f"top-{k} high")
                row |= dict(zip(ends, _difference(tables, [], k), strict=True))
            if method != NOTES:
                ends = ("difference", "difference low", "difference high")
                row |= dict(zip(ends, _difference(of_method[NOTES], tables), strict=True))
            rows.append(row)
        chances = {f"top-{k}": min(k / candidates, 1) for k in (1, 3)}
        rows.append({"method": CHANCE, **head, "seeds": 0, "tracks": rows[-1]["tracks"]} | chances)
    return pd.DataFrame(rows)


def by_program(found: pd.DataFrame, instruments: InstrumentTable) -> pd.DataFrame:
    """Share of the tracks of each program left out that are ranked first, per method.

    Args:
        found: as for `scored`; candidates are the programs left out.
        instruments: the families.

    Returns:
        One row per program: ``program`` (its name), ``family``, ``tracks``, and one column per
        method, the mean over seeds.
    """
    among = found[found["among"] == LEFT_OUT]
    first = among.assign(hit=among["rank"] == 1)
    shares = first.pivot_table("hit", "program", "method", aggfunc="mean", sort=False)
    tracks = among.groupby("program")[["song", "track"]].apply(
        lambda part: len(part.drop_duplicates())
    )
    shares.insert(0, "tracks", tracks)
    shares.insert(0, "family", [instruments.of_program(program) for program in shares.index])
    shares.insert(0, "program", [name_of(program) for program in shares.index])
    return shares.sort_index().reset_index(drop=True).rename_axis(columns=None)


def confusion_of(found: pd.DataFrame, instruments: InstrumentTable) -> dict[str, Any]:
    """True and predicted programs of the tracks by `NOTES`, for `camil.figures.confusion`.

    Args:
        found: as for `scored`; candidates are the programs left out.
        instruments: the families, whose colours the programs have.
    """
    rows = found[(found["method"] == NOTES) & (found["among"] == LEFT_OUT)]
    classes = [
        InstrumentClass(
            name_of(program),
            (program,),
            program,
            instruments.colours[instruments.of_program(program)],
        )
        for program in sorted({*rows["program"], *rows["predicted"]})
    ]
    return {
        "true": rows["program"].map(name_of),
        "predicted": rows["predicted"].map(name_of),
        "instruments": InstrumentTable("programs left out", classes),
    }


def name_of(program: int) -> str:
    """The name of a General MIDI program."""
    return pretty_midi.program_to_instrument_name(int(program))


def _difference(
    ours: list[pd.DataFrame], others: list[pd.DataFrame], k: int = 1
) -> tuple[float, float, float]:
    """Macro-averaged top-k of some runs minus that of others, if any, with its interval."""
    tables = [
        one.assign(
            instrument=one["program"].astype(str),
            predicted=one["program"].astype(str).where(one["rank"] <= k, _ANOTHER),
        )
        for one in (*ours, *others)
    ]
    weights = [1 / len(ours)] * len(ours) + [-1 / len(others) for _ in others]
    value, resampled = resample(tables, _macro_recall)
    return float(value @ weights), *interval(resampled @ weights)


def _macro_recall(counts: NDArray) -> NDArray:
    """Recall averaged over the classes that occur; counts ``(..., true, predicted)``."""
    return np.nanmean(recall(counts), axis=-1)
