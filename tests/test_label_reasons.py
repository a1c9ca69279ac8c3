"""Tests of the sentence that explains a label."""

import numpy as np
import pretty_midi
import pytest

from camil import read_midi
from camil.labelling.networks import TrackReading
from camil.labelling.reasons import DRUMS, MOST_NEIGHBOURS, reason_for
from camil.midi.instruments import FAMILIES, INSTRUMENTS


class FromContext:
    """A labeller with known dependences: Pipe has .2 alone, .3 more beside the part "bass", and .1
    more beside drums; ``agreeing`` of four segments have Pipe."""

    classes = INSTRUMENTS
    instruments = FAMILIES

    def __init__(self, agreeing=1, base=0.2, other=float("nan")):
        self.agreeing, self.base, self.other, self.calls = agreeing, base, other, 0

    def __call__(self, tracks, score):
        self.calls += 1
        assert tracks == [track for track in score.tracks if not track.is_drum]
        with_bass = any("bass" in track.name for track in tracks)
        with_drums = any(track.is_drum for track in score.tracks)
        share = self.base + 0.3 * with_bass + 0.1 * with_drums
        pipe, reed = (INSTRUMENTS.index(name) for name in ("Pipe", "Reed"))
        track = np.zeros(8)
        track[[pipe, reed]] = share, 1 - share
        segments = np.eye(8)[[pipe] * self.agreeing + [reed] * (4 - self.agreeing)]
        spans = np.arange(8.0).reshape(4, 2)
        return [
            None if "silent" in one.name else TrackReading(spans, segments, track, self.other)
            for one in tracks
        ]


def song_of(tmp_path, parts):
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for name, pitch, drum in parts:
        part = pretty_midi.Instrument(0, is_drum=drum, name=name)
        for i in range(16):
            part.notes += [pretty_midi.Note(80, pitch + k, i / 2, i / 2 + 0.4) for k in (0, 4)]
        midi.instruments.append(part)
    midi.write(str(tmp_path / "song.mid"))
    return read_midi(tmp_path / "song.mid")


PARTS = [("flute", 72, False), ("bass", 36, False), ("chords", 60, False), ("kit", 40, True)]


def test_label_that_needs_its_song_names_the_part_it_depends_on_most(tmp_path):
    song = song_of(tmp_path, PARTS)
    reason = reason_for(song, FromContext(), "00-flute")
    assert reason.label == "Pipe"
    assert (reason.probability, reason.alone) == pytest.approx((0.6, 0.2))
    assert (reason.neighbour, reason.without_neighbour) == ("01-bass", pytest.approx(0.3))
    assert (reason.agreeing, reason.segments, reason.level) == (1, 4, "song")
    assert (reason.lower, reason.others, reason.median_pitch) == (2, 2, 74)
    assert reason.notes_at_once == 2
    assert reason.sentence == (
        "Pipe (60 %) because of the other parts: 1 of 4 segments agree, as the only part Pipe "
        "would have 20 %, without 01-bass 30 %; it is the highest of 3 parts (median D5), with "
        "2.0 notes per onset."
    )


@pytest.mark.parametrize(("agreeing", "level"), [(4, "segments"), (3, "segments"), (2, "part")])
def test_label_of_the_part_alone_rests_on_its_segments_or_on_the_whole(tmp_path, agreeing, level):
    song = song_of(tmp_path, PARTS[:1])
    reason = reason_for(song, FromContext(agreeing, base=0.9), "00-flute")
    assert reason.level == level
    assert reason.neighbour == ""
    assert reason.sentence.startswith(f"Pipe (90 %) from {'its own' if agreeing > 2 else 'the'}")
    assert "only" not in reason.sentence


def test_label_of_segments_that_the_part_alone_would_not_have_rests_on_the_others_too(tmp_path):
    reason = reason_for(song_of(tmp_path, PARTS), FromContext(agreeing=4), "00-flute")
    assert reason.level == "segments"
    assert reason.sentence.startswith(
        "Pipe (60 %) from its own measures and the other parts: 4 of 4 segments agree, "
        "as the only part Pipe would have 20 %"
    )


def test_label_that_most_segments_have_rests_on_the_segments(tmp_path):
    reason = reason_for(song_of(tmp_path, PARTS), FromContext(agreeing=3), "00-flute")
    assert (reason.level, reason.alone) == ("segments", pytest.approx(0.2))


def test_drums_can_be_the_neighbour(tmp_path):
    song = song_of(tmp_path, [PARTS[0], PARTS[3]])
    reason = reason_for(song, FromContext(base=0.6), "00-flute")
    assert (reason.neighbour, reason.without_neighbour) == (DRUMS, pytest.approx(0.6))


def test_label_below_the_threshold_is_uncertain(tmp_path):
    reason = reason_for(song_of(tmp_path, PARTS), FromContext(), "00-flute", threshold=0.7)
    assert reason.level == "none"
    assert reason.sentence.startswith("Uncertain between Pipe (60 %) and Reed (40 %): 1 of 4")


def test_other_is_explained_without_segments(tmp_path):
    reason = reason_for(song_of(tmp_path, PARTS[:2]), FromContext(other=0.9), "00-flute")
    assert (reason.label, reason.probability, reason.segments) == ("other", pytest.approx(0.9), 0)
    assert reason.sentence.startswith("None of the classes (90 %) from the part as a whole")
    assert "segments" not in reason.sentence


def test_number_of_readings_is_bounded(tmp_path):
    parts = [(f"part {number}", 40 + number, False) for number in range(20)]
    labeller = FromContext()
    reason_for(song_of(tmp_path, parts), labeller, "00-part 0")
    assert labeller.calls == MOST_NEIGHBOURS + 2


def test_part_without_a_reading_has_no_reason_and_unknown_name_raises(tmp_path):
    song = song_of(tmp_path, [("silent", 60, False), PARTS[1]])
    assert reason_for(song, FromContext(), "00-silent") is None
    with pytest.raises(ValueError, match="no pitched part 'flute'; it has 00-silent, 01-bass"):
        reason_for(song, FromContext(), "flute")
