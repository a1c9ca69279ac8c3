"""Clips to hear in a notebook: short, equally loud, without clicks, small."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pyloudnorm
from IPython.display import Audio

from camil.audio import SoundFont, default_soundfont
from camil.midi.score import Score, Track

CLIP_SECONDS = 8.0  # the longest clip: a third of a megabyte of an executed notebook
CLIP_RATE = 16000  # hertz; a clip of a higher rate is resampled by whoever makes it
LOUDNESS = -20.0  # LUFS: below the level of records, so that most peaks stay within -1..1
FADE_SECONDS = 0.005


def clip(audio: np.ndarray, sample_rate: int, seconds: float = CLIP_SECONDS) -> np.ndarray:
    """A recording cut short, faded and brought to a loudness that all clips have.

    Loudness is that of ITU-R BS.1770-4: frequencies weighed as the ear does, pauses left out. All
    clips are at -20 LUFS, so a flute and a bass are compared for their sound and not for their
    level. A clip whose peaks would not fit is quieter, its loudest sample at 0.99. Five
    milliseconds at both ends are faded, for what is cut in the middle of a sound would click.

    Args:
        audio: mono, ``(samples,)``.
        sample_rate: in hertz.
        seconds: the longest it may be; the rest is cut off.

    Returns:
        float32, ``(samples,)``; silence stays silent.
    """
    audio = np.array(audio[: round(seconds * sample_rate)], dtype=np.float32)
    fade = min(round(FADE_SECONDS * sample_rate), len(audio) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        audio[:fade] *= ramp
        audio[-fade:] *= ramp[::-1]
    meter = pyloudnorm.Meter(sample_rate)
    # A block of the meter is 0.4 s; what is shorter is measured with silence behind it.
    block = round(meter.block_size * sample_rate) + 1
    loudness = meter.integrated_loudness(np.pad(audio, (0, max(block - len(audio), 0))))
    peak = float(np.abs(audio).max(initial=0))
    if not np.isfinite(loudness) or peak == 0:
        return audio
    return audio * min(10 ** ((LOUDNESS - loudness) / 20), 0.99 / peak)


def player(audio: np.ndarray, sample_rate: int, seconds: float = CLIP_SECONDS) -> Audio:
    """A `clip` with a play button, 16 bits a sample.

    Args: as `clip`.
    """
    return Audio(clip(audio, sample_rate, seconds), rate=sample_rate, normalize=False)


def perform(
    score: Score,
    begin: float,
    seconds: float = CLIP_SECONDS,
    programs: Mapping[str, int] | None = None,
    only: str | None = None,
    sample_rate: int = CLIP_RATE,
) -> np.ndarray:
    """A span of a song as the default soundfont plays it, drums too.

    Args:
        begin: in seconds from the start of the file.
        seconds: how long; what lies behind the end of the song is left out.
        programs: program by name of a part, instead of the file's own.
        only: the name of the one part that is to be heard.
        sample_rate: in hertz.

    Returns:
        Mono float32 ``(samples,)``, as loud as the parts are together.
    """
    parts = [part for part in score.tracks if only in (None, part.name)]
    last = max(part.end_seconds.max() for part in score.tracks) + 1  # what rings on
    end = max(min(begin + seconds, last), begin)
    mixed = np.zeros(round((end - begin) * sample_rate), dtype=np.float32)
    font = _font(sample_rate)
    for part in parts:
        program = (programs or {}).get(part.name, part.program)
        if part.is_drum or program in font.presets:
            notes = part.pitch, part.velocity, part.start_seconds, part.end_seconds
            mixed += font.render(program, *notes, begin, end, drums=part.is_drum)
    return mixed


def telling_span(score: Score, part: Track | None = None, seconds: float = CLIP_SECONDS) -> float:
    """Where to listen in: the downbeat, in seconds, after which the most parts sound for the most
    of the time, drums not counted; the first of several.

    Args:
        part: the one part that is to be heard; by default all.
        seconds: how long one listens.
    """
    pitched = [track for track in score.tracks if not track.is_drum]
    parts = [part] if part else pitched or score.tracks
    begins = score.seconds_at(score.measures[:-1])
    sounding = sum(_sounded(one, begins + seconds) - _sounded(one, begins) for one in parts)
    return float(begins[np.round(sounding, 3).argmax()])


def _sounded(part: Track, until: np.ndarray) -> np.ndarray:
    """Seconds in which any note of a part has sounded until a time."""
    end = np.maximum.accumulate(part.end_seconds)
    begin = np.minimum(np.maximum(part.start_seconds, np.append(0, end[:-1])), end)
    done = np.cumsum(end - begin)
    times = np.stack([begin, end], axis=1).ravel()
    return np.interp(until, times, np.stack([np.append(0, done[:-1]), done], axis=1).ravel())


@cache
def _font(sample_rate: int) -> SoundFont:
    return SoundFont(default_soundfont(), sample_rate)
