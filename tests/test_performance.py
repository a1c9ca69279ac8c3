"""Performance features of whole parts, against slow loops and values counted by hand."""

import numpy as np
import pretty_midi
import pytest

from camil.midi.performance import AMONG, OWN, among_features, own_features, performance
from camil.midi.score import read_midi

SECOND = 0.5  # of a quarter note, at 120


def a_part(program, notes, name, drum=False):
    """Notes are pitch, begin and end in quarter notes, velocity."""
    part = pretty_midi.Instrument(program, drum, name)
    for pitch, begin, end, velocity in notes:
        part.notes.append(pretty_midi.Note(velocity, pitch, begin * SECOND, end * SECOND))
    return part


def written(folder, *parts):
    midi = pretty_midi.PrettyMIDI(resolution=480)
    midi.instruments += parts
    midi.write(str(folder / "song.mid"))
    return read_midi(folder / "song.mid")


def named(score, features, names):
    """The features of each part: values by feature name, by the name of the part."""
    rows = [dict(zip(names, row.tolist(), strict=True)) for row in features]
    return {track.name[3:]: row for track, row in zip(score.tracks, rows, strict=True)}


def random_part(random, program, name, drum=False):
    begins = np.sort(random.choice(96, random.integers(12, 40), replace=True)) / 4
    pitches = random.choice([36, 38, 42], len(begins)) if drum else random.integers(40, 80, 200)
    taken, notes = set(), []
    for begin, pitch in zip(begins, pitches, strict=False):
        if (begin, pitch) not in taken:  # a note that begins again would end the one before
            taken.add((begin, pitch))
            later = [b for b, p in taken if p == pitch and b > begin]
            end = min([begin + random.integers(1, 9) / 4, *later])
            notes.append((int(pitch), begin, end, int(random.integers(30, 127))))
    return a_part(program, notes, name, drum)


@pytest.fixture
def score(tmp_path):
    random = np.random.default_rng(3)
    parts = [random_part(random, program, f"part {program}") for program in (0, 33, 48, 73)]
    parts[2].notes += [
        pretty_midi.Note(60, note.pitch + 12, note.start, note.end) for note in parts[0].notes
    ]
    return written(tmp_path, *parts, random_part(random, 0, "drums", drum=True))


def cells_of(track):
    return [int(np.floor(begin * 12 + 0.5)) for begin in track.start_beat]


def sounding(track):
    """Pitches in each cell."""
    found = {}
    ends = [int(np.floor(end * 12 + 0.5)) for end in track.end_beat]
    for begin, end, pitch in zip(cells_of(track), ends, track.pitch, strict=True):
        for cell in range(begin, max(end, begin + 1)):
            found.setdefault(cell, set()).add(int(pitch))
    return found


def among_by_loops(score, track):
    parts = [one for one in score.tracks if not one.is_drum]
    others = [one for one in parts if one is not track]
    drums = [one for one in score.tracks if one.is_drum]
    mine, cells = sounding(track), set(cells_of(track))
    every = [sounding(one) for one in parts]
    row = {
        "share": len(track.pitch) / sum(len(one.pitch) for one in score.tracks),
        "others": len(others),
        "drum_rate": sum(len(one.pitch) for one in drums) / score.measures[-1],
    }
    for name, plural, pitches in (("kick", "kicks", [36]), ("snare", "snares", [38]),
                                  ("hat", "hats", [42])):  # fmt: skip
        hits = {
            cell
            for one in drums
            for cell, pitch in zip(cells_of(one), one.pitch, strict=True)
            if pitch in pitches
        }
        row[f"with_{name}"] = len(cells & hits) / len(cells)
        row[f"{plural}_met"] = len(cells & hits) / len(hits)
    there = [[one[cell] for one in every if cell in one] for cell in mine]
    own = [mine[cell] for cell in mine]
    pairs = list(zip(own, there, strict=True))
    row["lowest"] = np.mean([min(me) <= min(map(min, all_)) for me, all_ in pairs])
    row["highest"] = np.mean([max(me) >= max(map(max, all_)) for me, all_ in pairs])
    row["alone"] = np.mean([len(all_) == 1 for all_ in there])
    row["sounding"] = np.mean([len(all_) for all_ in there])
    met = [len(cells & set(cells_of(one))) for one in others]
    together = [count / len(cells) for count in met]
    row["together_most"], row["together_mean"] = max(together), np.mean(together)
    row["met_most"] = max(
        count / len(set(cells_of(one))) for count, one in zip(met, others, strict=True)
    )

    def keys(one, octave):
        return {(c, int(p) % octave) for c, p in zip(cells_of(one), one.pitch, strict=True)}

    unison, double = (
        [len(keys(track, n) & keys(one, n)) / len(keys(track, n)) for one in others]
        for n in (128, 12)
    )
    row["unison"] = max(unison)
    row["octaves"] = max(d - u for d, u in zip(double, unison, strict=True))
    row["unisons"] = sum(value > 0.5 for value in unison)
    row["doublings"] = sum(value > 0.5 for value in double)
    all_classes = set().union(*(keys(one, 12) for one in others))
    notes = zip(cells_of(track), track.pitch, strict=True)
    row["fits"] = np.mean([(c, int(p) % 12) in all_classes for c, p in notes])
    nearest = others[int(np.argmax(together))]
    tops = [
        {c: max(int(p) for d, p in zip(cells_of(one), one.pitch, strict=True) if d == c)
         for c in cells_of(one)}
        for one in (track, nearest)
    ]  # fmt: skip
    row["distance"] = np.median([tops[0][c] - tops[1][c] for c in tops[0].keys() & tops[1].keys()])
    return row


def test_relations_between_parts_match_slow_loops(score):
    found = named(score, among_features(score), AMONG)
    parts = [track for track in score.tracks if not track.is_drum]
    assert len(parts) == 4
    for track in parts:
        expected = among_by_loops(score, track)
        assert found[track.name[3:]] == pytest.approx(expected, rel=1e-5), track.name
    assert found["part 0"]["octaves"] > 0.9  # part 48 doubles it an octave above
    assert found["part 0"]["doublings"] == 1


def test_a_single_part_and_drums_have_no_relations(tmp_path):
    score = written(tmp_path, a_part(0, [(60, 0, 1, 80), (62, 1, 2, 80)], "alone"))
    row = named(score, among_features(score), AMONG)["alone"]
    assert (row["share"], row["others"], row["alone"], row["sounding"]) == (1, 0, 1, 1)
    assert np.isnan(
        [row[name] for name in ("with_kick", "together_most", "fits", "distance")]
    ).all()


def test_touch_and_timing_match_hand_counts(tmp_path):
    notes = [(60, 0, 1, 40), (64, 1, 2 - 1 / 48, 60), (67, 2 + 1 / 96, 3 + 1 / 96, 80)]
    notes += [(72, 3, 4, 100)]
    score = written(tmp_path, a_part(0, notes, "part"))
    row = named(score, own_features(score), OWN)["part"]
    assert (row["velocity"], row["velocities"]) == (70, 4)
    assert (row["velocity_lowest"], row["velocity_highest"]) == (40, 100)
    assert row["velocity_deviation"] == pytest.approx(np.std([40, 60, 80, 100]))
    assert row["off_grid"] == pytest.approx(0.25 / 4)  # one of four is a quarter of a step late
    assert row["off_sixteenth"] == pytest.approx(0.25 / 6 / 4)
    assert row["end_off_grid"] == pytest.approx(0.5 / 4)
    assert row["end_before_grid"] == pytest.approx(1 / 4)
    assert row["seconds_50"] == pytest.approx(0.5)
    assert row["notes"] == pytest.approx(np.log(4))
    assert (row["first"], row["last"], row["active"]) == (0, 0.5, 0.5)  # two measures are read
    assert row["beats"] == 8


def test_gestures_are_counted_per_note_of_their_channel(tmp_path):
    bent = a_part(27, [(60, beat, beat + 1, 80) for beat in range(4)], "bent")
    bent.pitch_bends += [
        pretty_midi.PitchBend(value, 0.1 * index)
        for index, value in enumerate([0, 1000, 2000, -500, 0])
    ]
    changes = [(1, 64), (1, 0), (64, 127), (7, 90)]
    bent.control_changes += [
        pretty_midi.ControlChange(number, value, 0.2 * index)
        for index, (number, value) in enumerate(changes)
    ]
    score = written(tmp_path, bent, a_part(0, [(60, 0, 1, 80), (62, 1, 2, 80)], "plain"))
    found = named(score, own_features(score), OWN)
    bent, plain = found["bent"], found["plain"]
    assert bent["bends"] == pytest.approx(np.log1p(5 / 4))
    assert bent["bend_spread"] == pytest.approx(np.std([0, 1000, 2000, -500, 0]))
    assert (bent["bends_up"], bent["bends_down"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert bent["modulation"] == pytest.approx(np.log1p(2 / 4))
    assert bent["modulation_mean"] == 32
    assert bent["sustain_mean"] == 127
    assert np.isnan(bent["expression_mean"])
    assert (plain["bends"], plain["modulation"], plain["pressure"]) == (0, 0, 0)


def test_performance_features_do_not_depend_on_programs(score, tmp_path):
    before = performance(score)
    assert before.shape == (5, len(OWN) + len(AMONG))
    for track in score.tracks:
        track.program = 5
    np.testing.assert_array_equal(performance(score), before)
