"""Propose which tracks of a song are fragments of one part.

Fragments of a part take turns: they do not sound at once, one begins where another ends, and they
agree in register, note lengths, patterns, and in what the labeller reads. A logistic regression
on such evidence scores each pair of tracks, and the most probable pair is joined until no pair is
probable. The regression was fitted by ``python -m benchmarks.scattered_parts --fit fragments``.
Velocities, programs and names are not used, because transcriptions have none or wrong ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from camil.midi.score import Score, Track

EVIDENCE = (
    "overlap", "shared_onsets", "joins", "register", "lengths", "chords", "patterns", "labels",
    "activity", "tracks",
)  # fmt: skip
# Intercept, then one coefficient per kind of evidence.
COEFFICIENTS = np.array(
    [-10.78, -2.83, -29.29, 1.533, 5.686, 3.746, 3.897, 2.132, 0.9919, -0.7671, -0.5008]
)
THRESHOLD = 0.7  # pairs with a lower probability are not joined
_CELLS = 4  # per quarter note, in which it is compared which tracks sound
_ONSETS = 12  # per quarter note, in which onsets are compared
_LONGEST = 16.0  # quarter notes; longer notes are cut, because they are rarely meant
_LEAST = 1e-3  # probability, below which the labeller's reading is not evidence


@dataclass
class Outlines:
    """What is compared of tracks; every array has one row per track.

    Attributes:
        sounds: ``(tracks, cells)`` bool, four cells per quarter note.
        onsets: ``(tracks, cells)`` bool, twelve cells per quarter note.
        pitches: ``(tracks, 128)`` notes per pitch.
        lengths: ``(tracks, 9)`` notes per octave of lengths.
        chords: ``(tracks, 4)`` onsets of one, two, three, and more notes.
        patterns: ``(tracks, patterns)`` bool, which patterns of one measure occur.
        readings: ``(tracks, classes)``, sum over notes of the labeller's log-probabilities.
    """

    sounds: np.ndarray
    onsets: np.ndarray
    pitches: np.ndarray
    lengths: np.ndarray
    chords: np.ndarray
    patterns: np.ndarray
    readings: np.ndarray

    def join(self, first: int, second: int) -> "Outlines":
        """Outlines in which two tracks are one; the second row is removed."""
        joined = {}
        for field in fields(self):
            values = getattr(self, field.name).copy()
            values[first] = values[first] + values[second]
            joined[field.name] = np.delete(values, second, axis=0)
        return replace(self, **joined)


def outlines(
    tracks: Sequence[Track], score: Score, readings: Sequence[np.ndarray | None]
) -> Outlines:
    """Outlines of tracks.

    Args:
        tracks: tracks of the score.
        readings: class probabilities of each track; None if the labeller has no answer.
    """
    beats = float(score.measures[-1])
    known = [one for one in readings if one is not None]
    classes = len(known[0]) if known else 1
    patterns = [_patterns(track, score) for track in tracks]
    column = {one: number for number, one in enumerate(sorted(set().union(*patterns)))}
    found = {field.name: [] for field in fields(Outlines)}
    for track, reading, own in zip(tracks, readings, patterns, strict=True):
        length = np.clip(track.end_beat - track.start_beat, 1 / _ONSETS, _LONGEST)
        found["sounds"].append(_sounds(track.start_beat, length, int(np.ceil(beats)) * _CELLS + 1))
        onset = np.round(track.start_beat * _ONSETS).astype(int)
        found["onsets"].append(np.bincount(onset, minlength=int(beats * _ONSETS) + 2) > 0)
        found["pitches"].append(np.bincount(track.pitch, minlength=128))
        octave = np.clip(np.round(np.log2(length)) + 4, 0, 8).astype(int)
        found["lengths"].append(np.bincount(octave, minlength=9))
        size = np.minimum(np.unique(onset, return_counts=True)[1], 4) - 1
        found["chords"].append(np.bincount(size, minlength=4))
        present = np.zeros(len(column), bool)
        present[[column[one] for one in own]] = True
        found["patterns"].append(present)
        share = np.full(classes, 1 / classes) if reading is None else reading
        found["readings"].append(len(track.pitch) * np.log(np.maximum(share, _LEAST)))
    return Outlines(**{name: np.stack(rows) for name, rows in found.items()})


def evidence(outlines: Outlines) -> dict[str, np.ndarray]:
    """Evidence that two tracks are fragments of one part, each ``(tracks, tracks)``, symmetric.

    ``overlap``: share of the time of the briefer track in which both sound. ``shared_onsets``:
    share of the onsets of the track with fewer that both have. ``joins``: log of how often a
    passage of one begins where a passage of the other ends. ``register``, ``lengths``, ``chords``:
    similarity of the distributions of pitches, note lengths and notes per onset (Bhattacharyya
    coefficient). ``patterns``: share of the patterns of the track with fewer that both have.
    ``labels``: log of the probability that both have the same class, by the labeller, against that
    by chance. ``activity``: log of the quarter notes of the briefer track. ``tracks``: log of the
    number of tracks.
    """
    sounds = outlines.sounds.astype(np.float32)
    time = np.maximum(sounds.sum(axis=1), 1)
    least = np.minimum(time[:, None], time[None])
    onsets = outlines.onsets.astype(np.float32)
    count = onsets.sum(axis=1)
    patterns = outlines.patterns.astype(np.float32)
    kinds = np.maximum(patterns.sum(axis=1), 1)
    notes = outlines.pitches.sum(axis=1, keepdims=True)
    return {
        "overlap": (sounds @ sounds.T) / least,
        "shared_onsets": (onsets @ onsets.T) / np.minimum(count[:, None], count[None]),
        "joins": np.log1p(joins(outlines.sounds)),
        "register": _similarity(_smoothed(outlines.pitches)),
        "lengths": _similarity(outlines.lengths),
        "chords": _similarity(outlines.chords),
        "patterns": (patterns @ patterns.T) / np.minimum(kinds[:, None], kinds[None]),
        "labels": _agreement(outlines.readings / notes),
        "activity": np.log(least / _CELLS),
        "tracks": np.full(least.shape, np.log(len(time))),
    }


def probabilities(outlines: Outlines) -> np.ndarray:
    """``(tracks, tracks)``, probability of each pair to be of one part; 0 on the diagonal."""
    found = evidence(outlines)
    logits = COEFFICIENTS[0] + sum(
        weight * found[name] for name, weight in zip(EVIDENCE, COEFFICIENTS[1:], strict=True)
    )
    shares = 1 / (1 + np.exp(-logits))
    np.fill_diagonal(shares, 0)
    return shares


class Group(NamedTuple):
    """Tracks that are proposed to be one part.

    Attributes:
        tracks: their indices, ascending.
        probability: that of the least probable pair that was joined; 1 for a single track.
    """

    tracks: list[int]
    probability: float


def groups_of(outlines: Outlines, threshold: float = THRESHOLD) -> list[Group]:
    """Groups of tracks that are proposed to be one part each, in the order of their first tracks.

    The most probable pair is joined first, and its outline replaces the two, so that later pairs
    are compared with all that has been joined.

    Args:
        outlines: one row per track.
        threshold: pairs with a lower probability are not joined.
    """
    groups = [Group([number], 1.0) for number in range(len(outlines.sounds))]
    while len(groups) > 1:
        shares = probabilities(outlines)
        first, second = sorted(divmod(int(shares.argmax()), len(groups)))
        share = float(shares[first, second])
        if share < threshold:
            break
        outlines = outlines.join(first, second)
        one, other = groups[first], groups.pop(second)
        lowest = min(share, one.probability, other.probability)
        groups[first] = Group(sorted(one.tracks + other.tracks), lowest)
    return groups


def _sounds(start: np.ndarray, length: np.ndarray, cells: int) -> np.ndarray:
    """``(cells,)`` bool; a note sounds in a cell if it covers more than half of it."""
    first = np.floor(start * _CELLS + 0.5).astype(int)
    last = np.maximum(np.floor((start + length) * _CELLS + 0.5).astype(int), first + 1)
    change = np.bincount(np.minimum(first, cells - 1), minlength=cells + 1).astype(int)
    change -= np.bincount(np.minimum(last, cells), minlength=cells + 1)
    return np.cumsum(change)[:cells] > 0


def _patterns(track: Track, score: Score) -> set[int]:
    """Hashes of the track's measures: onsets and pitches of at least two notes."""
    measure = np.searchsorted(score.measures, track.start_beat + 1e-6, side="right") - 1
    step = np.round((track.start_beat - score.measures[measure]) * _ONSETS).astype(int)
    keys = (step * 128 + track.pitch).tolist()
    bounds = np.flatnonzero(np.diff(measure, prepend=-1, append=len(score.measures)))
    spans = zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    return {hash(tuple(keys[begin:end])) for begin, end in spans if end - begin > 1}


def joins(sounds: np.ndarray) -> np.ndarray:
    """How often a passage of one track begins where one of another ends, in either order.

    A passage is preceded and followed by two quarter notes of silence. The other begins in the
    quarter note in which it ends, or in one of the next two.

    Args:
        sounds: ``(tracks, cells)`` bool, four cells per quarter note.

    Returns:
        ``(tracks, tracks)``, symmetric.
    """
    beats = sounds[:, : sounds.shape[1] // _CELLS * _CELLS]
    beats = beats.reshape(len(sounds), -1, _CELLS).any(axis=2)
    padded = np.pad(beats, ((0, 0), (2, 2)))
    quiet_before = ~(padded[:, 1:-3] | padded[:, :-4])
    quiet_after = ~(padded[:, 3:-1] | padded[:, 4:])
    begins, ends = beats & quiet_before, beats & quiet_after
    after = np.pad(ends, ((0, 0), (1, 1)))
    near = ends | after[:, :-2]
    near[:, 2:] |= ends[:, :-2]
    follows = near.astype(np.float32) @ begins.T.astype(np.float32)
    return follows + follows.T


def _similarity(counts: np.ndarray) -> np.ndarray:
    """Bhattacharyya coefficients of the rows' distributions."""
    root = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    return root @ root.T


def _smoothed(pitches: np.ndarray) -> np.ndarray:
    """Counts per pitch, spread over two semitones to each side."""
    padded = np.pad(pitches, ((0, 0), (2, 2))).astype(float)
    weights = (1, 2, 3, 2, 1)
    return sum(w * padded[:, shift : shift + 128] for shift, w in enumerate(weights))


def _agreement(logs: np.ndarray) -> np.ndarray:
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.log(np.maximum(shares @ shares.T, 1e-3) * shares.shape[1])
