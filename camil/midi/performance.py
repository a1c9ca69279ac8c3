"""Performance features of whole tracks: touch, timing, gestures, and relations to other tracks.

Two measures on a grid of 24ths of a quarter note lack dynamics, exact timing and bends, and do not
show whether a part doubles another or coincides with the drums. These features are computed from
the whole tracks of a file, including repeats, and not from their programs. Drums are known by their
channel.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from camil.midi.score import Score, Track
from camil.midi.segments import STEPS_PER_QUARTER

# Features of a single part. Lengths are in seconds, positions are shares of the song, and `off_` is
# the distance from the grid in steps of the grid.
OWN = (
    "velocity", "velocity_deviation", "velocity_lowest", "velocity_highest", "velocities",
    "off_grid", "off_sixteenth", "end_off_grid", "end_before_grid",
    "seconds_10", "seconds_50", "seconds_90", "notes", "first", "last", "active", "beats",
    "bends", "bend_spread", "bends_up", "bends_down", "pressure",
    "modulation", "modulation_mean", "expression", "expression_mean", "sustain", "sustain_mean",
)  # fmt: skip
# Relations to the other parts of the song. Shares are between 0 and 1, distances in semitones.
AMONG = (
    "share", "others", "drum_rate", "with_kick", "kicks_met", "with_snare", "snares_met",
    "with_hat", "hats_met", "lowest", "highest", "alone", "sounding", "together_most",
    "together_mean", "met_most", "unison", "octaves", "unisons", "doublings", "fits", "distance",
)  # fmt: skip

_GRID = 12  # cells per quarter note, in which parts are compared
_LONGEST = 16 * _GRID  # cells, the largest length of a note
_PITCHES = 128
_KICK, _SNARE, _HAT = (35, 36), (37, 38, 39, 40), (42, 44, 46)
_CONTROLS = {"modulation": 1, "expression": 11, "sustain": 64}
_BENT = 100  # pitch bend, of 8192; a pitch wheel at rest stays below


def performance(score: Score) -> NDArray[np.float32]:
    """All performance features of a score's tracks.

    Returns:
        ``(tracks, len(OWN) + len(AMONG))`` float32, in the order of the tracks.
    """
    return np.concatenate([own_features(score), among_features(score)], axis=1)


def performance_of(segments: pa.Table) -> pd.DataFrame:
    """The performance features that a corpus has of its tracks.

    Args:
        segments: rows of ``segments.parquet``; the column ``whole`` of a track's first row has the
            features. They are NaN if the corpus was built without ``whole_tracks``.

    Returns:
        One row per track in the order of the corpus, indexed by song and track, float32.
    """
    about = segments.select(["song", "track"]).to_pandas()
    first = np.flatnonzero(~about.duplicated())
    known = segments["whole"].take(first).to_pylist() if "whole" in segments.column_names else []
    names = [*(f"own_{name}" for name in OWN), *(f"among_{name}" for name in AMONG)]
    missing = [np.nan] * len(names)
    rows = np.array([one or missing for one in known or [None] * len(first)], np.float32)
    return pd.DataFrame(rows, pd.MultiIndex.from_frame(about.iloc[first]), names)


def own_features(score: Score) -> NDArray[np.float32]:
    """Touch, timing and gestures of each part.

    Gestures are the events of the part's channel per note of the part, as log(1 + x): pitch bends,
    channel pressure, and the controllers modulation (1), expression (11) and sustain (64).

    Returns:
        ``(tracks, len(OWN))`` float32; NaN where undefined.
    """
    gestures = _gestures(score)
    end = score.measures[-1]
    rows = [
        [*_touch(track), *_timing(track), *_extent(track, end)]
        + [_rate(value, track) if counts else value for counts, value in gestures[track.channel]]
        for track in score.tracks
    ]
    return np.array(rows, np.float32).reshape(len(rows), len(OWN))


def among_features(score: Score) -> NDArray[np.float32]:
    """Relations of each part to the others.

    ``share`` is the part's share of the song's notes. ``with_kick`` is the share of the part's
    onsets that coincide with the bass drum, ``kicks_met`` the share of the drum's hits that
    coincide with the part; likewise for snare and hi-hat. ``lowest``, ``highest`` and ``alone`` are
    shares of the time in which the part sounds; ``sounding`` is the mean number of parts in that
    time. ``together`` is the share of the part's onsets that another part has as well, ``met`` the
    share of the other part's onsets. ``unison`` and ``octaves`` are the shares of notes with the
    same pitch or its octaves in the part that doubles it most; ``unisons`` and ``doublings`` count
    the parts that double more than half of it. ``fits`` is the share of notes whose pitch class
    begins in another part at the same time. ``distance`` is the median distance above the part with
    which it shares most onsets.

    Returns:
        ``(tracks, len(AMONG))`` float32; NaN for drums and for a part without others.
    """
    drums = [track for track in score.tracks if track.is_drum]
    parts = [track for track in score.tracks if not track.is_drum]
    result = np.full((len(score.tracks), len(AMONG)), np.nan, np.float32)
    if not parts:
        return result
    total = sum(len(track.pitch) for track in score.tracks)
    hits = sum(len(track.pitch) for track in drums) / score.measures[-1]
    onsets = [_distinct(_cells(track.start_beat)) for track in parts]
    struck = [_hits(drums, sounds) for sounds in (_KICK, _SNARE, _HAT)]
    columns = [
        [[len(track.pitch) / total, len(parts) - 1, hits] for track in parts],
        [_drummed(onset, struck) for onset in onsets],
        _standing(parts, int(_cells(score.measures[-1])) + 1),
        _doubled(parts),
    ]
    pitched = [index for index, track in enumerate(score.tracks) if not track.is_drum]
    result[pitched] = np.concatenate(columns, axis=1)
    return result


def _touch(track: Track) -> list[float]:
    velocity = track.velocity
    spread = velocity.std(), velocity.min(), velocity.max()
    return [velocity.mean(), *spread, len(_distinct(velocity))]


def _timing(track: Track) -> list[float]:
    begin, end = track.start_beat * STEPS_PER_QUARTER, track.end_beat * STEPS_PER_QUARTER
    length = end - begin
    off_end = length - np.round(length)
    lengths = np.quantile(track.end_seconds - track.start_seconds, (0.1, 0.5, 0.9))
    sixteenth = begin / 6
    return [
        np.abs(begin - np.round(begin)).mean(),
        np.abs(sixteenth - np.round(sixteenth)).mean(),
        np.abs(off_end).mean(),
        (off_end < -0.05).mean(),
        *lengths,
    ]


def _extent(track: Track, end: float) -> list[float]:
    beats = len(_distinct(np.floor(track.start_beat)))
    first, last = track.start_beat[0] / end, track.end_beat.max() / end
    return [np.log(len(track.pitch)), first, last, beats / end, end]


def _gestures(score: Score) -> dict[int, list[tuple[bool, float]]]:
    """Per channel, pairs: whether a value is a count, and the value."""
    events, found = score.events, {}
    kind, channel = events.status & 0xF0, events.status & 0x0F
    for number in {track.channel for track in score.tracks}:
        on_channel = channel == number
        bent = on_channel & (kind == 0xE0)
        bend = events.first[bent] + 128.0 * events.second[bent] - 8192
        values = [(True, len(bend)), (False, bend.std() if len(bend) else 0.0)]
        values += [(False, (sign * bend > _BENT).mean() if len(bend) else 0.0) for sign in (1, -1)]
        values.append((True, int((on_channel & (kind == 0xD0)).sum())))
        for control in _CONTROLS.values():
            sent = events.second[on_channel & (kind == 0xB0) & (events.first == control)]
            values += [(True, len(sent)), (False, sent.mean() if len(sent) else np.nan)]
        found[number] = values
    return found


def _rate(count: float, track: Track) -> float:
    return np.log1p(count / len(track.pitch))


def _cells(beats) -> np.ndarray:
    return np.floor(np.asarray(beats) * _GRID + 0.5).astype(np.int64)


def _distinct(values: np.ndarray) -> np.ndarray:
    """The different values, ascending; faster than `numpy.unique` for the lengths of tracks."""
    ascending = np.sort(values)
    return ascending[np.append(len(values) > 0, ascending[1:] != ascending[:-1])[: len(values)]]


def _hits(drums: list[Track], sounds: tuple[int, ...]) -> np.ndarray:
    hits = [_cells(track.start_beat[np.isin(track.pitch, sounds)]) for track in drums]
    return _distinct(np.concatenate([*hits, np.zeros(0, np.int64)]))


def _drummed(onsets: np.ndarray, struck: list[np.ndarray]) -> list[float]:
    values = []
    for hits in struck:
        met = len(np.intersect1d(onsets, hits, assume_unique=True))
        values += [met / len(onsets), met / len(hits)] if len(hits) else [np.nan, np.nan]
    return values


def _standing(parts: list[Track], cells: int) -> np.ndarray:
    """The features lowest, highest, alone and sounding: ``(parts, 4)``."""
    lowest, highest = np.full(cells, _PITCHES), np.full(cells, -1)
    count, lines = np.zeros(cells, np.int64), []
    for track in parts:
        low, high = _outline(track, cells)
        sounds = high >= 0
        np.minimum(lowest, low, out=lowest)
        np.maximum(highest, high, out=highest)
        count += sounds
        cell = np.flatnonzero(sounds)
        lines.append((cell, low[cell], high[cell]))
    return np.array(
        [
            [
                (low <= lowest[cell]).mean(),
                (high >= highest[cell]).mean(),
                (count[cell] == 1).mean(),
                count[cell].mean(),
            ]
            for cell, low, high in lines
        ]
    )


def _outline(track: Track, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest sounding pitch in each cell; 128 and -1 in silence."""
    begin = np.minimum(_cells(track.start_beat), cells - 1)
    length = np.clip(_cells(track.end_beat) - begin, 1, np.minimum(_LONGEST, cells - begin))
    cell = np.repeat(begin - np.cumsum(length) + length, length) + np.arange(length.sum())
    pitch = np.repeat(track.pitch, length)
    low, high = np.full(cells, _PITCHES), np.full(cells, -1)
    np.minimum.at(low, cell, pitch)
    np.maximum.at(high, cell, pitch)
    return low, high


def _doubled(parts: list[Track]) -> np.ndarray:
    """The features from together_most to distance: ``(parts, 9)``."""
    cells = [_cells(track.start_beat) for track in parts]
    pitches = [track.pitch for track in parts]
    both = _shared(cells)
    same = _shared([cell * _PITCHES + pitch for cell, pitch in zip(cells, pitches, strict=True)])
    classes = [cell * 12 + pitch % 12 for cell, pitch in zip(cells, pitches, strict=True)]
    octaves = _shared(classes)
    distinct = np.concatenate([_distinct(one) for one in classes])
    distinct.sort()
    common = _distinct(distinct[1:][distinct[1:] == distinct[:-1]])
    rows = []
    for number in range(len(parts)):
        other = np.arange(len(parts)) != number
        if not other.any():
            rows.append([np.nan] * 9)
            continue
        own_share, other_share = both[number] / both[number, number], both[number] / both.diagonal()
        unison = same[number] / same[number, number]
        double = octaves[number] / octaves[number, number]
        fits = np.isin(classes[number], common)
        rows.append(
            [
                own_share[other].max(),
                own_share[other].mean(),
                other_share[other].max(),
                unison[other].max(),
                (double - unison)[other].max(),
                (unison[other] > 0.5).sum(),
                (double[other] > 0.5).sum(),
                fits.mean(),
                _distance(cells, pitches, number, int(np.argmax(np.where(other, own_share, -1)))),
            ]
        )
    return np.array(rows, float)


def _shared(keys: list[np.ndarray]) -> np.ndarray:
    """The number of different keys that each two lists have in common: ``(lists, lists)``."""
    distinct = [_distinct(one) for one in keys]
    _, column = np.unique(np.concatenate(distinct), return_inverse=True)
    bounds = np.append(0, np.cumsum([len(one) for one in distinct]))
    present = csr_array((np.ones(len(column)), column, bounds))
    return (present @ present.T).toarray()


def _distance(cells: list[np.ndarray], pitches: list[np.ndarray], part: int, other: int) -> float:
    """The median distance of the highest notes where both parts have an onset."""
    tops = []
    for number in (part, other):
        order = np.lexsort((pitches[number], cells[number]))
        cell = cells[number][order]
        last = np.append(cell[1:] != cell[:-1], True)
        tops.append((cell[last], pitches[number][order][last]))
    (part_at, part_top), (other_at, other_top) = tops
    _, at_part, at_other = np.intersect1d(
        part_at, other_at, assume_unique=True, return_indices=True
    )
    return float(np.median(part_top[at_part] - other_top[at_other])) if len(at_part) else np.nan
