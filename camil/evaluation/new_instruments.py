"""Recognize instruments that no training pair had, by a few seconds of their sound.

A run of ``02_pretrain`` with ``leave_out_programs`` has seen no pair of notes and audio of some
General MIDI programs. Tracks of these programs are compared with `reference_sounds`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camil.corpus.corpus import Corpus
from camil.evaluation.corpus_shift import predictions_on
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.reference_sounds import (
    family_sounds,
    nearness,
    points_of,
    ranked,
    reference_rows,
    reference_segments,
    unit_means,
)
from camil.evaluation.retrieval import is_joint, joint_encoders

QUERIES = ("validation", "test")  # splits whose tracks are recognized
LEFT_OUT, ALL = "left out", "all"  # sets of candidates: the programs left out, or all of the corpus
NOTES, FAMILY = "reference sound", "sound of the rest of the family"
SOUND, SIC = "reference sound, heard instead of read", "SIC, family only"
SEEN = "reference sound, with pairs in training"
CENTRED = "reference sound, modalities centred"
_NOT_COMPARED = ("leave_out_programs", "run", "seed", "device", "tensorboard")


def left_out(run: FinishedRun) -> list[int]:
    """The programs without pairs in a run's training; empty for most runs."""
    return list(run.record["parameters"].get("leave_out_programs") or ())


def query_rows(table: pd.DataFrame, programs: Sequence[int]) -> NDArray[np.int64]:
    """The rows of validation and test songs that have one of the programs."""
    return np.flatnonzero(table["split"].isin(QUERIES) & table["program"].isin(programs))


def recognized(
    run: FinishedRun,
    corpus: str,
    programs: Sequence[int],
    segments: int = 5,
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Recognize the tracks of some programs, those that a run's training left out.

    Args:
        run: a run of ``02_pretrain`` with two encoders.
        corpus: folder of its corpus.
        programs: the programs left out.
        segments, seed: number of segments of a reference sound, and the seed of their draw.
        device: device of the computations.

    Returns:
        One row per track of the validation and test songs, method and set of candidates:
        ``method``; ``among``, `LEFT_OUT` or `ALL`; ``candidates``, their number; ``song``,
        ``track``, ``program``, ``rank`` and ``predicted``. The methods are `NOTES` and `FAMILY`;
        `CENTRED`, where the mean over the reference segments of the other programs is subtracted
        from notes and from sound, which lie in different regions of a contrastive space (Liang et
        al., 2022); and `SOUND`, where the track is heard instead of read: how far the audio encoder
        comes alone.

    Raises:
        FileNotFoundError: if the corpus or an encoder is missing.
        ValueError: if a program left out does not occur in the training songs.
    """
    midi, audio, data = joint_encoders(run, corpus, device)
    for program in programs:
        reference_rows(data.table, program)  # raises if no training song has it
    reference = reference_segments(data.table, segments, seed)
    had_pairs = ~reference.index.isin(programs)
    sound, score = (points_of(encoder, data, reference) for encoder in (audio, midi))
    rows = query_rows(data.table, programs)
    tracks, number = _tracks(data.table.iloc[rows])
    notes, heard = (points_of(encoder, data, rows) for encoder in (midi, audio))
    sounds = unit_means(sound, reference.index)
    around = unit_means(sound - sound[had_pairs].mean(axis=0), reference.index)
    centred = unit_means(notes - score[had_pairs].mean(axis=0), number)
    notes, heard = unit_means(notes, number), unit_means(heard, number)
    families = family_sounds(sounds, programs, data.instruments)
    some = list(programs)
    compared = [
        (NOTES, LEFT_OUT, notes, sounds.loc[some]), (NOTES, ALL, notes, sounds),
        (CENTRED, LEFT_OUT, centred, around.loc[some]), (CENTRED, ALL, centred, around),
        (SOUND, LEFT_OUT, heard, sounds.loc[some]), (SOUND, ALL, heard, sounds),
        (FAMILY, LEFT_OUT, notes, families),
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
    sics: Sequence[FinishedRun],
    segments: int = 5,
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Recognize the tracks of the programs left out, with each run that left some out.

    Args:
        runs: finished runs; those without programs left out are ignored.
        sics: runs of SIC on the same corpus.
        segments, seed, device: as for `recognized`.

    Returns:
        The rows of `recognized` and `recognized_by_family`, with ``run``, the name of the
        pre-training without its seed, and ``seed``, that of the pre-training or the classifier.
        The method `SEEN` is that of `NOTES`, after a pre-training with the same parameters that
        left no program out, where there is one. Empty if no run left programs out.
    """
    found, seen = [], set()
    joint = [run for run in runs if is_joint(run)]
    for run in filter(left_out, joint):
        folder, programs = run.record["corpus"]["folder"], left_out(run)
        name = run.name_without_seed
        parts = [(run, recognized(run, folder, programs, segments, seed, device))]
        if name not in seen:  # these do not depend on the seed of the pre-training
            parts += [(one, recognized_by_family(one, folder, programs, device)) for one in sics]
            for one in (other for other in joint if _same_but_for_programs(run, other)):
                with_pairs = recognized(one, folder, programs, segments, seed, device)
                with_pairs = with_pairs[with_pairs["method"] == NOTES].assign(method=SEEN)
                parts.append((one, with_pairs))
        seen.add(name)
        found += [
            part.assign(run=name, seed=one.record["parameters"]["seed"]) for one, part in parts
        ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _same_but_for_programs(run: FinishedRun, other: FinishedRun) -> bool:
    """Whether another run left no program out, and has otherwise the parameters of a run."""
    ours, theirs = run.record["parameters"], other.record["parameters"]
    names = (ours.keys() & theirs.keys()) - set(_NOT_COMPARED)
    return not left_out(other) and all(ours[name] == theirs[name] for name in names)
