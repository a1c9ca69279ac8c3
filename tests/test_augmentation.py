"""Data augmentation of notes: bounds, rates, and independence of the batch."""

import pytest
import torch

from camil.corpus.augmentation import Augmentation, draw_seeds, uniform
from camil.corpus.corpus import draw_rolls

# Three segments of 3, 1 and 4 notes: pitch, step, length, velocity.
NOTES = torch.tensor(
    [
        [60, 0, 24, 100],
        [64, 24, 24, 90],
        [67, 180, 12, 80],
        [24, 10, 5, 127],
        [100, 0, 192, 64],
        [107, 3, 1, 1],
        [90, 96, 48, 50],
        [90, 150, 20, 70],
    ],
    dtype=torch.int16,
)
COUNTS = torch.tensor([3, 1, 4])


def seeds(*numbers):
    return torch.tensor(numbers)


def splitmix64(seed, number):
    """The published generator in Python's own integers."""
    x = (seed + number * 0x9E3779B97F4A7C15) % 2**64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return (x ^ (x >> 31)) % 2**64


def test_random_numbers_match_splitmix64():
    for seed in (0, 1, 2**61 + 12345):
        for number in (1, 2, 77):
            expected = (splitmix64(seed, number) >> 40) / 2**24
            assert uniform(torch.tensor([seed]), number).item() == expected


def test_random_numbers_are_uniform_and_independent_of_each_other():
    drawn = uniform(draw_seeds(20_000, torch.Generator().manual_seed(0)), 1)
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn.std().item() == pytest.approx(12**-0.5, abs=0.01)
    other = uniform(draw_seeds(20_000, torch.Generator().manual_seed(0)), 2)
    assert abs(torch.corrcoef(torch.stack([drawn, other]))[0, 1]) < 0.03


def test_the_default_changes_nothing():
    assert torch.equal(Augmentation()(NOTES, COUNTS, seeds(1, 2, 3)), NOTES.long())


def test_a_segments_notes_move_together_within_bounds_and_every_shift_occurs():
    shifts = [set(), set(), set()]
    augment = Augmentation(transpose=3)
    for seed in range(300):
        changed = augment(NOTES, COUNTS, seeds(seed, seed, seed))
        moved = (changed - NOTES)[:, 0].split(COUNTS.tolist())
        assert changed[:, 0].min() >= 24
        assert changed[:, 0].max() <= 107
        assert torch.equal(changed[:, 1:], NOTES[:, 1:].long())
        for shift, segment in zip(shifts, moved, strict=True):
            assert len(set(segment.tolist())) == 1
            shift.add(segment[0].item())
    # The second segment is at the lowest pitch, the third at the highest.
    assert shifts == [set(range(-3, 4)), set(range(4)), set(range(-3, 1))]


def test_notes_are_dropped_at_the_given_rate_and_no_segment_is_empty():
    augment, lost = Augmentation(note_dropout=0.3), torch.zeros(8)
    for seed in range(1000):
        lost += augment(NOTES, COUNTS, seeds(seed, seed + 5000, seed + 9999))[:, 2] == 0
    first = torch.tensor([0, 3, 4])
    assert not lost[first].any()
    others = torch.tensor([1, 2, 5, 6, 7])
    assert (lost[others] / 1000).tolist() == pytest.approx([0.3] * 5, abs=0.06)


def test_another_tempo_scales_onsets_and_lengths_and_cuts_the_rest():
    for seed in range(200):
        changed = Augmentation(tempo=0.1)(NOTES, COUNTS, seeds(seed, seed, seed))
        factor = 1 + 0.1 * (2 * uniform(seeds(seed), 2).item() - 1)
        for before, after in zip(NOTES.tolist(), changed.tolist(), strict=True):
            if after[2] == 0:
                assert round(before[1] * factor) >= 192
                continue
            assert after[1] == round(before[1] * factor)
            end = min(round((before[1] + before[2]) * factor), 192)
            assert after[2] == max(end - after[1], 1)
            assert after[1] + after[2] <= 192


def test_velocities_change_within_the_given_share_and_the_midi_range():
    for seed in range(100):
        changed = Augmentation(velocity=0.2)(NOTES, COUNTS, seeds(seed, seed, seed))
        for before, after in zip(NOTES[:, 3].tolist(), changed[:, 3].tolist(), strict=True):
            assert 1 <= after <= 127
            assert abs(after - before) <= 0.2 * before + 0.5


def test_a_segments_change_does_not_depend_on_its_batch():
    augment = Augmentation(5, 0.3, 0.1, 0.2)
    together = augment(NOTES, COUNTS, seeds(7, 8, 9))
    alone = augment(NOTES[4:], COUNTS[2:], seeds(9))
    assert torch.equal(together[4:], alone)


def test_dropped_notes_are_not_drawn_and_onsets_and_velocities_are():
    notes = NOTES[:3].clone()
    notes[1, 2] = 0
    roll = draw_rolls(notes, torch.tensor([3]), onsets=True, velocity=True)
    assert roll.shape == (1, 2, 84, 192)
    expected = torch.zeros(2, 84, 192)
    for pitch, step, length, velocity in (NOTES[0].tolist(), NOTES[2].tolist()):
        expected[0, pitch - 24, step : step + length] = velocity / 127
        expected[1, pitch - 24, step] = 1
    torch.testing.assert_close(roll[0], expected)


@pytest.mark.parametrize(
    "arguments", [{"transpose": -1}, {"note_dropout": 1.0}, {"tempo": -0.1}, {"velocity": 2.0}]
)
def test_a_value_out_of_range_raises(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must"):
        Augmentation(**arguments)
