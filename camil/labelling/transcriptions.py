"""Put the parts of a transcription together.

A transcription model scatters one part over several tracks, states no programs, or puts drums on a
pitched channel. `transcription` marks likely drums and joins the tracks that are likely one part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from camil.labelling.drum_tracks import drum_probabilities
from camil.labelling.fragments import (
    THRESHOLD,
    Group,
    evidence,
    groups_of,
    joins,
    outlines,
)
from camil.labelling.networks import Labeller
from camil.midi.join import join_tracks
from camil.midi.score import Score, Track

DRUM_THRESHOLD = 0.5


@dataclass
class Transcription:
    """A song whose tracks are joined to parts.

    Attributes:
        score: the song; each part has the name of its first track.
        merges: one row per part that was joined of several tracks: ``part`` (its name), ``tracks``
            (a list of names), ``probability`` that the least similar of them belong together, and
            ``reason``, a sentence.
        drums: one row per track, most probable drums first: ``track``, ``notes``, ``probability``,
            ``drums`` (whether the score has it as drums).
        likely_drums: the tracks that are marked as drums and that the file has as pitched:
            ``track``, ``notes``, ``probability``.
        part_of: the name of the part of each track of the file.
    """

    score: Score
    merges: pd.DataFrame
    drums: pd.DataFrame
    likely_drums: pd.DataFrame
    part_of: dict[str, str]


def transcription(
    score: Score,
    labeller: Labeller,
    threshold: float = THRESHOLD,
    drum_threshold: float = DRUM_THRESHOLD,
) -> Transcription:
    """Mark the likely drums of a transcription and join the tracks that are likely one part.

    All tracks that are marked become one drum part. The programs and names of the file are not
    used.

    Args:
        score: the file, from `camil.read_midi`.
        labeller: a labeller from `camil.load_labeller`.
        threshold: pairs of tracks with a lower probability to be of one part are not joined.
        drum_threshold: tracks with a lower probability of drums are not marked.

    Example:
        >>> found = transcription(read_midi("transcribed.mid"), load_labeller())
        >>> found.merges[["tracks", "probability", "reason"]]
    """
    probabilities = drum_probabilities(score)
    is_drum = probabilities.to_numpy() >= drum_threshold
    is_drum |= [track.is_drum for track in score.tracks]
    marked = replace(
        score,
        tracks=[
            replace(track, is_drum=bool(drum))
            for track, drum in zip(score.tracks, is_drum, strict=True)
        ],
    )
    pitched = np.flatnonzero(~is_drum).tolist()
    merges, groups = _merges(
        [marked.tracks[number] for number in pitched], marked, labeller, threshold
    )
    members = [[pitched[number] for number in group.tracks] for group in groups]
    new = [n for n in np.flatnonzero(is_drum).tolist() if not score.tracks[n].is_drum]
    members += [new] if new else []
    members += [[number] for number, track in enumerate(score.tracks) if track.is_drum]
    names = [track.name for track in score.tracks]
    drums = _drums(marked, probabilities)
    is_new = drums["track"].isin([names[number] for number in new])
    return Transcription(
        merged(marked, members),
        merges,
        drums,
        drums.loc[is_new, ["track", "notes", "probability"]].reset_index(drop=True),
        {names[number]: names[group[0]] for group in members for number in group},
    )


def per_track(labels: pd.DataFrame, merges: pd.DataFrame) -> pd.DataFrame:
    """Labels of parts as labels of the file's tracks, for `camil.write_labelled`.

    Args:
        labels: one row per part of one file, with its name in the column ``track``.
        merges: the parts that were joined, ``part`` and ``tracks``, of the same file.

    Returns:
        One row per track of a labelled part, in the order of ``labels``; ``part`` is the name of
        its part.
    """
    members = dict(zip(merges["part"], merges["tracks"], strict=True))
    tracks = [members.get(name, [name]) for name in labels["track"]]
    by_track = labels.assign(track=tracks, part=labels["track"])
    return by_track.explode("track", ignore_index=True)


def merged(score: Score, groups: Sequence[Sequence[int]]) -> Score:
    """A score in which each group of tracks is one part.

    Args:
        groups: indices of tracks, each ascending; every track is in one group. A part has the name,
            the program and the channel of its first track.
    """
    in_order = sorted(groups, key=lambda group: group[0])
    return replace(score, tracks=[join_tracks([score.tracks[i] for i in one]) for one in in_order])


def _merges(
    tracks: Sequence[Track], score: Score, labeller: Labeller, threshold: float
) -> tuple[pd.DataFrame, list[Group]]:
    """The table of merges among pitched tracks, and the groups, of single tracks too."""
    columns = ["part", "tracks", "probability", "reason"]
    if not tracks:
        return pd.DataFrame(columns=columns), []
    readings = [None if one is None else one.track for one in labeller(tracks, score)]
    seen = outlines(tracks, score, readings)
    groups = groups_of(seen, threshold)
    register, rows = evidence(seen)["register"], []
    for group in groups:
        if len(group.tracks) > 1:
            names = [tracks[number].name for number in group.tracks]
            known = [readings[number] for number in group.tracks if readings[number] is not None]
            labels = sorted({labeller.classes[int(one.argmax())] for one in known})
            sentence = _reason(seen.sounds[group.tracks], _among(register, group), labels)
            rows.append((names[0], names, group.probability, sentence))
    return pd.DataFrame(rows, columns=columns), groups


def _reason(sounds: np.ndarray, register: float, known: Sequence[str]) -> str:
    """Why tracks are joined, in one sentence."""
    count = sounds.sum(axis=0)
    together = (count > 1).sum() / max((count > 0).sum(), 1)
    turns = int(np.triu(joins(sounds), 1).sum())
    if len(known) > 1:
        read = f"are read as {', '.join(known[:-1])} or {known[-1]}"
    else:
        read = f"are all read as {known[0]}" if known else "are too short for a label"
    often = "once" if turns == 1 else f"{turns} times"
    return (
        f"The {len(sounds)} tracks sound at once in {_percent(together)} of their time, take turns "
        f"{often}, have pitches that agree by {_percent(register)}, and {read}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _among(values: np.ndarray, group: Group) -> float:
    """The mean over the pairs of a group."""
    inside = values[np.ix_(group.tracks, group.tracks)]
    return float(inside[np.triu_indices(len(inside), 1)].mean())


def _drums(score: Score, probabilities: pd.Series) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "track": [track.name for track in score.tracks],
            "notes": [len(track.pitch) for track in score.tracks],
            "probability": probabilities.to_numpy(),
            "drums": [track.is_drum for track in score.tracks],
        }
    )
    return table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)
