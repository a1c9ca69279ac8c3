"""Notes and audio of a segment agree in time, by hand counts and by onset detection in audio."""

import mido
import numpy as np
import pytest

from camil.audio import MelSpectrogram
from camil.midi.score import read_midi
from camil.midi.segments import segments_of
from camil.sources.midi_folder import MidiFolder
from camil.sources.protocol import Song

TICKS = 480
PIZZICATO, HIGH = 45, 84
# Beats (quarter notes): tempo from there on in bpm; numerator and denominator from there on.
TEMPI = [(0, 100), (6, 150), (13, 71), (29.5, 200)]
METRES = [(0, 1, 4), (1, 4, 4), (9, 6, 8), (18, 7, 8), (25, 3, 4)]  # a pick-up of one quarter
# Straight, swung (2/3 of the beat), syncopated, and just across the bar lines.
CLICKS = [
    0,
    1,
    2 + 2 / 3,
    4,
    5.5,
    7 + 2 / 3,
    8.25,
    9,
    10.5,
    12,
    13.5,
    15,
    16.5,
    17.75,
    18,
    19.5,
    21.5,
]
CLICKS += [23.5, 25, 26, 27 + 1 / 3, 28, 30, 31, 33, 34, 35]


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    conductor = [(b, mido.MetaMessage("set_tempo", tempo=round(6e7 / bpm))) for b, bpm in TEMPI]
    conductor += [
        (beat, mido.MetaMessage("time_signature", numerator=above, denominator=below))
        for beat, above, below in METRES
    ]
    played = [(0, mido.Message("program_change", program=PIZZICATO))]
    for beat in CLICKS:
        played.append((beat, mido.Message("note_on", note=HIGH, velocity=110)))
        played.append((beat + 0.1, mido.Message("note_off", note=HIGH)))
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    for events in (conductor, played):
        track, now = mido.MidiTrack(), 0
        for beat, message in sorted(events, key=lambda event: event[0]):
            tick = round(beat * TICKS)
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    path = tmp_path_factory.mktemp("clicks") / "clicks.mid"
    midi.save(path)
    return path


def seconds_by_hand(beat):
    total = 0.0
    for (begin, bpm), (end, _) in zip(TEMPI, [*TEMPI[1:], (np.inf, 0)], strict=True):
        total += max(min(beat, end) - begin, 0) * 60 / bpm
    return total


def test_pairs_of_measures_begin_on_the_counted_downbeats(clicks):
    """A pick-up, 4/4, 6/8 (three quarters), 7/8 (three and a half) and 3/4: bars by hand."""
    score = read_midi(clicks)
    segments = segments_of(score.tracks[0], score)
    pairs = [(0, 5), (5, 12), (12, 18), (18, 25), (25, 31), (31, 37)]
    assert [(segment.start_beat, segment.end_beat) for segment in segments] == pairs
    for segment in segments:
        assert segment.start_seconds == pytest.approx(seconds_by_hand(segment.start_beat))
        assert segment.end_seconds == pytest.approx(seconds_by_hand(segment.end_beat))
        assert segment.bpm == pytest.approx(
            60
            * (segment.end_beat - segment.start_beat)
            / (segment.end_seconds - segment.start_seconds)
        )


def test_straight_and_swung_notes_are_on_their_steps(clicks):
    score = read_midi(clicks)
    for segment in segments_of(score.tracks[0], score):
        inside = [beat for beat in CLICKS if segment.start_beat <= beat < segment.end_beat]
        by_hand = [round(24 * (beat - segment.start_beat)) for beat in inside]
        assert segment.step.tolist() == by_hand
    swung = 24 * (2 + 2 / 3)
    assert round(swung) == 64  # two thirds of a beat are sixteen steps


def onsets(audio, rate):
    """Onsets in seconds: where the level rises above the maximum of the 30 ms before."""
    size = rate // 1000
    power = (audio[: len(audio) // size * size].reshape(-1, size) ** 2).sum(axis=1)
    found, last = [], -1.0
    for i in range(len(power)):
        before = power[max(i - 30, 0) : i].max(initial=1e-7)
        if power[i] > 8 * before and i / 1000 - last > 0.06:
            last = i / 1000
            found.append(last)
    return found


def test_rendered_onsets_are_within_a_frame_of_their_notes(clicks):
    source = MidiFolder(clicks.parent, sample_rate=16000)
    (track,) = source.read(Song("clicks", clicks, None))
    detected_in_all = 0
    for segment in track.segments:
        length = segment.end_seconds - segment.start_seconds
        frame = length / 281
        audio = track.audio(segment)
        expected = [
            seconds_by_hand(segment.start_beat + step / 24) - segment.start_seconds
            for step in segment.step.tolist()
        ]
        detected = onsets(audio, 16000)
        assert len(detected) == len(expected), (segment.start_beat, detected, expected)
        np.testing.assert_allclose(detected, expected, rtol=0, atol=frame)
        detected_in_all += len(detected)

        mel = MelSpectrogram(16000)(audio).astype(float).max(axis=0)
        for seconds in expected:  # and in the picture: from the frame on, not before it
            k = round(seconds / frame)
            window = 512 / 16000 / 2 / frame  # a frame covers half a window ahead
            before = mel[max(k - int(np.ceil(window)) - 2, 0)]
            after = mel[min(k + 1, 281)]
            assert after > before or k == 0
    assert detected_in_all == len(CLICKS)
