import pickle

import librosa
import numpy as np
import pytest
import soundfile

from camil.audio import MelSpectrogram, Recording, SoundFont, default_soundfont

approx = pytest.approx

RATE = 24000
PIANO, ORGAN, PADS, PIZZICATO, FLUTE = 0, 19, 50, 45, 73


@pytest.fixture(scope="module")
def soundfont():
    return SoundFont(default_soundfont(), RATE)


def random_track(seed, notes=120, seconds=40):
    draw = np.random.default_rng(seed)
    start = np.sort(draw.uniform(0, seconds, notes))
    end = start + draw.choice([0.1, 0.4, 1.0, 6.0], notes)
    pitch = draw.integers(36, 84, notes)
    for i in range(notes):  # a key is struck again only after it was released
        later = start[i + 1 :][pitch[i + 1 :] == pitch[i]]
        end[i] = min([end[i], *later])
    return pitch, draw.integers(30, 120, notes), start, end


def one_note(start, end, pitch=60):
    return np.array([pitch]), np.array([100]), np.array([start]), np.array([end])


def test_mel_matches_librosa_if_the_hop_is_an_integer():
    draw = np.random.default_rng(0)
    for hop in (128, 341, 512):
        audio = draw.normal(size=281 * hop + 1).astype(np.float32)
        audio *= np.linspace(0, 1, len(audio), dtype=np.float32) ** 3
        power = librosa.feature.melspectrogram(
            y=audio, sr=RATE, n_fft=1024, win_length=512, hop_length=hop, n_mels=128,
            center=True, pad_mode="constant",
        )  # fmt: skip
        expected = librosa.power_to_db(power, ref=np.max, amin=1e-20, top_db=80)
        mel = MelSpectrogram()(audio)
        assert mel.shape == (128, 282)
        assert mel.dtype == np.float16
        np.testing.assert_allclose(mel.astype(float), expected, atol=0.05)  # float16 near 80


def test_mel_frames_are_spread_evenly_over_any_length():
    mel = MelSpectrogram()
    for samples in (30000, 95991, 140001):
        for position in (0.0, 0.25, 0.5, 1.0):
            audio = np.zeros(samples, dtype=np.float32)
            audio[round(position * (samples - 1))] = 1
            loud = np.flatnonzero(mel(audio).max(axis=0) > -20)
            assert loud.mean() == approx(position * 281, abs=2.5)


def test_mel_is_relative_to_the_loudest_bin_and_silence_is_the_floor():
    audio = np.random.default_rng(0).normal(size=50000)
    mel = MelSpectrogram()
    assert mel(audio).max() == 0
    np.testing.assert_allclose(mel(audio), mel(audio * 1e-3), atol=0.05)
    for silence in (np.zeros(50000), np.zeros(1), np.zeros(0)):
        assert (mel(silence) == -80).all()
    assert mel(audio).min() >= -80


def test_a_pickled_spectrogram_gives_the_same_mel():
    audio = np.random.default_rng(0).normal(size=50000).astype(np.float32)
    mel = MelSpectrogram()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mel))(audio), mel(audio))


def test_a_window_longer_than_the_transform_raises():
    with pytest.raises(ValueError, match="window"):
        MelSpectrogram(window=4096)


def test_rendered_notes_have_their_pitch(soundfont):
    for program, pitch in ((FLUTE, 81), (ORGAN, 57), (PIANO, 69)):
        audio = soundfont.render(program, *one_note(0.1, 2.0, pitch), 0.5, 1.5)
        assert len(audio) == RATE
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(RATE)))
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        harmonic = np.argmax(spectrum) / hertz
        assert harmonic == approx(round(harmonic), rel=0.01)
        assert round(harmonic) >= 1


@pytest.mark.parametrize("onset", [10.0, 10.37, 11.111, 12.9])
def test_a_rendered_onset_is_in_the_frame_of_its_note(soundfont, onset):
    begin, end = 10.0, 14.0
    audio = soundfont.render(PIANO, *one_note(onset, onset + 0.5, 84), begin, end)
    loud = MelSpectrogram()(audio).max(axis=0) > -30
    frame_seconds = (end - begin) / 281
    first = np.flatnonzero(loud)[0] * frame_seconds
    # The window of 512 samples contains an onset half a window ahead.
    assert onset - begin - 0.0125 - frame_seconds <= first <= onset - begin + frame_seconds


def test_rendering_does_not_depend_on_earlier_calls(soundfont):
    calls = [(p, *random_track(p), b, b + 4) for p in (PIANO, PADS, PIZZICATO) for b in (0, 9, 33)]
    first = [soundfont.render(*call) for call in calls]
    again = [soundfont.render(*call) for call in reversed(calls)][::-1]
    fresh = [pickle.loads(pickle.dumps(soundfont)).render(*call) for call in calls]
    for a, b, c in zip(first, again, fresh, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("program", [PIANO, ORGAN, PIZZICATO, FLUTE, 30, 33, 61, 65])
def test_a_span_equals_the_same_span_of_the_whole_track(soundfont, program):
    track = random_track(program)
    whole = soundfont.render(program, *track, 0, 48)
    mel = MelSpectrogram()
    for begin in (0.0, 5.7312, 17.2, 30.0001, 39.0):
        part = soundfont.render(program, *track, begin, begin + 4)
        first = round(begin * RATE)
        expected = whole[first : first + len(part)]
        assert np.abs(part - expected).max() <= 2e-3 * np.abs(expected).max()
        difference = np.abs(mel(part).astype(float) - mel(expected))
        assert difference.max() <= 1  # dB
        assert difference.mean() <= 0.01


def test_a_held_note_sounds_on_in_the_span_and_a_finished_one_does_not(soundfont):
    held = soundfont.render(ORGAN, *one_note(1.0, 9.0), 5, 7)
    gone = soundfont.render(ORGAN, *one_note(1.0, 2.0), 5, 7)
    assert np.abs(held).max() > 0.01
    assert len(gone) == len(held)
    assert not gone.any()


def test_the_first_note_of_the_next_span_is_not_audible(soundfont):
    for next_begin in (4.0, 4.0013, 4.0025):
        audio = soundfont.render(PIZZICATO, *one_note(next_begin, 5), 1, next_begin)
        assert not audio.any()


def test_a_chord_of_loud_notes_does_not_clip(soundfont):
    notes = (np.arange(48, 84, 3), np.full(12, 127), np.zeros(12), np.full(12, 2.0))
    for program in (PIANO, 30, ORGAN, 48, 61):
        assert 0.01 < np.abs(soundfont.render(program, *notes, 0, 2)).max() < 1


def test_an_invalid_soundfont_raises(tmp_path, soundfont):
    (tmp_path / "text.sf2").write_text("no samples")
    with pytest.raises(ValueError, match=r"text.sf2 cannot be read as a soundfont"):
        SoundFont(tmp_path / "text.sf2").presets  # noqa: B018
    with pytest.raises(ValueError, match=r"none.sf2 is missing"):
        SoundFont(tmp_path / "none.sf2").presets  # noqa: B018
    with pytest.raises(ValueError, match="no program 200"):
        soundfont.render(200, *one_note(0, 1), 0, 1)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
@pytest.mark.parametrize("rate", [16000, 24000, 44100])
def test_a_span_of_a_recording_is_that_span_resampled(tmp_path, rate, suffix):
    path = tmp_path / f"a.{suffix}"
    time = np.arange(5 * rate) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * time), rate)
    for begin in (0.0, 1.23, 2.9):
        audio = Recording(path, RATE).span(begin, begin + 1.5)
        expected = 0.5 * np.sin(2 * np.pi * 440 * (begin + np.arange(36000) / RATE))
        assert audio.shape == (36000,)
        np.testing.assert_allclose(audio[200:], expected[200:], atol=5e-3)


def test_a_recording_that_ends_early_is_filled_with_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(RATE, 0.5), RATE)
    recording = Recording(tmp_path / "a.wav", RATE)
    audio = recording.span(0.5, 2.0)
    assert audio[:12000] == approx(0.5, abs=1e-4)
    assert not audio[12000:].any()
    assert not recording.span(3.0, 4.0).any()


def test_an_unreadable_recording_raises(tmp_path):
    (tmp_path / "a.flac").write_bytes(b"fLaC but no more")
    for name in ("a.flac", "missing.flac"):
        with pytest.raises(ValueError, match=f"{name} cannot be read"):
            Recording(tmp_path / name, RATE).span(0, 1)
