"""Hand-crafted features, against values counted by hand and slow loops."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from camil.midi import features
from camil.midi.features import segment_features, song_features, track_features


def table(*segments) -> pa.Table:
    """Segments as lists of (pitch, step, length)."""
    return pa.table(
        {
            name: [[note[i] for note in notes] for notes in segments]
            for i, name in enumerate(("pitch", "step", "length"))
        }
    )


def random_segments(count=40, seed=0):
    random = np.random.default_rng(seed)
    return [
        sorted(
            {
                (int(p), int(s)): (int(p), int(s), int(n))
                for p, s, n in zip(
                    random.integers(40, 80, size),
                    6 * random.integers(0, 32, size),
                    random.integers(1, 60, size),
                    strict=True,
                )
            }.values(),
            key=lambda note: (note[1], note[0]),
        )
        for size in random.integers(1, 30, count)
    ]


def test_features_of_a_tune_match_hand_counts():
    # C4 and E4 together, then G4, then C5 over the bar line: three onsets.
    tune = [(60, 0, 24), (64, 0, 24), (67, 24, 12), (72, 90, 12)]
    row = segment_features(table(tune)).iloc[0]
    expected = {
        "notes": 4, "pitch_min": 60, "pitch_median": 65.5, "pitch_max": 72, "pitch_range": 12,
        "pitch_mean": 65.75, "pitches": 4, "pitch_classes": 3,
        "length_median": 18, "length_mean": 18, "short": 0, "long": 0, "lengths": 2,
        "onsets": 3, "on_beat": 2 / 3, "on_sixteenth": 1 / 3, "on_eighth": 0, "first_onset": 0,
        "apart_min": 24, "apart_median": 45, "apart_deviation": 21,
        "sounding": 48 / 192, "polyphony": 72 / 48, "polyphony_max": 2,
        "chords": 1 / 3, "chord_size": 4 / 3, "chord_size_max": 2, "chord_span": 4 / 3,
        "chord_span_max": 4, "melody_step": 4, "melody_leaps": 1 / 2, "melody_up": 1,
        "bass_step": 6, "held": (24 / 24 + 12 / 66) / 2, "legato": 1 / 2, "repeated": 0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_quantiles_match_numpy_and_polyphony_matches_a_loop(monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 7)  # 40 segments in six pieces
    segments = random_segments()
    found = segment_features(table(*segments))
    for row, notes in zip(found.to_dict("records"), segments, strict=True):
        pitch, length = [n[0] for n in notes], [n[2] for n in notes]
        for share, name in ((10, "pitch_10"), (25, "pitch_25"), (50, "pitch_median")):
            assert row[name] == pytest.approx(np.percentile(pitch, share))
        assert row["length_75"] == pytest.approx(np.percentile(length, 75))
        assert row["pitch_deviation"] == pytest.approx(np.std(pitch))
        sounds = [sum(s <= t < s + n for _, s, n in notes) for t in range(192)]
        time = sum(count > 0 for count in sounds)
        assert row["sounding"] == pytest.approx(time / 192)
        assert row["polyphony"] == pytest.approx(sum(sounds) / time)
        assert row["polyphony_max"] == max(sounds)


def test_the_melody_is_the_highest_note_of_each_onset():
    segments = random_segments(seed=1)
    found = segment_features(table(*segments))
    for row, notes in zip(found.to_dict("records"), segments, strict=True):
        steps = sorted({s for _, s, _ in notes})
        top = [max(p for p, s, _ in notes if s == step) for step in steps]
        jumps = [b - a for a, b in itertools.pairwise(top)]
        if not jumps:
            assert np.isnan(row["melody_step"])
            assert np.isnan(row["apart_min"])
            continue
        assert row["melody_step"] == pytest.approx(np.mean(np.abs(jumps)))
        assert row["melody_repeats"] == pytest.approx(np.mean([j == 0 for j in jumps]))
        assert row["melody_seconds"] == pytest.approx(np.mean([0 < abs(j) < 3 for j in jumps]))
        assert row["melody_up"] == pytest.approx(np.mean([j > 0 for j in jumps]))


def test_an_equal_second_measure_counts_as_repetition():
    measure = [(60, 0, 12), (62, 24, 12), (64, 60, 12)]
    again = [(pitch, step + 96, length) for pitch, step, length in measure]
    other = [(pitch + 1, step, length) for pitch, step, length in again]
    found = segment_features(table(measure + again, measure + other, measure + again[:1]))
    assert found["repeated"].tolist() == [1, 0, pytest.approx(2 / 4)]


def test_features_do_not_depend_on_other_segments_or_note_order():
    segments = random_segments(seed=2)
    together = segment_features(table(*segments))
    alone = pd.concat([segment_features(table(s[::-1])) for s in segments], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_dtype=False)


def test_a_segment_without_notes_raises():
    with pytest.raises(ValueError, match="row 1 has no notes"):
        segment_features(table([(60, 0, 12)], []))


def test_track_features_are_means_and_spreads_with_ranks_in_the_song():
    names = pd.DataFrame({"song": ["a", "a", "a", "a", "b"], "track": ["2", "1", "2", "3", "1"]})
    notes = [[(pitch, 0, 24), (pitch + 12, 24, 24)] for pitch in (60, 40, 64, 50, 70)]
    tracks = track_features(segment_features(table(*notes)), names)
    assert tracks.index.tolist() == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")]
    second = tracks.loc[("a", "2")]
    assert (second["pitch_min"], second["pitch_min_spread"], second["segments"]) == (62, 2, 2)
    assert (second["pitch_lowest"], second["pitch_highest"]) == (60, 76)
    songs = song_features(tracks)
    assert songs["pitch_min_rank"].tolist() == [0, 1, 0.5, 0.5]
    mean = (40 + 62 + 50) / 3
    assert songs["pitch_min_distance"].tolist() == pytest.approx(
        [40 - mean, 62 - mean, 50 - mean, 0]
    )
    assert songs["tracks"].tolist() == [3, 3, 3, 1]
