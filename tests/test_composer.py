"""Harmony, melody and rhythm of the composer, compared with textbook rules."""

from itertools import product
from random import Random

import pretty_midi
import pytest

from camil.composer.harmony import Key, fretted, spans, voicing
from camil.composer.melody import struck_again, with_runs
from camil.composer.rhythm import Note, attacks


@pytest.mark.parametrize(
    ("key", "numeral", "spelled", "bass"),
    [
        (Key(0, "major"), "ii7", "D F A C", "D"),
        (Key(9, "minor"), "V7", "E Ab B D", "E"),
        (Key(0, "major"), "I/3", "C E G", "E"),
        (Key(2, "minor"), "bVI", "Bb D F", "Bb"),
        (Key(7, "major"), "viiø7/7", "F# A C E", "E"),
        (Key(5, "major"), "#I°7", "F# A C Eb", "F#"),
        (Key(10, "mixolydian"), "I9", "Bb D F Ab C", "Bb"),
    ],
)
def test_roman_numerals_give_the_textbook_chords(key, numeral, spelled, bass):
    def pitch_class(name):
        return pretty_midi.note_name_to_number(name + "4") % 12

    chord = key.chord(numeral)
    assert chord.tones == tuple(pitch_class(name) for name in spelled.split())
    assert chord.bass == pitch_class(bass)


def test_an_invalid_roman_numeral_raises():
    with pytest.raises(ValueError, match="H7"):
        Key(0, "major").chord("H7")


def test_the_scale_over_a_dominant_in_minor_is_harmonic_minor():
    key = Key(9, "minor")
    assert key.scale(key.chord("V7")) == (0, 2, 4, 5, 8, 9, 11)  # C D E F G# A B


def test_a_voicing_has_minimal_motion_among_close_voicings():
    key = Key(0, "major")
    before = (60, 64, 67)  # C E G
    after = voicing(key.chord("vi"), 3, 52, 76, before)
    every = [v for v in product(range(52, 77), repeat=3) if sorted(p % 12 for p in v) == [0, 4, 9]]
    least = min(sum(abs(a - b) for a, b in zip(before, v, strict=True)) for v in every)
    assert sum(abs(a - b) for a, b in zip(before, after, strict=True)) == least


def test_chord_shapes_are_playable_on_a_guitar():
    strings = (40, 45, 50, 55, 59, 64)
    key = Key(0, "major")
    for numeral, fret in product(("I", "ii7", "bVI", "V7/3", "#IV°7", "Imaj7"), (0, 2, 3, 5)):
        notes = fretted(key.chord(numeral), fret)
        grips = [
            frets
            for frets in product(*([p - s for s in strings if 0 <= p - s <= 12] for p in notes))
            if max(frets) - min([f for f in frets if f], default=0) <= 4
        ]
        assert 3 <= len(notes) <= 6
        assert grips
        assert {p % 12 for p in notes} <= set(key.chord(numeral).tones)


def test_a_repeated_note_keeps_pitch_and_duration():
    line = [Note(0.0, 2.0, 60), Note(2.0, 0.5, 62), Note(2.5, 1.5, 64)]
    played = struck_again(line, often=1.0, rng=Random(0))
    assert len(played) >= 5
    for pitch, length in ((60, 2.0), (62, 0.5), (64, 1.5)):
        assert sum(n.length for n in played if n.pitch == pitch) == pytest.approx(length)


def test_a_run_fills_a_leap_by_step_and_ends_on_time():
    key = Key(0, "major")
    line = [Note(0.0, 2.0, 60), Note(2.0, 2.0, 67)]
    played = with_runs(line, spans("I", key, 0.0, 4.0), key, often=1.0, rng=Random(0))
    assert [n.pitch for n in played] == [60, 62, 64, 65, 67]
    assert [n.start for n in played] == [0.0, 1.25, 1.5, 1.75, 2.0]
    assert played[-1] == line[-1]


def test_chords_fill_their_measures_without_gap():
    found = spans("I vi,IV ii7 V", Key(0, "major"), 6.0, 3.0)
    assert [(s.start, s.end) for s in found] == [(6, 9), (9, 10.5), (10.5, 12), (12, 15), (15, 18)]


def test_a_rhythm_is_parsed_as_written():
    assert attacks("x---..x-") == ((0.0, 1.0, "x"), (1.5, 0.5, "x"))
