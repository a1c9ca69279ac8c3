"""Songs as notes, against slow loops and by hand."""

import numpy as np
import pytest
import torch

from camil.corpus.songs import Songs, note_features
from camil.encoders.song_batch import NOTE_FEATURES


def everything(songs):
    return torch.arange(len(songs))


def by_loops(notes, bpm):
    """The features of one segment's notes, sorted by step and pitch, one note at a time."""
    rows = []
    onsets = sorted({step for _, step, _ in notes})
    chords = {step: sorted(p for p, s, _ in notes if s == step) for step in onsets}
    for pitch, step, length in notes:
        chord, index = chords[step], onsets.index(step)
        rank = chord.index(pitch)
        before = chords[onsets[index - 1]] if index else None
        after = chords[onsets[index + 1]] if index + 1 < len(onsets) else None
        wait = onsets[index + 1] - step if after else 0
        silence = wait - length if after else 0
        sounding = sum(s <= step < s + n for _, s, n in notes)
        rows.append(
            [
                (pitch - 60) / 24,
                np.log1p(length) / 3,
                np.log(length / 24 * 60 / bpm + 0.01) / 2,
                (len(chord) - 1) / 3,
                rank / 3,
                (sounding - 1) / 3,
                (pitch - chord[rank - 1]) / 12 if rank else 0,
                (chord[rank + 1] - pitch) / 12 if rank + 1 < len(chord) else 0,
                (chord[-1] - before[-1]) / 12 if before else 0,
                (chord[0] - before[0]) / 12 if before else 0,
                (after[-1] - chord[-1]) / 12 if after else 0,
                (after[0] - chord[0]) / 12 if after else 0,
                before is not None,
                after is not None,
                np.log1p(step - onsets[index - 1]) / 3 if before else 0,
                np.log1p(wait) / 3,
                max(-96, min(silence, 96)) / 24,
                max(-6, min(silence, 6)) / 6,
                step == 0,
                step / 192,
                (chord[-1] - chord[0]) / 24,
            ]
        )
    return np.array(rows, float)


def test_note_features_match_slow_loops():
    random = np.random.default_rng(1)
    segments = []
    for _ in range(30):
        positions = {(int(s), int(p)) for s, p in random.integers((0, 40), (192, 80), (12, 2))}
        # One length per chord: two notes of one pitch and step do not occur, ties of ends do.
        segments.append([(p, s, int(random.integers(1, 193 - s))) for s, p in sorted(positions)])
    pitch, step, length = (
        np.array([note[i] for one in segments for note in one]) for i in range(3)
    )
    segment = np.repeat(np.arange(len(segments)), [len(one) for one in segments])
    bpm = random.uniform(60, 180, len(segments))
    expected = np.concatenate([by_loops(*pair) for pair in zip(segments, bpm, strict=True)])
    found = note_features(pitch, step, length, segment, bpm[segment])
    assert found.shape == (len(pitch), NOTE_FEATURES)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_batch_has_the_notes_of_its_rows(songs, segment_table):
    chosen = torch.tensor([5, 2])
    batch = songs.batch(chosen)
    rows = segment_table.to_pandas()
    names = [songs.song_names[number] for number in chosen]
    for number, row in zip(range(len(batch.track)), batch.segments.tolist(), strict=True):
        mine = batch.segment == number
        of_row = rows.iloc[row]
        assert (batch.pitch[mine] + 24).tolist() == list(of_row["pitch"])
        assert batch.step[mine].tolist() == [step % 96 for step in of_row["step"]]
        assert batch.length[mine].tolist() == list(of_row["length"])
        loud = np.array(of_row["velocity"], float)
        expected = np.stack([(loud - 80) / 32, (loud - loud.mean()) / 16], axis=1)
        np.testing.assert_allclose(batch.loudness[mine], expected, atol=1e-5)
        assert of_row["song"] == names[batch.song[batch.track[number]]]
        assert batch.tempo[number].item() == pytest.approx(np.log(of_row["bpm"] / 120), abs=1e-5)
    assert len(batch.track) == rows["song"].isin(names).sum()


def test_rows_that_are_not_consecutive_raise(segment_table):
    order = np.arange(len(segment_table))
    with pytest.raises(ValueError, match="consecutive rows"):
        Songs(segment_table.take(np.r_[order[1:], order[:1]]))
    with pytest.raises(ValueError, match="no segments"):
        Songs(segment_table.slice(0, 0))
