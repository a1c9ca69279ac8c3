"""Group MIDI files that are versions of one song, by their notes.

A song is described by its melodic lines: the highest note at each onset of each track, as intervals
between successive notes. Intervals do not change if a song is transposed, moved, played at another
tempo or saved with another resolution. Runs of intervals are hashed and the smallest hashes kept as
the song's *sketch*; the share of equal hashes among the smallest of two sketches estimates the
Jaccard index of the songs' runs (Broder, 1997).

Two files are alike if they share a tenth of their runs and the shared runs are about as many as a
phrase has, or half of all. Groups are joined in the order of similarity, and only if most pairs of
their files are alike: single linkage would chain unrelated songs through scales and jingles.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from camil.midi.score import Score, Track

RUN = 10  # intervals hashed together
KEPT = 64  # hashes per song
DISTINCT = 4  # different intervals in a run at least: repeated notes and trills are in many songs
ALIKE = 0.1  # share of runs from which two files are alike; see docs/preprocessing.md
LINKED = 0.5  # share of pairs of files that must be alike for two groups to be joined
RELATED = 0.5  # factor of `alike`: share of runs for pairs of files in two groups that are joined
COMPARED = 8  # files of a group that are compared with another group
PHRASE = 24  # shared runs at least, unless half of the runs are shared
FEW = 8  # songs with fewer runs than this are alike only if their runs are equal
NEIGHBOURS = 4  # files with a common hash are each compared with so many next ones
CHUNK = 20_000  # pairs compared at once

_END = np.uint64(2**64 - 1)


def sketch_of(score: Score) -> list[int]:
    """The smallest hashes of a song's runs of intervals.

    Returns:
        At most 64 integers, ascending. A song without distinctive runs has one hash of all its
        notes; a song with only drums, or whose tracks repeat single notes, has none.
    """
    tracks = [track for track in score.tracks if not track.is_drum]
    lines = [_line(track) for track in tracks]
    hashes = np.unique(np.concatenate([*map(_runs, lines), np.empty(0, np.uint64)]))
    if not len(hashes) and any(line.any() for line in lines):
        hashes = _hash(np.concatenate([_rhythm(track) for track in tracks] + lines)[None])
    return hashes[:KEPT].tolist()


def groups_of(sketches: Mapping[str, Sequence[int]], alike: float = ALIKE) -> dict[str, str]:
    """Group the files that are versions of one song.

    Args:
        sketches: sketch by file name, from `sketch_of`. An empty sketch is in no group.
        alike: share of common runs from which two files are alike.

    Returns:
        By file name, the name of the first file of its group.
    """
    names = sorted(sketches)
    table = np.full((len(names), KEPT), _END)
    for row, name in enumerate(names):
        hashes = sketches[name][:KEPT]
        table[row, : len(hashes)] = hashes
    pairs, shares = [], []
    for chunk in _candidates(table):
        share = _shares(table, *chunk.T)
        found = share >= alike
        pairs.append(chunk[found])
        shares.append(share[found])
    group = np.arange(len(names))
    if pairs:
        _link(table, np.concatenate(pairs), np.concatenate(shares), alike, group)
    return {name: names[first] for name, first in zip(names, group, strict=True)}


def _line(track: Track) -> np.ndarray:
    """Intervals between the highest notes at successive onsets, in semitones."""
    last = np.append(np.diff(track.start_beat) > 0, True)  # notes are sorted by start and pitch
    return np.diff(track.pitch[last])


def _rhythm(track: Track) -> np.ndarray:
    """Time between successive onsets in twelfths of the first one, at any tempo."""
    apart = np.diff(np.unique(track.start_beat))
    return np.rint(12 * apart / apart[0]).astype(np.int64) if len(apart) else apart.astype(np.int64)


def _runs(line: np.ndarray) -> np.ndarray:
    if len(line) < RUN:
        return np.empty(0, np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(line, RUN)
    ordered = np.sort(runs, axis=1)
    distinct = 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)
    return _hash(runs[distinct >= DISTINCT])


def _hash(runs: np.ndarray) -> np.ndarray:
    """A well mixed integer per row."""
    mixed = np.zeros(len(runs), np.uint64)
    for column in runs.T:
        mixed = (mixed ^ (column + 128).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)


def _candidates(table: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs of files with a common hash, ``(pairs, 2)`` at a time, each pair once.

    Files with the same hash are sorted by name, and each is paired with the next few only. The cost
    therefore does not grow with the square of the number of files that share a tune.
    """
    index = np.flatnonzero(table != _END)
    hashes = table.ravel()[index]
    order = np.argsort(hashes, kind="stable")
    hashes, file = hashes[order], index[order] // KEPT
    del index, order
    found = []
    for apart in range(1, NEIGHBOURS + 1):
        equal = np.flatnonzero(hashes[apart:] == hashes[:-apart])
        found.append(np.unique(file[equal] * len(table) + file[equal + apart]))
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    for begin in range(0, len(pairs), CHUNK):
        yield np.stack(np.divmod(pairs[begin : begin + CHUNK], len(table)), axis=1)


def _shares(table: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The estimated share of common runs of pairs of files, ``(pairs,)``; 0 if they are too few."""
    one, two = table[first], table[second]
    count = np.stack([(one != _END).sum(axis=1), (two != _END).sum(axis=1)])
    both = np.sort(np.concatenate([one, two], axis=1), axis=1)
    again = np.zeros(both.shape, bool)
    again[:, 1:] = (both[:, 1:] == both[:, :-1]) & (both[:, 1:] != _END)
    rank = np.cumsum(~again & (both != _END), axis=1)  # among the different hashes, from 1
    size = np.minimum(rank[:, -1], KEPT)
    common = (again & (rank <= KEPT)).sum(axis=1)
    share = common / np.maximum(size, 1)
    # The number of different runs of both files, from the largest of the smallest hashes.
    largest = np.where((rank == size[:, None]) & ~again, both, 0).max(axis=1)
    runs = np.where(rank[:, -1] < KEPT, rank[:, -1], size * (2.0**64 / np.maximum(largest, 1)))
    share[(share * runs < PHRASE) & (share < 0.5)] = 0
    few = count.min(axis=0) < FEW
    share[few] = (one[few] == two[few]).all(axis=1)
    return share


def _link(
    table: np.ndarray, pairs: np.ndarray, shares: np.ndarray, alike: float, group: np.ndarray
) -> None:
    """Join groups in the order of similarity; writes the first file of each group."""
    members: dict[int, list[int]] = {}
    for index in np.lexsort((pairs[:, 1], pairs[:, 0], -shares)):
        first, second = sorted(int(group[file]) for file in pairs[index])
        if first == second:
            continue
        one, two = members.get(first, [first]), members.get(second, [second])
        if len(one) + len(two) > 2:
            left, right = np.meshgrid(one[:COMPARED], two[:COMPARED])
            related = _shares(table, left.ravel(), right.ravel()) >= RELATED * alike
            if related.mean() < LINKED:
                continue
        members[first] = one + two
        members.pop(second, None)
        group[two] = first
