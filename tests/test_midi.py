import os
import random
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest

from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.midi.score import MidiError, read_midi
from camil.midi.segments import segments_of

approx = pytest.approx

TICKS = 480


def write(path, notes, tempi=((0, 120),), signatures=(), extra_track=False):
    """A type 1 file. Notes are (pitch, start beat, end beat); tempi and signatures (beat, ...)."""
    conductor = [
        (beat, mido.MetaMessage("set_tempo", tempo=round(6e7 / bpm))) for beat, bpm in tempi
    ]
    for beat, numerator, denominator in signatures:
        message = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        conductor.append((beat, message))
    played = []
    for pitch, start, end in notes:
        played.append((start, mido.Message("note_on", note=pitch, velocity=90)))
        played.append((end, mido.Message("note_off", note=pitch)))
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    tracks = [[(0, mido.MetaMessage("track_name", name="x"))]] if extra_track else []
    for events in [*tracks, conductor, played]:
        track, now = mido.MidiTrack(), 0
        for beat, message in sorted(events, key=lambda e: (e[0], e[1].type != "note_off")):
            tick = round(beat * TICKS)
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path)
    return path


def cut(path, **options):
    score = read_midi(path)
    return segments_of(score.tracks[0], score, **options)


def rows(segment):
    """The notes as (pitch, step, length)."""
    return list(zip(*(a.tolist() for a in (segment.pitch, segment.step, segment.length))))  # noqa: B905


def roll(segment):
    drawn = np.zeros((128, 192), dtype=bool)
    for pitch, step, length in rows(segment):
        drawn[pitch, step : step + length] = True
    return drawn


@pytest.fixture
def real_files():
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    files = sorted(Path(os.environ["CAMIL_SHARED"], "data", "midi").rglob("*.mid"))
    return random.Random(7).sample(files, 25)


def test_general_midi_families_map_to_eight_classes():
    named = {"Piano": 0, "Organ": 19, "Guitar": 27, "Bass": 33, "Strings": 48, "Brass": 56}
    named |= {"Reed": 68, "Pipe": 73}
    for instrument, program in named.items():
        assert INSTRUMENT_OF_PROGRAM[program] == instrument
    assert {8, 15, 80, 96, 104, 112, 127}.isdisjoint(INSTRUMENT_OF_PROGRAM)
    assert len(INSTRUMENT_OF_PROGRAM) == 8 * 8 + 8  # Strings have two families


def test_segment_rolls_equal_piano_roll_of_pretty_midi(tmp_path):
    draw = random.Random(0)
    notes = []
    for pitch in range(30, 100, 3):  # no two notes of one pitch overlap
        step = draw.randrange(20)
        while step < 24 * 60:
            length = draw.randrange(1, 200)
            notes.append((pitch, step / 24, (step + length) / 24))
            step += length + draw.randrange(1, 100)
    path = write(tmp_path / "a.mid", notes, tempi=[(0, 150)])
    rate = 24 * 150 / 60
    # Half a step later, where no rounding can make a column ambiguous.
    midi = pretty_midi.PrettyMIDI(str(path))
    for note in midi.instruments[0].notes:
        note.start, note.end = note.start + 0.5 / rate, note.end + 0.5 / rate
    reference = midi.get_piano_roll(fs=rate) > 0

    segments = cut(path)
    assert [s.start_beat for s in segments] == [8 * i for i in range(len(segments))]
    assert len(segments) >= 7
    for segment in segments:
        first = int(segment.start_beat * 24)
        expected = reference[:, first : first + 192]
        expected = np.pad(expected, ((0, 0), (0, 192 - expected.shape[1])))
        np.testing.assert_array_equal(roll(segment), expected)


def test_downbeats_equal_those_of_pretty_midi(tmp_path):
    path = write(
        tmp_path / "a.mid",
        [(60, 0, 1), (60, 39, 40)],
        tempi=[(0, 100), (5, 140), (13.5, 61)],
        signatures=[(0, 4, 4), (8, 3, 4), (20, 6, 8), (26, 7, 8)],
    )
    score = read_midi(path)
    assert score.measures[:8].tolist() == [0, 4, 8, 11, 14, 17, 20, 23]
    assert np.diff(score.measures[8:]).tolist() == approx([3.5] * 4)
    expected = pretty_midi.PrettyMIDI(str(path)).get_downbeats()
    assert score.seconds_at(score.measures[:-1]) == approx(expected[: len(score.measures) - 1])


def test_seconds_follow_tempo_changes(tmp_path):
    notes = [(60 + b, b, b + 0.5) for b in range(16)]
    segments = cut(write(tmp_path / "a.mid", notes, tempi=[(0, 60), (4, 120), (10, 240)]))
    # 4 beats of 1 s, 6 of 0.5 s, then 0.25 s.
    assert [s.start_seconds for s in segments] == approx([0, 6])
    assert [s.end_seconds for s in segments] == approx([6, 8.5])
    assert [s.bpm for s in segments] == approx([80, 192])


def test_seconds_of_notes_equal_those_of_pretty_midi(tmp_path):
    draw = random.Random(5)
    tempi = [(0, 90)] + [(b + draw.random(), draw.uniform(40, 220)) for b in range(1, 60, 2)]
    starts = [draw.uniform(0, 70) for _ in range(100)]
    path = write(tmp_path / "a.mid", [(i, b, b + 0.3) for i, b in enumerate(starts)], tempi)
    reference = pretty_midi.PrettyMIDI(str(path))
    (track,) = read_midi(path).tracks
    for pitch, beat, end, second in zip(
        track.pitch, track.start_beat, track.end_beat, track.start_seconds, strict=True
    ):
        assert beat * TICKS == approx(round(starts[pitch] * TICKS))
        assert second == approx(reference.tick_to_time(round(beat * TICKS)))
        assert end * TICKS == approx(round((starts[pitch] + 0.3) * TICKS))


def test_tempo_and_metre_are_read_on_any_track(tmp_path):
    arguments = ([(60, 0, 1), (62, 4, 5)], [(0, 60)], [(0, 3, 4)])
    plain = read_midi(write(tmp_path / "a.mid", *arguments))
    moved = read_midi(write(tmp_path / "b.mid", *arguments, extra_track=True))
    assert moved.measures.tolist() == plain.measures.tolist() == [0, 3, 6]
    assert moved.tracks[0].start_seconds.tolist() == approx([0, 4])


def test_file_without_signature_or_tempo_is_in_four_four_at_120(tmp_path):
    score = read_midi(write(tmp_path / "a.mid", [(60, 0, 1), (62, 5, 6)], tempi=[]))
    assert score.measures.tolist() == [0, 4, 8]
    assert score.seconds_at(5.0) == approx(2.5)


def test_notes_across_segments_are_clipped_on_both_sides(tmp_path):
    path = write(tmp_path / "a.mid", [(60, 7, 17), (64, 9, 10), (65, 1, 2), (67, 20, 21)])
    first, second, third = cut(path)
    assert rows(first) == [(65, 24, 24), (60, 168, 24)]
    assert rows(second) == [(60, 0, 192), (64, 24, 24)]
    assert rows(third) == [(60, 0, 24), (67, 96, 24)]


def test_note_just_before_barline_begins_new_segment(tmp_path):
    early = 4 / TICKS  # a fifth of a step
    notes = [(60, 0, 1), (62, 2, 8 + early), (64, 8 - early, 9), (65, 10, 11), (67, 12, 12 + early)]
    first, second = cut(write(tmp_path / "a.mid", notes))
    assert rows(first) == [(60, 0, 24), (62, 48, 144)]
    assert rows(second) == [
        (64, 0, 24),
        (65, 48, 24),
        (67, 96, 1),
    ]  # 62 overlaps by less than a step


def test_half_a_step_rounds_up(tmp_path):
    half = 10 / TICKS
    notes = [(60, start + half, start + 0.5) for start in (0, 1, 3, 8, 9, 13)]
    for segment in cut(write(tmp_path / "a.mid", notes)):
        assert set(segment.step % 24) == {1}


def test_short_measures_are_padded_and_long_measures_are_cut(tmp_path):
    notes = [(60 + i, i, i + 1) for i in range(40)]
    waltz = cut(write(tmp_path / "a.mid", notes, signatures=[(0, 6, 8)]))
    assert [(s.start_beat, s.end_beat) for s in waltz[:2]] == [(0, 6), (6, 12)]
    assert rows(waltz[1])[-1] == (71, 120, 24)
    five = cut(write(tmp_path / "b.mid", notes, signatures=[(0, 5, 4)]))
    assert [(s.start_beat, s.end_beat) for s in five[:2]] == [(0, 8), (10, 18)]
    assert rows(five[1]) == [(70 + i, 24 * i, 24) for i in range(8)]
    assert five[1].end_seconds == approx(9)


def test_metre_change_inside_pair_keeps_consecutive_measures(tmp_path):
    notes = [(60 + i, i, i + 1) for i in range(14)]
    path = write(tmp_path / "a.mid", notes, signatures=[(0, 4, 4), (4, 3, 4)])
    assert [(s.start_beat, s.end_beat) for s in cut(path)] == [(0, 7), (7, 13)]


def test_odd_last_measure_is_followed_by_empty_measure(tmp_path):
    path = write(tmp_path / "a.mid", [(60 + i, i, i + 1) for i in range(12)])
    assert [s.end_beat for s in cut(path)] == [8, 16]
    assert cut(path)[1].end_seconds == approx(8)


def test_pitches_outside_roll_and_sparse_segments_are_dropped(tmp_path):
    notes = [(23, 0, 1), (24, 1, 2), (107, 2, 3), (108, 3, 4), (60, 8, 9), (20, 13, 14)]
    (segment,) = cut(write(tmp_path / "a.mid", notes))
    assert segment.pitch.tolist() == [24, 107]
    assert len(cut(tmp_path / "a.mid", min_notes=1)) == 2


def test_exact_repeats_are_dropped_and_rest_is_evenly_spaced(tmp_path):
    notes = []
    for i in range(20):
        first = 60 if i in (3, 7) else 30 + i
        notes += [(first, 8 * i, 8 * i + 1), (70, 8 * i + 5, 8 * i + 6)]
    path = write(tmp_path / "a.mid", notes)
    starts = [s.start_beat / 8 for s in cut(path)]
    assert starts == [i for i in range(20) if i != 7]
    assert [s.start_beat / 8 for s in cut(path, max_segments=3)] == [0, 10, 19]


def test_tracks_have_unique_names_without_a_name_in_the_file(tmp_path):
    midi = pretty_midi.PrettyMIDI()
    for name in ("", "Flute\x00 I", "Flute\x00 I"):
        instrument = pretty_midi.Instrument(73, name=name)
        instrument.notes.append(pretty_midi.Note(80, 60, 0, 1))
        midi.instruments.append(instrument)
    midi.write(str(tmp_path / "a.mid"))
    names = [track.name for track in read_midi(tmp_path / "a.mid").tracks]
    assert names == ["00-Flute", "01-Flute I", "02-Flute I"]


def test_notes_of_real_files_are_on_ticks_and_beats_agree_with_seconds(real_files):
    for path in real_files:
        score = read_midi(path)
        resolution = mido.MidiFile(path).ticks_per_beat
        for track in score.tracks:
            assert score.seconds_at(track.start_beat) == approx(track.start_seconds, abs=1e-6)
            assert score.seconds_at(track.end_beat) == approx(track.end_seconds, abs=1e-6)
            ticks = track.start_beat * resolution
            assert ticks == approx(np.rint(ticks))


def test_segments_of_real_files_are_within_their_spans(real_files):
    for path in real_files:
        score = read_midi(path)
        for track in score.tracks:
            for segment in segments_of(track, score):
                steps = min(round((segment.end_beat - segment.start_beat) * 24), 192)
                assert segment.step.min() >= 0
                assert segment.length.min() >= 1
                assert (segment.step + segment.length).max() <= steps


def broken_files(folder):
    good = write(folder / "good.mid", [(60, 0, 1), (62, 1, 2)]).read_bytes()
    (folder / "folder.mid").mkdir()
    smpte = good[:12] + bytes([0xE7, 0x28]) + good[14:]
    zero = good[:12] + bytes(2) + good[14:]
    return {
        "empty": b"",
        "text": b"this is not music" * 50,
        "header": good[:14],
        "truncated": good[:-6],
        "smpte": smpte,
        "zero-ticks": zero,
        "no-notes": write(folder / "none.mid", []).read_bytes(),
        "days": write(folder / "d.mid", [(60, 0, 1), (60, 20000, 20001)], [(0, 10)]).read_bytes(),
        "metre": write(folder / "m.mid", [(60, 0, 9)], signatures=[(0, 1, 1024)]).read_bytes(),
        "measures": write(folder / "n.mid", [(60, 0, 9000)], signatures=[(0, 1, 64)]).read_bytes(),
    }


def test_broken_file_raises_midi_error_with_its_name(tmp_path):
    for name, content in broken_files(tmp_path).items():
        (tmp_path / f"{name}.mid").write_bytes(content)
        with pytest.raises(MidiError, match=f"{name}.mid cannot be read: .+"):
            read_midi(tmp_path / f"{name}.mid")
    for name in ("missing", "folder"):
        with pytest.raises(MidiError, match=f"{name}.mid cannot be read: .+"):
            read_midi(tmp_path / f"{name}.mid")


def test_damaged_bytes_raise_only_midi_error(tmp_path):
    draw = random.Random(3)
    notes = [(draw.randrange(128), b / 2, b / 2 + 1) for b in range(30)]
    good = write(tmp_path / "a.mid", notes, signatures=[(0, 4, 4)]).read_bytes()
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(draw.choice((1, 3, 10))):
            bad[draw.randrange(len(bad))] = draw.randrange(256)
        (tmp_path / "b.mid").write_bytes(bad[: draw.choice((len(bad), draw.randrange(len(bad))))])
        try:
            score = read_midi(tmp_path / "b.mid")
        except MidiError:
            continue
        for track in score.tracks:
            segments_of(track, score, max_segments=4)
