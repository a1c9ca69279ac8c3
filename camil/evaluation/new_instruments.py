"""Recognize instruments that no training pair had, by a few seconds of their sound.

A run of ``02_pretrain`` with ``leave_out_programs`` has seen no pair of notes and audio of some
General MIDI programs. Tracks of these programs are compared with `reference_sounds`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pretty_midi
import torch
from numpy.typing import NDArray

from camil.corpus.corpus import Corpus
from camil.evaluation.bootstrap import interval, resample
from camil.evaluation.corpus_shift import predictions_on
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.reference_sounds import (
    family_sounds,
    nearness,
    ranked,
    reference_rows,
    reference_sounds,
    unit_means,
)
from camil.evaluation.retrieval import is_joint, joint_encoders, name_without_seed
from camil.midi.instruments import InstrumentClass, InstrumentTable
from camil.training.embed import embed

QUERIES = ("validation", "test")  # splits whose tracks are recognized
LEFT_OUT, ALL = "left out", "all"  # sets of candidates: the programs left out, or all of the corpus
NOTES, FAMILY = "reference sound", "sound of the rest of the family"
SOUND, SIC, CHANCE = "reference sound, heard instead of read", "SIC, family only", "chance"
_ANOTHER = "another"  # any program but the right one


def left_out(run: FinishedRun) -> list[int]:
    """The programs without pairs in a run's training; empty for most runs."""
    return list(run.record["parameters"].get("leave_out_programs") or ())


def query_rows(table: pd.DataFrame, programs: Sequence[int]) -> NDArray[np.int64]:
    """The rows of validation and test songs that have one of the programs."""
    return np.flatnonzero(table["split"].isin(QUERIES) & table["program"].isin(programs))


def recognized(
    run: FinishedRun, corpus: str, segments: int = 5, seed: int = 0, device: str = "cpu"
) -> pd.DataFrame:
    """Recognize the tracks of the programs that a run's training left out.

    Args:
        run: a run of ``02_pretrain`` with ``leave_out_programs``.
        corpus: folder of its corpus.
        segments, seed: number of segments of a reference sound, and the seed of their draw.
        device: device of the computations.

    Returns:
        One row per track of the validation and test songs, method and set of candidates:
        ``method``; ``among``, `LEFT_OUT` or `ALL`; ``candidates``, their number; ``song``,
        ``track``, ``program``, ``rank`` and ``predicted``. The methods are `NOTES`, `SOUND` (the
        track is not read but heard: what the audio encoder could do alone) and `FAMILY`.

    Raises:
        FileNotFoundError: if the corpus or an encoder is missing.
        ValueError: if a program left out does not occur in the training songs.
    """
    midi, audio, data = joint_encoders(run, corpus, device)
    programs, sounds = left_out(run), reference_sounds(audio, data, segments, seed)
    for missing in set(programs) - set(sounds.index):
        reference_rows(data.table, missing)  # raises
    rows = query_rows(data.table, programs)
    tracks, number = _tracks(data.table.iloc[rows])
    chosen = torch.from_numpy(rows).to(data.device)
    read = unit_means(embed(midi, data.rolls, chosen).cpu(), number)
    heard = unit_means(embed(audio, data.mels, chosen).cpu(), number)
    families = family_sounds(sounds, programs, data.instruments)
    some = sounds.loc[programs]
    compared = [
        (NOTES, LEFT_OUT, read, some), (NOTES, ALL, read, sounds),
        (SOUND, LEFT_OUT, heard, some), (SOUND, ALL, heard, sounds),
        (FAMILY, LEFT_OUT, read, families),
    ]  # fmt: skip
    return pd.concat([
        ranked(tracks, nearness(points, among), among.index).assign(
            method=method, among=which, candidates=len(among)
        )
        for method, which, points, among in compared
    ], ignore_index=True)  # fmt: skip


def recognized_by_family(
    run: FinishedRun, corpus: str, programs: Sequence[int], device: str = "cpu"
) -> pd.DataFrame:
    """The program left out of the family that a classifier predicts: what SIC could do at best.

    The segments of a track vote; with equal votes the larger mean probability decides.

    Args:
        run: a run of ``03_classify`` on notes, trained on these programs as on all others.
        corpus: folder of its corpus.
        programs: the programs left out, the only candidates.
        device: device of the computations.

    Returns:
        As `recognized`, with the method `SIC`.
    """
    table, instruments = Corpus(corpus).table, run.instruments
    rows = query_rows(table, programs)
    tracks, number = _tracks(table.iloc[rows])
    predictions = predictions_on(run, corpus, device, torch.from_numpy(rows))
    families = [instruments.of_program(program) for program in programs]
    votes = pd.get_dummies(predictions["predicted"]).reindex(columns=families, fill_value=0)
    probability = predictions[[f"p_{family}" for family in families]]
    # A mean probability is at most 1, so that half of it never outweighs a vote.
    likeness = votes.groupby(number).sum().to_numpy()
    likeness = likeness + probability.groupby(number).mean().to_numpy() / 2
    return ranked(tracks, likeness, programs).assign(
        method=SIC, among=LEFT_OUT, candidates=len(programs)
    )


def _tracks(segments: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """One row per track with its song and program, and ``(segments,)`` the track's number."""
    groups = segments.groupby(["song", "track"], sort=True)
    return groups["program"].first().reset_index(), groups.ngroup().to_numpy()


def recognized_by_all(
    runs: Sequence[FinishedRun],
    classifiers: Sequence[FinishedRun],
    segments: int = 5,
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Recognize the tracks of the programs left out, with each run that left some out.

    Args:
        runs: finished runs; those without programs left out are ignored.
        classifiers: runs of SIC on the same corpus.
        segments, seed, device: as for `recognized`.

    Returns:
        The rows of `recognized` and `recognized_by_family`, with ``run``, the name of the
        pre-training without its seed, and ``seed``, that of the pre-training or the classifier.
        Empty if no run left programs out.
    """
    found, seen = [], set()
    for run in (run for run in runs if is_joint(run) and left_out(run)):
        folder, name = run.record["corpus"]["folder"], name_without_seed(run)
        parts = [(run, recognized(run, folder, segments, seed, device))]
        if name not in seen:  # the classifiers do not depend on the seed of the pre-training
            parts += [
                (one, recognized_by_family(one, folder, left_out(run), device))
                for one in classifiers
            ]
        seen.add(name)
        found += [
            part.assign(run=name, seed=one.record["parameters"]["seed"]) for one, part in parts
        ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


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
    value, resampled = resample(tables, _macro_recall)
    sides = [values[..., : len(ours)].mean(axis=-1) for values in (value, resampled)]
    if others:
        rest = [values[..., len(ours) :].mean(axis=-1) for values in (value, resampled)]
        sides = [side - other for side, other in zip(sides, rest, strict=True)]
    return float(sides[0]), *interval(sides[1])


def _macro_recall(counts: NDArray) -> NDArray:
    """Recall averaged over the classes that occur; counts ``(..., true, predicted)``."""
    support = counts.sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(support, 1)
    return recall.sum(axis=-1) / (support > 0).sum(axis=-1)
