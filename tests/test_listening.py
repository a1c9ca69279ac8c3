"""Tests of the audio clips."""

import base64
import io

import numpy as np
import pretty_midi
import pytest
import soundfile

from camil.midi.score import read_midi
from camil.widgets.listening import busiest_start, clip, perform, player

RATE = 16000


def tone(hertz, amplitude, seconds=2.0, rate=RATE):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def song(tmp_path):
    """Eight seconds of bass alone, then flute and bass with drums, at 120."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for program, drum, pitch, begin in ((33, False, 36, 0), (73, False, 72, 16), (0, True, 38, 16)):
        part = pretty_midi.Instrument(program, is_drum=drum)
        part.notes += [pretty_midi.Note(90, pitch, i / 2, i / 2 + 0.4) for i in range(begin, 40)]
        midi.instruments.append(part)
    midi.write(str(tmp_path / "song.mid"))
    return read_midi(tmp_path / "song.mid")


def test_997_hz_tone_has_the_loudness_of_the_standard():
    # ITU-R BS.1770: a sine of 997 Hz at full scale in one channel is at -3.01 LUFS.
    clipped = clip(tone(997, 0.05), RATE)[RATE // 2 : RATE]
    amplitude = np.sqrt(2 * np.mean(clipped**2))
    assert 20 * np.log10(amplitude) - 3.01 == pytest.approx(-20, abs=0.1)


def test_loud_and_soft_recordings_become_equal():
    soft, loud = clip(tone(440, 0.01), RATE), clip(tone(440, 0.5), RATE)
    assert soft == pytest.approx(loud, abs=1e-4)


def test_pauses_do_not_change_the_gain():
    tone_alone, pauses = tone(440, 0.1), np.zeros(4 * RATE)
    after = clip(np.concatenate([tone_alone, pauses]), RATE)
    assert np.abs(after).max() == pytest.approx(np.abs(clip(tone_alone, RATE)).max(), rel=0.06)


def test_ends_are_faded_and_length_is_capped():
    clipped = clip(np.ones(20 * RATE), RATE)
    assert len(clipped) == 6 * RATE
    assert clipped[0] == 0
    assert abs(clipped[-1]) < 0.02 * clipped[4000]
    assert (np.diff(clipped[:80]) > 0).all()
    assert np.ptp(clipped[80:-80]) == 0


@pytest.mark.parametrize("audio", [np.zeros(0), np.zeros(RATE), tone(440, 0.1, 0.05), np.ones(1)])
def test_silent_and_very_short_clips_are_accepted(audio):
    clipped = clip(audio, RATE)
    assert clipped.shape == audio.shape
    assert np.isfinite(clipped).all()
    assert np.abs(clipped).max(initial=0) <= 0.99


def test_peaks_are_limited():
    click = np.zeros(RATE)
    click[::2000] = 1.0
    assert np.abs(clip(click, RATE)).max() == pytest.approx(0.99)


def test_player_contains_the_clip_unchanged():
    html = player(tone(440, 0.01, seconds=9), RATE)._repr_html_()
    data = base64.b64decode(html.split("base64,")[1].split('"')[0])
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.format, file.subtype) == ("FLAC", "PCM_16")
        assert (file.channels, file.samplerate) == (1, RATE)
        samples = file.read()
    assert samples == pytest.approx(clip(tone(440, 0.01, seconds=6), RATE), abs=1e-4)
    assert np.abs(samples).max() < 0.5


def test_busiest_start_maximizes_sounding_tracks(song):
    assert busiest_start(song, seconds=4) == 8
    assert busiest_start(song, song.tracks[0], seconds=4) == 0
    assert busiest_start(song, song.tracks[1], seconds=4) == 8


def test_song_is_the_sum_of_its_tracks(song):
    parts = sum(perform(song, 8, 2, only=track.name) for track in song.tracks)
    assert perform(song, 8, 2) == pytest.approx(parts, abs=1e-6)
    assert all(np.abs(perform(song, 8, 2, only=track.name)).max() > 0.01 for track in song.tracks)


def test_program_change_affects_pitched_tracks_only(song):
    flute, drums = song.tracks[1].name, song.tracks[2].name
    written, labelled = (perform(song, 8, 2, p, only=flute) for p in ({}, {flute: 71}))
    assert np.abs(written - labelled).max() > 0.05
    assert np.array_equal(
        perform(song, 8, 2, {flute: 71}, only=drums), perform(song, 8, 2, only=drums)
    )


def test_span_is_cut_at_the_end_of_the_song(song):
    assert len(perform(song, 18, 8)) == pytest.approx((19.9 + 1 - 18) * RATE, abs=RATE * 0.02)
    assert len(perform(song, 100, 8)) == 0
