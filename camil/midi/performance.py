"""How whole parts are played: touch, timing, gestures, and what a part does among the others.

Two measures on a grid of 24ths do not tell how loud, how exact and how bent a part is played, nor
whether it doubles another or falls in with the drums. Everything here is read from whole tracks of
a file, repeats and all, and nothing from their programs. Drums are known by their channel.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from camil.midi.score import Score, Track
from camil.midi.segments import STEPS_PER_QUARTER

# Of a part by itself. Lengths are seconds, places shares of the song, `off_` steps of the grid.
OWN = (
    "velocity", "velocity_deviation", "velocity_lowest", "velocity_highest", "velocities",
    "off_grid", "off_sixteenth", "end_off_grid", "end_before_grid",
    "seconds_10", "seconds_50", "seconds_90", "notes", "first", "last", "active", "beats",
    "bends", "bend_spread", "bends_up", "bends_down", "pressure",
    "modulation", "modulation_mean", "expression", "expression_mean", "sustain", "sustain_mean",
)  # fmt: skip
# Among the other parts of the song. Shares lie between 0 and 1, distances are semitones.
AMONG = (
    "share", "others", "drum_rate", "with_kick", "kicks_met", "with_snare", "snares_met",
    "with_hat", "hats_met", "lowest", "highest", "alone", "sounding", "together_most",
    "together_mean", "met_most", "unison", "octaves", "unisons", "doublings", "fits", "distance",
)  # fmt: skip

_GRID = 12  # cells a quarter note, on which parts are compared
_LONGEST = 16 * _GRID  # cells: notes held longer count as so long
_PITCHES = 128
_KICK, _SNARE, _HAT = (35, 36), (37, 38, 39, 40), (42, 44, 46)
_CONTROLS = {"modulation": 1, "expression": 11, "sustain": 64}
_BENT = 100  # of 8192: what a bend wheel at rest does not reach


def performance(score: Score) -> NDArray[np.float32]:
    """All of it: `(tracks, len(OWN) + len(AMONG))`, in the order of the score's tracks."""
    return np.concatenate([own_features(score), among_features(score)], axis=1)


def performance_of(segments: pa.Table) -> pd.DataFrame:
    """The same of the tracks of a corpus, in its order, indexed by song and track.

    Args:
        segments: rows of `segments.parquet`; the first of a track tells. Where none does, because
            nobody asked for whole tracks, all is NaN.
    """
    about = segments.select(["song", "track"]).to_pandas()
    first = np.flatnonzero(~about.duplicated())
    told = segments["whole"].take(first).to_pylist() if "whole" in segments.column_names else []
    names = [*(f"own_{name}" for name in OWN), *(f"among_{name}" for name in AMONG)]
    silent = [np.nan] * len(names)
    rows = np.array([one or silent for one in told or [None] * len(first)], np.float32)
    return pd.DataFrame(rows, pd.MultiIndex.from_frame(about.iloc[first]), names)


def own_features(score: Score) -> NDArray[np.float32]:
    """Touch, timing and gestures of each part: `(tracks, len(OWN))`; NaN where there is none.

    Gestures are those of the part's channel, for each note of the part (as log(1 + x)): bends of
    pitch, pressure on the key, and the controllers modulation (1), expression (11), sustain (64).
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
    """What each part does while others play: `(tracks, len(AMONG))`; NaN for one without others.

    `share` is of the song's notes; `with_kick` the share of the part's onsets that meet one of the
    drum, `kicks_met` the share of its hits that are met. Of the time in which the part sounds it is
    the `lowest`, the `highest` or `alone`, and `sounding` parts play on the mean. `together` is the
    share of its onsets that another part has too, `met` the share of the other's; `unison` and
    `octaves` count those of the same pitch and of its octaves in the part that doubles it most,
    `unisons` and `doublings` how many parts double more than half of it. `fits` is the share of
    notes whose pitch class another part begins with them; `distance` is the median of what it lies
    above the part that it has most onsets with.
    """
    drums = [track for track in score.tracks if track.is_drum]
    parts = [track for track in score.tracks if not track.is_drum]
    result = np.full((len(score.tracks), len(AMONG)), np.nan, np.float32)
    if not parts:
        return result
    total = sum(len(track.pitch) for track in score.tracks)
    hits = sum(len(track.pitch) for track in drums) / score.measures[-1]
    onsets = [np.unique(_cells(track.start_beat)) for track in parts]
    struck = [_hits(drums, sounds) for sounds in (_KICK, _SNARE, _HAT)]
    columns = [
        [[len(track.pitch) / total, len(parts) - 1, hits] for track in parts],
        [_drummed(onset, struck) for onset in onsets],
        _standing(parts, int(_cells(score.measures[-1])) + 1),
        _doubled(parts),
    ]
    places = [place for place, track in enumerate(score.tracks) if not track.is_drum]
    result[places] = np.concatenate(columns, axis=1)
    return result


def _touch(track: Track) -> list[float]:
    velocity = track.velocity
    spread = velocity.std(), velocity.min(), velocity.max()
    return [velocity.mean(), *spread, len(np.unique(velocity))]


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
    beats = len(np.unique(np.floor(track.start_beat)))
    first, last = track.start_beat[0] / end, track.end_beat.max() / end
    return [np.log(len(track.pitch)), first, last, beats / end, end]


def _gestures(score: Score) -> dict[int, list[tuple[bool, float]]]:
    """Of each channel: whether a value is a count, and the value."""
    events, found = score.events, {}
    kind, channel = events.status & 0xF0, events.status & 0x0F
    for number in {track.channel for track in score.tracks}:
        mine = channel == number
        bent = mine & (kind == 0xE0)
        bend = events.first[bent] + 128.0 * events.second[bent] - 8192
        values = [(True, len(bend)), (False, bend.std() if len(bend) else 0.0)]
        values += [(False, (sign * bend > _BENT).mean() if len(bend) else 0.0) for sign in (1, -1)]
        values.append((True, int((mine & (kind == 0xD0)).sum())))
        for control in _CONTROLS.values():
            told = events.second[mine & (kind == 0xB0) & (events.first == control)]
            values += [(True, len(told)), (False, told.mean() if len(told) else np.nan)]
        found[number] = values
    return found


def _rate(count: float, track: Track) -> float:
    return np.log1p(count / len(track.pitch))


def _cells(beats) -> np.ndarray:
    return np.floor(np.asarray(beats) * _GRID + 0.5).astype(np.int64)


def _hits(drums: list[Track], sounds: tuple[int, ...]) -> np.ndarray:
    hits = [_cells(track.start_beat[np.isin(track.pitch, sounds)]) for track in drums]
    return np.unique(np.concatenate([*hits, np.zeros(0, np.int64)]))


def _drummed(onsets: np.ndarray, struck: list[np.ndarray]) -> list[float]:
    values = []
    for hits in struck:
        met = len(np.intersect1d(onsets, hits, assume_unique=True))
        values += [met / len(onsets), met / len(hits)] if len(hits) else [np.nan, np.nan]
    return values


def _standing(parts: list[Track], cells: int) -> np.ndarray:
    """lowest, highest, alone, sounding: `(parts, 4)`."""
    lowest, highest = np.full(cells, _PITCHES), np.full(cells, -1)
    count, lines = np.zeros(cells, np.int64), []
    for track in parts:
        low, high = _outline(track, cells)
        sounds = high >= 0
        np.minimum(lowest, low, out=lowest)
        np.maximum(highest, high, out=highest)
        count += sounds
        place = np.flatnonzero(sounds)
        lines.append((place, low[place], high[place]))
    return np.array(
        [
            [
                (low <= lowest[place]).mean(),
                (high >= highest[place]).mean(),
                (count[place] == 1).mean(),
                count[place].mean(),
            ]
            for place, low, high in lines
        ]
    )


def _outline(track: Track, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest pitch that sounds in each cell."""
    begin = np.minimum(_cells(track.start_beat), cells - 1)
    length = np.clip(_cells(track.end_beat) - begin, 1, np.minimum(_LONGEST, cells - begin))
    cell = np.repeat(begin - np.cumsum(length) + length, length) + np.arange(length.sum())
    pitch = np.repeat(track.pitch, length)
    low, high = np.full(cells, _PITCHES), np.full(cells, -1)
    np.minimum.at(low, cell, pitch)
    np.maximum.at(high, cell, pitch)
    return low, high


def _doubled(parts: list[Track]) -> np.ndarray:
    """together_most ... distance: `(parts, 9)`."""
    cells = [_cells(track.start_beat) for track in parts]
    pitches = [track.pitch for track in parts]
    both = _shared(cells)
    same = _shared([cell * _PITCHES + pitch for cell, pitch in zip(cells, pitches, strict=True)])
    classes = [cell * 12 + pitch % 12 for cell, pitch in zip(cells, pitches, strict=True)]
    octaves = _shared(classes)
    distinct = np.concatenate([np.unique(one) for one in classes])
    keys, count = np.unique(distinct, return_counts=True)
    common = keys[count > 1]
    rows = []
    for number in range(len(parts)):
        other = np.arange(len(parts)) != number
        if not other.any():
            rows.append([np.nan] * 9)
            continue
        mine, theirs = both[number] / both[number, number], both[number] / both.diagonal()
        unison = same[number] / same[number, number]
        double = octaves[number] / octaves[number, number]
        fits = np.isin(classes[number], common)
        rows.append(
            [
                mine[other].max(),
                mine[other].mean(),
                theirs[other].max(),
                unison[other].max(),
                (double - unison)[other].max(),
                (unison[other] > 0.5).sum(),
                (double[other] > 0.5).sum(),
                fits.mean(),
                _distance(cells, pitches, number, int(np.argmax(np.where(other, mine, -1)))),
            ]
        )
    return np.array(rows, float)


def _shared(keys: list[np.ndarray]) -> np.ndarray:
    """How many different keys each two lists have in common: `(lists, lists)`."""
    distinct = [np.unique(one) for one in keys]
    _, column = np.unique(np.concatenate(distinct), return_inverse=True)
    bounds = np.append(0, np.cumsum([len(one) for one in distinct]))
    there = csr_array((np.ones(len(column)), column, bounds))
    return (there @ there.T).toarray()


def _distance(cells: list[np.ndarray], pitches: list[np.ndarray], mine: int, other: int) -> float:
    """Median of the highest notes' distance where both parts have an onset."""
    tops = []
    for number in (mine, other):
        order = np.lexsort((pitches[number], cells[number]))
        cell = cells[number][order]
        last = np.append(cell[1:] != cell[:-1], True)
        tops.append((cell[last], pitches[number][order][last]))
    (mine_at, mine_top), (other_at, other_top) = tops
    _, here, there = np.intersect1d(mine_at, other_at, assume_unique=True, return_indices=True)
    return float(np.median(mine_top[here] - other_top[there])) if len(here) else np.nan
