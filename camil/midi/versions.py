"""Which MIDI files are versions of one song, told by their notes alone.

A song is sketched by its melodic lines: of each track the highest note at each onset, as intervals
from note to note. Intervals do not change when a song is transposed, moved, played at another tempo
or saved with another resolution. Runs of intervals are hashed, and the smallest hashes kept; the
share of equal ones among the smallest of two songs estimates how many runs the songs have in
common (Broder, 1997).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from camil.midi.score import Score, Track

RUN = 10  # intervals hashed together
KEPT = 64  # hashes of a song
DISTINCT = 4  # different intervals a run must have: scales and repeated notes are nobody's own
ALIKE = 0.1  # share of runs from which two files are versions of a song; see docs/preprocessing.md
FEW = 8  # songs with fewer runs than this are compared as a whole only


def sketch_of(score: Score) -> list[int]:
    """The smallest hashes of a song's runs of intervals: at most 64, ascending; none without notes
    other than drums."""
    lines = [_line(track) for track in score.tracks if not track.is_drum]
    hashes = np.unique(np.concatenate([*map(_runs, lines), np.empty(0, np.uint64)]))
    if not len(hashes) and lines:  # nothing of its own: known again only as a whole
        hashes = _hash(np.concatenate(lines)[None])
    return hashes[:KEPT].tolist()


def groups_of(sketches: Mapping[str, Sequence[int]], alike: float = ALIKE) -> dict[str, str]:
    """Join files whose sketches are alike, and files that are both like a third.

    Args:
        sketches: of each file, from `sketch_of`. An empty one is like no other.
        alike: the share of runs in common that makes two files versions of one song.

    Returns:
        Of each file, the name of the first of its group.
    """
    names = sorted(sketches)
    kept = [np.array(sketches[name][:KEPT], np.uint64) for name in names]
    parent = np.arange(len(names))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in _candidates(kept):
        if root(a) != root(b) and _share(kept[a], kept[b]) >= alike:
            first, second = sorted((root(a), root(b)))
            parent[second] = first
    return {name: names[root(i)] for i, name in enumerate(names)}


def _line(track: Track) -> np.ndarray:
    """Intervals between the highest notes at successive onsets, in semitones."""
    last = np.append(np.diff(track.start_beat) > 0, True)  # notes are sorted by start and pitch
    return np.diff(track.pitch[last])


def _runs(line: np.ndarray) -> np.ndarray:
    if len(line) < RUN:
        return np.empty(0, np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(line, RUN)
    ordered = np.sort(runs, axis=1)
    distinct = 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)
    return _hash(runs[distinct >= DISTINCT])


def _hash(runs: np.ndarray) -> np.ndarray:
    """A well mixed number for each row."""
    mixed = np.zeros(len(runs), np.uint64)
    for column in runs.T:
        mixed = (mixed ^ (column + 128).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)


def _candidates(kept: list[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs that have a hash in common. Of the files that share one, in order, each is paired with
    the next and the first only, so that a tune in every tenth file does not cost its square."""
    hashes = np.concatenate([*kept, np.empty(0, np.uint64)])
    owner = np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    again = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    begins = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
    first = begins[np.searchsorted(begins, again, side="right") - 1]
    count = max(len(kept), 1)
    pairs = np.concatenate(
        [owner[again - 1] * count + owner[again], owner[first] * count + owner[again]]
    )
    return [divmod(pair, count) for pair in np.unique(pairs).tolist()]


def _share(a: np.ndarray, b: np.ndarray) -> float:
    """The estimated share of runs that two songs have in common, of all runs they have."""
    if min(len(a), len(b)) < FEW:
        return float(np.array_equal(a, b))
    smallest = np.union1d(a, b)[:KEPT]
    return float(np.isin(smallest, a).astype(int) @ np.isin(smallest, b).astype(int)) / len(
        smallest
    )
