"""Audio clips for notebooks: short, of equal loudness, faded at both ends."""

import io
from collections.abc import Mapping
from functools import cache

import numpy as np
import pyloudnorm
import soundfile
from IPython.display import Audio

from camil.audio import SoundFont, default_soundfont
from camil.midi.score import Score, Track

CLIP_SECONDS = 6.0  # the longest clip: about 150 kB in an executed notebook
CLIP_RATE = 16000  # Hz, of clips rendered from MIDI
LOUDNESS = -20.0  # LUFS: below the level of commercial recordings, so that most peaks fit
FADE_SECONDS = 0.005


def clip(audio: np.ndarray, sample_rate: int, seconds: float = CLIP_SECONDS) -> np.ndarray:
    """Cut, fade and normalize a recording.

    All clips have a loudness of -20 LUFS (ITU-R BS.1770-4: K-weighted and gated), so that a flute
    and a bass differ in timbre and not in level. A clip whose peaks would exceed 0.99 is scaled to
    that peak and is quieter. Five milliseconds at both ends are faded, because a cut within a sound
    clicks.

    Args:
        audio: ``(samples,)``, mono.
        sample_rate: in Hz.
        seconds: longest duration; the rest is cut off.

    Returns:
        ``(samples,)`` float32; silence stays silent.
    """
    audio = np.array(audio[: round(seconds * sample_rate)], dtype=np.float32)
    fade = min(round(FADE_SECONDS * sample_rate), len(audio) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        audio[:fade] *= ramp
        audio[-fade:] *= ramp[::-1]
    meter = pyloudnorm.Meter(sample_rate)
    # The meter needs a block of 0.4 s; shorter clips are padded with silence for measuring.
    block = round(meter.block_size * sample_rate) + 1
    loudness = meter.integrated_loudness(np.pad(audio, (0, max(block - len(audio), 0))))
    peak = float(np.abs(audio).max(initial=0))
    if not np.isfinite(loudness) or peak == 0:
        return audio
    return audio * min(10 ** ((LOUDNESS - loudness) / 20), 0.99 / peak)


def player(audio: np.ndarray, sample_rate: int, seconds: float = CLIP_SECONDS) -> Audio:
    """A `clip` as an audio player, with 16 bits per sample; arguments as for `clip`.

    FLAC is lossless, about half the size of WAV in an executed notebook, and all browsers play it.
    """
    file = io.BytesIO()
    samples = clip(audio, sample_rate, seconds)
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    shown = Audio(data=file.getvalue())
    shown.mimetype = "audio/flac"
    return shown


def perform(
    score: Score,
    begin: float,
    seconds: float = CLIP_SECONDS,
    programs: Mapping[str, int] | None = None,
    only: str | None = None,
    sample_rate: int = CLIP_RATE,
) -> np.ndarray:
    """Render a span of a song with the default soundfont, including drums.

    Args:
        begin: in seconds from the start of the file.
        seconds: duration; a span beyond the end of the song is cut there.
        programs: General MIDI program by track name, instead of the file's program.
        only: name of a single track to render.
        sample_rate: in Hz.

    Returns:
        ``(samples,)`` float32, mono, the sum of the tracks.
    """
    parts = [part for part in score.tracks if only in (None, part.name)]
    last = max(part.end_seconds.max() for part in score.tracks) + 1  # includes the release
    end = max(min(begin + seconds, last), begin)
    mixed = np.zeros(round((end - begin) * sample_rate), dtype=np.float32)
    font = _font(sample_rate)
    for part in parts:
        program = (programs or {}).get(part.name, part.program)
        if part.is_drum or program in font.presets:
            notes = part.pitch, part.velocity, part.start_seconds, part.end_seconds
            mixed += font.render(program, *notes, begin, end, drums=part.is_drum)
    return mixed


def busiest_start(score: Score, part: Track | None = None, seconds: float = CLIP_SECONDS) -> float:
    """The downbeat, in seconds, from which tracks sound longest in total; the first of several.

    Drums are not counted.

    Args:
        part: a single track; by default all.
        seconds: duration of the span.
    """
    pitched = [track for track in score.tracks if not track.is_drum]
    parts = [part] if part else pitched or score.tracks
    begins = score.seconds_at(score.measures[:-1])
    sounding = sum(_sounded(one, begins + seconds) - _sounded(one, begins) for one in parts)
    return float(begins[np.round(sounding, 3).argmax()])


def _sounded(part: Track, until: np.ndarray) -> np.ndarray:
    """Total time in seconds, up to each given time, in which at least one note sounds."""
    end = np.maximum.accumulate(part.end_seconds)
    begin = np.minimum(np.maximum(part.start_seconds, np.append(0, end[:-1])), end)
    done = np.cumsum(end - begin)
    times = np.stack([begin, end], axis=1).ravel()
    return np.interp(until, times, np.stack([np.append(0, done[:-1]), done], axis=1).ravel())


@cache
def _font(sample_rate: int) -> SoundFont:
    return SoundFont(default_soundfont(), sample_rate)
