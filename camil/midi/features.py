"""Hand-crafted features of segments, of tracks, and of tracks among the others of their song.

They describe register, note lengths, rhythm, chords and melody. All segments are computed together,
and each segment's values depend only on its own notes. Velocities are not used: they depend more
on the person who made the file than on the instrument.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from camil.midi.groups import Groups, mean_and_deviation
from camil.midi.segments import SEGMENT_STEPS, STEPS_PER_QUARTER

MEASURE = SEGMENT_STEPS // 2  # steps, in 4/4
CHUNK = 10_000  # segments per pass of `_polyphony`, which needs (segments, 193) integers
TRACK = ["song", "track"]  # the columns that identify a track
# The features by which a track is compared with the other tracks of its song.
COMPARED = (
    "pitch_min", "pitch_median", "pitch_max", "pitch_range", "onsets", "sounding", "polyphony",
    "length_median", "melody_step",
)  # fmt: skip


def segment_features(segments: pa.Table) -> pd.DataFrame:
    """Register, lengths, rhythm, chords and melody of each segment, one row per segment.

    Pitches are MIDI note numbers and intervals semitones; lengths and times are in 24ths of a
    quarter note; shares lie between 0 and 1. A value that a segment does not have (the intervals of
    a single onset) is NaN.

    Args:
        segments: rows of ``segments.parquet`` with the lists pitch, step and length.

    Returns:
        ``(segments, 51)``, integers and float64.

    Raises:
        ValueError: if a segment has no note.
    """
    notes = _Notes.of(segments)
    parts = _register(notes), _lengths(notes), _rhythm(notes), _chords(notes), _melody(notes)
    return pd.DataFrame({name: values for part in parts for name, values in part.items()})


def track_features(features: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of the features of a track's segments, and their number.

    Args:
        features: features per segment, from `segment_features`.
        segments: ``song`` and ``track`` of the same rows.

    Returns:
        One row per track, ``(tracks, 105)``, indexed by song and track and sorted by both; the
        standard deviation (``_spread``) of a single segment is 0.
    """
    by_track = features.groupby([segments[name].to_numpy() for name in TRACK])
    index = by_track.size().rename_axis(TRACK).index
    group = by_track.ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    of_track = Groups.of(group[order])
    mean, spread = mean_and_deviation(features.to_numpy(np.float64)[order], of_track.count)
    spread_names = [f"{name}_spread" for name in features.columns]
    result = pd.DataFrame(
        np.concatenate([mean, spread], axis=1), index, [*features.columns, *spread_names]
    )
    result["segments"] = of_track.count
    result["pitch_lowest"] = of_track.least(features["pitch_min"].to_numpy()[order])
    result["pitch_highest"] = of_track.most(features["pitch_max"].to_numpy()[order])
    return result


def song_features(tracks: pd.DataFrame) -> pd.DataFrame:
    """Features of each track, with its rank and distance among the tracks of its song.

    A rank is 0 for the lowest and 1 for the highest value in the song (0.5 for a single track). A
    distance is the difference from the mean of the song's tracks, in the feature's unit. The
    instruments of the other tracks are not used.

    Args:
        tracks: features per track, from `track_features`.

    Returns:
        ``(tracks, 124)``: the columns of ``tracks``, ranks, distances and the number of tracks.
    """
    compared = tracks[list(COMPARED)]
    by_song = compared.groupby(level="song")
    count = by_song["pitch_min"].transform("size")
    rank = by_song.rank().sub(1).div((count - 1).clip(lower=1), axis=0)
    rank[count == 1] = 0.5
    of_song = Groups.of(by_song.ngroup().to_numpy())
    mean, _ = mean_and_deviation(compared.to_numpy(np.float64), of_song.count)
    distance = compared - np.repeat(mean, of_song.count, axis=0)
    result = tracks.join(rank.add_suffix("_rank")).join(distance.add_suffix("_distance"))
    return result.assign(tracks=count)


@dataclass
class _Notes:
    """All notes, sorted by segment, step and pitch: arrays ``(notes,)``."""

    pitch: np.ndarray
    step: np.ndarray
    length: np.ndarray
    segment: np.ndarray
    in_segment: Groups

    @classmethod
    def of(cls, segments: pa.Table) -> "_Notes":
        columns = [segments[name].combine_chunks() for name in ("pitch", "step", "length")]
        count = np.diff(columns[0].offsets.to_numpy())
        if not len(count) or not count.all():
            empty = np.flatnonzero(count == 0)[:1].tolist()
            where = f"row {empty[0]} has no notes" if empty else "there are no rows"
            raise ValueError(f"features need segments with at least one note: {where}")
        segment = np.repeat(np.arange(len(count)), count)
        pitch, step, length = (column.flatten().to_numpy().astype(int) for column in columns)
        order = np.lexsort((pitch, step, segment))
        return cls(pitch[order], step[order], length[order], segment[order], Groups.of(segment))


def _register(notes: _Notes) -> dict[str, np.ndarray]:
    pitch, group = notes.pitch, notes.in_segment
    names = [f"pitch_{name}" for name in ("10", "25", "median", "75", "90")]
    quantiles = group.quantiles(pitch, (0.1, 0.25, 0.5, 0.75, 0.9))
    least, most = group.least(pitch), group.most(pitch)
    return {
        "notes": group.count,
        "pitch_min": least,
        **dict(zip(names, quantiles, strict=True)),
        "pitch_max": most,
        "pitch_mean": group.mean(pitch),
        "pitch_deviation": group.spread(pitch),
        "pitch_range": most - least,
        "pitches": group.distinct(pitch),
        "pitch_classes": group.distinct(pitch % 12),
    }


def _lengths(notes: _Notes) -> dict[str, np.ndarray]:
    length, group = notes.length, notes.in_segment
    lower, median, upper = group.quantiles(length, (0.25, 0.5, 0.75))
    return {
        "length_min": group.least(length),
        "length_25": lower,
        "length_median": median,
        "length_75": upper,
        "length_max": group.most(length),
        "length_mean": group.mean(length),
        "length_deviation": group.spread(length),
        "lengths": group.distinct(length),
        "short": group.mean(length <= STEPS_PER_QUARTER // 4),
        "long": group.mean(length >= 2 * STEPS_PER_QUARTER),
    }


def _rhythm(notes: _Notes) -> dict[str, np.ndarray]:
    """Onset positions and intervals, and the share of the first measure that the second repeats."""
    onset = _onsets(notes)
    in_quarter = notes.step[onset.first] % STEPS_PER_QUARTER
    segment = notes.segment[onset.first]
    group = Groups.of(segment)
    begin = notes.step[onset.first]
    apart = _Steps.of(begin, segment)
    again = np.unique((notes.segment * 128 + notes.pitch) * SEGMENT_STEPS + notes.step)
    later = (again % SEGMENT_STEPS < MEASURE) & np.isin(again + MEASURE, again)
    repeated = np.bincount(again[later] // SEGMENT_STEPS // 128, minlength=len(group.count))
    return {
        "onsets": group.count,
        "on_beat": group.mean(in_quarter == 0),
        "on_eighth": group.mean(in_quarter == 12),
        "on_sixteenth": group.mean((in_quarter == 6) | (in_quarter == 18)),
        "on_triplet": group.mean((in_quarter == 8) | (in_quarter == 16)),
        "first_onset": group.least(begin),
        "onset_steps": group.distinct(begin % MEASURE),
        "apart_min": apart.of_all(apart.group.least(apart.size)),
        "apart_median": apart.of_all(apart.group.quantile(apart.size, 0.5)),
        "apart_deviation": apart.of_all(apart.group.spread(apart.size)),
        "repeated": 2 * repeated / notes.in_segment.count,
    }


def _chords(notes: _Notes) -> dict[str, np.ndarray]:
    """The number of notes that sound together, and of those that begin together."""
    onset = _onsets(notes)
    group = Groups.of(notes.segment[onset.first])
    size = onset.count
    span = onset.most(notes.pitch) - onset.least(notes.pitch)
    sounding, mean, most = _polyphony(notes)
    return {
        "sounding": sounding,
        "polyphony": mean,
        "polyphony_max": most,
        "chords": group.mean(size > 1),
        "chord_size": group.mean(size),
        "chord_size_max": group.most(size),
        "chord_span": group.mean(span),
        "chord_span_max": group.most(span),
    }


def _melody(notes: _Notes) -> dict[str, np.ndarray]:
    """Intervals from onset to onset of the highest and of the lowest notes."""
    onset = _onsets(notes)
    segment = notes.segment[onset.first]
    top = _Steps.of(onset.most(notes.pitch), segment)
    bottom = _Steps.of(onset.least(notes.pitch), segment)
    apart = _Steps.of(notes.step[onset.first], segment)
    # The share of the time to the next onset for which a note is held; above 1 the notes overlap.
    held = np.minimum(onset.most(notes.length)[:-1][apart.inside] / apart.size, 2)
    jump = np.abs(top.size)
    return {
        "melody_step": top.of_all(top.group.mean(jump)),
        "melody_repeats": top.of_all(top.group.mean(jump == 0)),
        "melody_seconds": top.of_all(top.group.mean((jump == 1) | (jump == 2))),
        "melody_leaps": top.of_all(top.group.mean(jump > 4)),
        "melody_octaves": top.of_all(top.group.mean(jump == 12)),
        "melody_up": top.of_all(top.group.mean(top.size > 0)),
        "bass_step": bottom.of_all(bottom.group.mean(np.abs(bottom.size))),
        "held": apart.of_all(apart.group.mean(held)),
        "legato": apart.of_all(apart.group.mean(held >= 1)),
    }


def _onsets(notes: _Notes) -> Groups:
    """Groups of the notes that begin together."""
    return Groups.of(notes.segment * SEGMENT_STEPS + notes.step)


@dataclass
class _Steps:
    """Differences between successive values of a segment; a single value has none."""

    size: np.ndarray  # (differences,)
    inside: np.ndarray  # (values - 1,) bool, True if two neighbours are of one segment
    group: Groups
    segments: np.ndarray  # (groups,), the segment of each group
    total: int  # number of segments

    @classmethod
    def of(cls, values: np.ndarray, segment: np.ndarray) -> "_Steps":
        inside = segment[1:] == segment[:-1]
        size, of = np.diff(values)[inside], segment[1:][inside]
        group = Groups.of(of)
        return cls(size, inside, group, of[group.first], int(segment[-1]) + 1)

    def of_all(self, values: np.ndarray) -> np.ndarray:
        """Values per group as values per segment; NaN for a segment without differences."""
        filled = np.full(self.total, np.nan)
        filled[self.segments] = values
        return filled


def _polyphony(notes: _Notes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of the time in which a note sounds, and the mean and maximum number in that time."""
    found = []
    edges = np.searchsorted(notes.segment, np.arange(0, notes.segment[-1] + 1 + CHUNK, CHUNK))
    for first, last in itertools.pairwise(edges):
        part = slice(first, last)
        row = notes.segment[part] - notes.segment[first]
        sounds = np.zeros((row[-1] + 1, SEGMENT_STEPS + 1), np.int32)
        np.add.at(sounds, (row, notes.step[part]), 1)
        end = np.minimum(notes.step[part] + notes.length[part], SEGMENT_STEPS)
        np.add.at(sounds, (row, end), -1)
        sounds = sounds.cumsum(axis=1)[:, :SEGMENT_STEPS]
        time = (sounds > 0).sum(axis=1)
        found.append((time / SEGMENT_STEPS, sounds.sum(axis=1) / time, sounds.max(axis=1)))
    sounding, mean, most = (np.concatenate(values) for values in zip(*found, strict=True))
    return sounding, mean, most
