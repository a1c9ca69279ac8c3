"""Tests of joining scattered parts and of finding drums on pitched channels."""

import io
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from register_labeller import ByRegister
from sklearn.metrics.cluster import pair_confusion_matrix

from camil import read_midi
from camil.evaluation.scattered_parts import (
    MODES,
    pair_counts,
    precision_recall_f1,
    scatter,
)
from camil.labelling import fragments
from camil.labelling.drum_tracks import KIT, drum_features, drum_probabilities
from camil.labelling.transcriptions import per_track, transcription
from camil.midi.join import join_tracks

MEASURES = 24


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Bass, chords, melody and drums over changing harmony."""
    midi, rng = pretty_midi.PrettyMIDI(initial_tempo=120), np.random.default_rng(3)
    bass, chords, melody = (pretty_midi.Instrument(program) for program in (33, 0, 73))
    drums = pretty_midi.Instrument(0, is_drum=True)
    for measure in range(MEASURES):
        root, begin = int(rng.choice([0, 5, 7, 9])), measure * 2.0
        for beat in range(4):
            at = begin + beat / 2
            bass.notes.append(pretty_midi.Note(90, 36 + root, at, at + 0.45))
            if beat % 2 == 0:
                for step in (0, 4, 7):
                    chords.notes.append(pretty_midi.Note(70, 55 + (root + step) % 12, at, at + 0.9))
            pitch = 76 + (root + int(rng.choice([0, 4, 7]))) % 12
            melody.notes.append(pretty_midi.Note(80, pitch, at + 0.02, at + 0.3))
            drums.notes.append(pretty_midi.Note(100, 36 if beat % 2 == 0 else 38, at, at + 0.1))
            for half in (0, 0.25):
                drums.notes.append(pretty_midi.Note(80, 42, at + half, at + half + 0.1))
    midi.instruments = [bass, chords, melody, drums]
    path = tmp_path_factory.mktemp("song") / "song.mid"
    midi.write(str(path))
    return read_midi(path)


def notes_of(tracks):
    return Counter(
        (int(pitch), round(float(start), 2), round(float(end), 2))
        for track in tracks
        for pitch, start, end in zip(track.pitch, track.start_beat, track.end_beat, strict=True)
    )


@pytest.mark.parametrize("mode", MODES)
def test_scattering_keeps_all_notes_and_leaves_blocks_whole(song, mode):
    scattered = scatter(song, np.random.default_rng(0), mode)
    assert notes_of(scattered.score.tracks) == notes_of(song.tracks)
    assert not any(track.is_drum for track in scattered.score.tracks)
    for number, part in enumerate(scattered.parts):
        fragments_of_part = [
            track
            for track, of in zip(scattered.score.tracks, scattered.part, strict=True)
            if of == number
        ]
        assert notes_of(fragments_of_part) == notes_of([part])
        if mode == "measures":
            owners = [set((t.start_beat // 8).astype(int)) for t in fragments_of_part]
            assert not any(one & other for one, other in combinations(owners, 2))
    read = pretty_midi.PrettyMIDI(io.BytesIO(scattered.data))
    assert sum(len(one.notes) for one in read.instruments) == sum(
        len(one.pitch) for one in song.tracks
    )
    assert len(read.instruments) == len(scattered.part)


def test_scattering_into_one_fragment_leaves_parts_whole(song):
    scattered = scatter(song, np.random.default_rng(0), "phrases", fragments=1)
    assert sorted(scattered.part) == [0, 1, 2, 3]


def test_unknown_mode_of_scattering_raises(song):
    with pytest.raises(ValueError, match="measures, phrases, windows"):
        scatter(song, np.random.default_rng(0), "bars")


def test_pairs_of_tracks_are_counted_like_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(20):
        true, proposed = rng.integers(4, size=(2, 12))
        ((_, wrong), (missed, right)) = pair_confusion_matrix(true, proposed) // 2
        counts = pair_counts(true, proposed)
        assert counts.tolist() == [right, wrong, missed]
        found = precision_recall_f1(counts)
        if right:
            assert found["f1"] == pytest.approx(2 / (1 / found["precision"] + 1 / found["recall"]))


def test_joined_track_has_all_notes_sorted(song):
    joined = join_tracks([song.tracks[2], song.tracks[0]])
    rows = [
        (start, pitch, end, loud)
        for track in (song.tracks[2], song.tracks[0])
        for start, pitch, end, loud in zip(
            track.start_beat, track.pitch, track.end_beat, track.velocity, strict=True
        )
    ]
    columns = (joined.start_beat, joined.pitch, joined.end_beat, joined.velocity)
    assert list(zip(*columns, strict=True)) == sorted(rows, key=lambda row: row[:2])
    assert joined.name == song.tracks[2].name


def test_evidence_agrees_with_brute_force(song):
    scattered = scatter(song, np.random.default_rng(4), "measures")
    tracks = scattered.score.tracks
    readings = [one and one.track for one in ByRegister()(tracks, scattered.score)]
    seen = fragments.outlines(tracks, scattered.score, readings)
    found = fragments.evidence(seen)
    sounding, onsets, histograms = [], [], []
    for track in tracks:
        cells, begins, pitches = set(), set(), np.zeros(128)
        for pitch, start, end in zip(track.pitch, track.start_beat, track.end_beat, strict=True):
            first = int(np.floor(start * 4 + 0.5))
            cells |= set(range(first, max(int(np.floor(end * 4 + 0.5)), first + 1)))
            begins.add(int(np.round(start * 12)))
            for shift, weight in zip(range(-2, 3), (1, 2, 3, 2, 1), strict=True):
                pitches[pitch + shift] += weight
        sounding.append(cells)
        onsets.append(begins)
        histograms.append(pitches / pitches.sum())
    for one, other in combinations(range(len(tracks)), 2):
        at = (one, other)
        least = min(len(sounding[one]), len(sounding[other]))
        overlap = len(sounding[one] & sounding[other]) / least
        assert found["overlap"][at] == pytest.approx(overlap, abs=1e-6)
        fewer = min(len(onsets[one]), len(onsets[other]))
        shared = len(onsets[one] & onsets[other]) / fewer
        assert found["shared_onsets"][at] == pytest.approx(shared, abs=1e-6)
        register = np.sqrt(histograms[one] * histograms[other]).sum()
        assert found["register"][at] == pytest.approx(register)
        same = np.log((readings[one] * readings[other]).sum() * 8)
        assert found["labels"][at] == pytest.approx(same)
    for values in found.values():
        np.testing.assert_allclose(values, values.T)


def test_joins_are_ends_of_passages_followed_by_beginnings():
    rng = np.random.default_rng(2)
    beats = rng.random((4, 60)) < 0.3
    found = fragments.joins(np.repeat(beats, 4, axis=1))

    def is_silent(track, beat):
        return not 0 <= beat < 60 or not beats[track, beat]

    expected = np.zeros((4, 4))
    for one in range(4):
        for other in range(4):
            for end in range(60):
                ends = beats[one, end] and is_silent(one, end + 1) and is_silent(one, end + 2)
                for begin in range(end, min(end + 3, 60)):
                    begins = beats[other, begin] and is_silent(other, begin - 1)
                    expected[one, other] += ends and begins and is_silent(other, begin - 2)
    np.testing.assert_array_equal(found, expected + expected.T)


def test_joined_outlines_equal_those_of_joined_tracks(song):
    scattered = scatter(song, np.random.default_rng(5), "measures")
    tracks, score = scattered.score.tracks, scattered.score
    one, other = np.flatnonzero(scattered.part == scattered.part[0])[:2]
    readings = [np.full(8, 1 / 8)] * len(tracks)
    by_rows = fragments.outlines(tracks, score, readings).join(one, other)
    rest = [number for number in range(len(tracks)) if number != other]
    joined = [
        join_tracks([tracks[one], tracks[other]]) if number == one else tracks[number]
        for number in rest
    ]
    by_tracks = fragments.outlines(joined, score, readings[1:])
    for name in ("sounds", "onsets", "pitches", "lengths", "chords", "readings"):
        np.testing.assert_allclose(getattr(by_rows, name), getattr(by_tracks, name))


@pytest.mark.parametrize("mode", MODES)
def test_scattered_parts_are_joined_and_no_note_is_lost(song, mode):
    scattered = scatter(song, np.random.default_rng(0), mode)
    found = transcription(scattered.score, ByRegister())
    assert notes_of(found.score.tracks) == notes_of(song.tracks)
    assert sorted(len(track.pitch) for track in found.score.tracks) == sorted(
        len(track.pitch) for track in song.tracks
    )
    parts = [found.part_of[track.name] for track in scattered.score.tracks]
    for one, other in combinations(range(len(parts)), 2):
        assert (parts[one] == parts[other]) == (scattered.part[one] == scattered.part[other])
    (drums,) = [track for track in found.score.tracks if track.is_drum]
    assert notes_of([drums]) == notes_of([song.tracks[-1]])
    names = [track.name for track in scattered.score.tracks]
    assert [track.name for track in found.score.tracks] == sorted(set(parts), key=names.index)
    for row in found.merges.itertuples():
        assert row.part == row.tracks[0]
        assert row.reason.startswith(f"The {len(row.tracks)} tracks sound at once in 0 %")
        assert 0.7 <= row.probability <= 1
        assert row.reason.count(". ") == 0


def test_whole_parts_and_drums_on_their_channel_stay_as_they_are(song):
    found = transcription(song, ByRegister())
    assert found.merges.empty
    assert list(found.merges) == ["part", "tracks", "probability", "reason"]
    assert [track.name for track in found.score.tracks] == [track.name for track in song.tracks]
    assert notes_of(found.score.tracks) == notes_of(song.tracks)
    assert found.drums["drums"].tolist() == [True, False, False, False]
    assert found.drums["probability"].iloc[0] == 1


def test_labels_of_parts_are_given_to_their_tracks(song):
    scattered = scatter(song, np.random.default_rng(0), "measures")
    found = transcription(scattered.score, ByRegister())
    names = [track.name for track in found.score.tracks if not track.is_drum]
    labels = pd.DataFrame({"file": "song.mid", "track": names, "predicted": range(len(names))})
    tracks = per_track(labels, found.merges)
    assert list(tracks) == ["file", "track", "predicted", "part"]
    assert tracks["part"].tolist() == [found.part_of[name] for name in tracks["track"]]
    expected = {
        track.name: names.index(found.part_of[track.name])
        for track, drum in zip(scattered.score.tracks, scattered.is_drum, strict=True)
        if not drum
    }
    assert dict(zip(tracks["track"], tracks["predicted"], strict=True)) == expected


def test_drum_features_agree_with_brute_force(song):
    score = scatter(song, np.random.default_rng(0), "measures", fragments=1).score
    features = drum_features(score)
    for track in score.tracks:
        row, notes = features.loc[track.name], len(track.pitch)
        kit = sum(int(pitch) in KIT for pitch in track.pitch)
        assert row["kit"] == pytest.approx(kit / (notes + 5))
        lengths = [
            round((b - a) * 24) for a, b in zip(track.start_beat, track.end_beat, strict=True)
        ]
        assert row["short"] == pytest.approx(sum(one < 7.2 for one in lengths) / (notes + 5))
        most = Counter(lengths).most_common(1)[0][1]
        assert row["equal_lengths"] == pytest.approx(most / (notes + 5))
        assert row["chroma"] == pytest.approx(chroma_fit(track, score), abs=1e-9)


def chroma_fit(track, score):
    count = len(score.measures) - 1
    own, others = np.zeros((count, 12)), np.zeros((count, 12))
    for one in score.tracks:
        for pitch, start, end in zip(one.pitch, one.start_beat, one.end_beat, strict=True):
            into = own if one is track else others
            into[int((start + 1e-6) // 4), pitch % 12] += min(end - start, 4)
    rows = [i for i in range(count) if own[i].sum() and others[i].sum()]
    own = np.array([own[i] / own[i].sum() for i in rows])
    others = np.array([others[i] / others[i].sum() for i in rows])
    return 12 * np.mean([a @ (b - others.mean(axis=0)) for a, b in zip(own, others, strict=True)])


def test_drums_on_a_pitched_channel_are_found(song):
    scattered = scatter(song, np.random.default_rng(7), "measures", fragments=1)
    probabilities = drum_probabilities(scattered.score).to_numpy()
    assert (probabilities[scattered.is_drum] > 0.9).all()
    assert (probabilities[~scattered.is_drum] < 0.5).all()


def test_a_song_of_drums_alone_has_no_merges(song):
    scattered = scatter(song, np.random.default_rng(7), "measures")
    score = scattered.score
    score.tracks = [t for t, drum in zip(score.tracks, scattered.is_drum, strict=True) if drum]
    found = transcription(score, ByRegister())
    assert found.merges.empty
    assert len(found.score.tracks) == 1
