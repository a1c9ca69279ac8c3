"""Audio of a segment, from a soundfont or a recording, and its mel-spectrogram."""

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pretty_midi
import scipy.fft
import scipy.sparse
import soundfile
import soxr

MEL_BINS = 128
MEL_FRAMES = 282
LEAD_SECONDS = 2.0  # rendered before a span, for the releases of notes that have ended
HOLD_SECONDS = 12.0  # before a span, within which a held note is rendered from its true onset
FLOOR_DB = -80.0
DRUM_BANK = 128  # bank of drum kits in soundfonts

_BLOCK = 64  # samples between two updates of the player's envelopes
_GAIN_DB = -12.0  # ten loud notes at once stay within -1..1


def default_soundfont() -> Path:
    """The General MIDI soundfont that comes with pretty_midi (TimGM6mb, GPL-2)."""
    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


class SoundFont:
    """Render notes with one soundfont.

    The file is loaded on first use; a pickled copy stores only the path and loads the file again.

    Args:
        path: an ``.sf2`` file.
        sample_rate: sample rate of the audio, in hertz.

    Raises:
        ValueError: on first use, if the file is missing or is not a soundfont.
        ModuleNotFoundError: on first use, if the extra ``workbook`` is not installed.
    """

    def __init__(self, path: str | PathLike, sample_rate: int = 24000):
        self.path = Path(path)
        self.sample_rate = sample_rate

    def __getstate__(self):
        return {"path": self.path, "sample_rate": self.sample_rate}

    @cached_property
    def _synth(self) -> Any:
        try:
            import tinysoundfont
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "Rendering notes with a soundfont needs the package tinysoundfont, which is not "
                "installed. Install the extra 'workbook' in a copy of the repository: uv pip "
                "install -c constraints.txt -e '.[workbook]'",
                name="tinysoundfont",
            ) from None
        synth = tinysoundfont.Synth(gain=_GAIN_DB, samplerate=self.sample_rate)
        try:
            synth.sfload(str(self.path))
        except Exception as error:  # the binding raises RuntimeError and others
            problem = "cannot be read as a soundfont" if self.path.is_file() else "is missing"
            raise ValueError(f"the soundfont {self.path} {problem}; check the path") from error
        return synth

    @cached_property
    def presets(self) -> dict[int, str]:
        """Names of the soundfont's presets by General MIDI program (0 to 127, bank 0)."""
        names = {program: self._synth.sfpreset_name(0, 0, program) for program in range(128)}
        return {program: name for program, name in names.items() if name is not None}

    def render(
        self,
        program: int,
        pitch: np.ndarray,
        velocity: np.ndarray,
        start_seconds: np.ndarray,
        end_seconds: np.ndarray,
        begin: float,
        end: float,
        drums: bool = False,
    ) -> np.ndarray:
        """Render the span of a track from ``begin`` to ``end``.

        Only the notes that are audible in the span are rendered: its own, those held into it, and
        those of the last `LEAD_SECONDS` before it. Notes are aligned to a grid of 64 samples from
        the start of the track. A span therefore equals the same span of the whole track, except for
        releases longer than `LEAD_SECONDS` and notes held longer than `HOLD_SECONDS`, which begin
        again. The same call gives the same samples, regardless of earlier calls.

        Args:
            program: General MIDI program, 0 to 127.
            pitch, velocity, start_seconds, end_seconds: ``(notes,)`` of the whole track.
                Overlapping notes of one pitch end together, as in a track read from MIDI.
            begin, end: limits of the span, in seconds.
            drums: use the drum kit ``program``, or the standard kit if there is no such kit.

        Returns:
            Mono float32 ``(round((end - begin) * sample_rate),)``.

        Raises:
            ValueError: if the soundfont has no such program.
        """
        bank, program = self._preset(program, drums)
        samples = round((end - begin) * self.sample_rate)
        audible = (start_seconds < end) & (end_seconds > begin - LEAD_SECONDS)
        if not audible.any():
            return np.zeros(samples, dtype=np.float32)
        per_second = self.sample_rate / _BLOCK
        # Rounded up: a note that begins with the next span must not be audible in this span.
        on = np.ceil(start_seconds[audible] * per_second - 1e-6).astype(np.int64)
        off = np.ceil(end_seconds[audible] * per_second - 1e-6).astype(np.int64)
        off = np.maximum(off, on + 1)
        first = round(begin * self.sample_rate)
        earliest = int((begin - HOLD_SECONDS) * per_second)
        origin = min(max(on.min(), earliest), first // _BLOCK)
        last = -(-(first + samples) // _BLOCK)
        events = _events(pitch[audible], velocity[audible], np.maximum(on, origin), off, last)
        audio = self._play(bank, program, events, origin, last)
        return audio[first - origin * _BLOCK :][:samples]

    def _preset(self, program: int, drums: bool) -> tuple[int, int]:
        """Bank and program of a preset."""
        if drums:
            for kit in (program, 0):
                if self._synth.sfpreset_name(0, DRUM_BANK, kit) is not None:
                    return DRUM_BANK, kit
            raise ValueError(f"the soundfont {self.path} has no drum kit; choose a complete one")
        if program not in self.presets:
            raise ValueError(
                f"the soundfont {self.path} has no program {program}; choose a complete one"
            )
        return 0, program

    def _play(
        self, bank: int, program: int, events: list[tuple], origin: int, last: int
    ) -> np.ndarray:
        synth = self._synth
        synth.sounds_off(0)
        synth.generate(self.sample_rate // 20)  # notes of earlier calls fade out in 10 ms
        synth.program_select(0, 0, bank, program)
        stereo = np.empty(((last - origin) * _BLOCK, 2), dtype=np.float32)
        memory, block_bytes = memoryview(stereo).cast("B"), _BLOCK * 2 * stereo.itemsize
        now = origin
        for block, kind, pitch, velocity in [*events, (last, 2, 0, 0)]:
            if block > now:
                part = memory[(now - origin) * block_bytes : (block - origin) * block_bytes]
                synth.generate_simple((block - now) * _BLOCK, part)
                now = block
            if kind == 0:
                synth.noteoff(0, pitch)
            elif kind == 1:
                synth.noteon(0, pitch, velocity)
        return stereo @ np.full(2, 0.5, np.float32)


def _events(pitch, velocity, on, off, last: int) -> list[tuple[int, int, int, int]]:
    """Events (block, 0 for off or 1 for on, pitch, velocity) in order, offs before ons."""
    offs = zip(off.tolist(), [0] * len(off), pitch.tolist(), velocity.tolist(), strict=True)
    ons = zip(on.tolist(), [1] * len(on), pitch.tolist(), velocity.tolist(), strict=True)
    return sorted(event for event in [*offs, *ons] if event[0] < last)


class Recording:
    """An audio file that is opened once, to read spans of it.

    Args:
        path: a format of libsndfile, such as FLAC or WAV.
        sample_rate: sample rate to which spans are resampled, in hertz.

    Raises:
        ValueError: on first use, if the file cannot be read.
    """

    def __init__(self, path: str | PathLike, sample_rate: int):
        self.path = Path(path)
        self.sample_rate = sample_rate

    @cached_property
    def _file(self) -> soundfile.SoundFile:
        try:
            return soundfile.SoundFile(self.path)
        except (soundfile.SoundFileError, OSError) as error:
            raise self._unreadable(error) from error

    def duration(self) -> float:
        """Check that the file can be read to its end, and return its seconds.

        Raises:
            ValueError: if the file is truncated.
        """
        file = self._file
        try:
            file.seek(max(file.frames - 1, 0))
            complete = len(file.read(1)) == 1
        except soundfile.SoundFileError as error:
            raise self._unreadable(error) from error
        if not complete:
            raise self._unreadable("the file is truncated")
        return file.frames / file.samplerate

    def span(self, begin: float, end: float) -> np.ndarray:
        """Read the span from ``begin`` to ``end`` in seconds.

        Returns:
            Mono float32 ``(round((end - begin) * sample_rate),)``, zeros after the file's end.
        """
        margin = 0.05  # the resampling filter needs a few milliseconds on either side
        file, before = self._file, min(margin, begin)
        rate = file.samplerate
        try:
            file.seek(min(round((begin - before) * rate), file.frames))
            audio = file.read(round((end + margin - begin + before) * rate), dtype="float32")
        except soundfile.SoundFileError as error:
            raise self._unreadable(error) from error
        if audio.ndim == 2:
            audio = audio.mean(axis=1)
        if rate != self.sample_rate and len(audio):
            audio = soxr.resample(audio, rate, self.sample_rate)
        samples = round((end - begin) * self.sample_rate)
        audio = audio[round(before * self.sample_rate) :][:samples]
        return audio if len(audio) == samples else np.pad(audio, (0, samples - len(audio)))

    def _unreadable(self, why: Exception | str) -> ValueError:
        return ValueError(f"the recording {self.path} cannot be read: {why}")


class MelSpectrogram:
    """Log-mel spectrogram of a segment, stretched to a fixed number of frames.

    Frame ``k`` is centred on sample ``k (n - 1) / (frames - 1)`` of ``n``: the first frame on the
    first sample, the last on the last, for segments of any length. (Beyond ``(frames - 1) *
    window`` samples, six seconds at 24 kHz, the windows do not overlap.) The values are the power
    of the Hann-windowed spectrum in Slaney mel filters, in decibels relative to the segment's
    loudest bin. If the hop is an integer, they equal librosa's ``melspectrogram(center=True,
    pad_mode="constant")``.

    Args:
        sample_rate: sample rate of the audio, in hertz.
        window: samples of the Hann window.
        fft: samples after zero-padding. At twice the window or more, the bins determine the power
            spectrum completely (its autocorrelation is not longer), and no mel filter is empty.
        bins, frames: size of the result.

    Shape:
        audio: ``(samples,)``. Returns float16 ``(bins, frames)`` in [-80, 0]; silence is -80.
    """

    def __init__(
        self,
        sample_rate: int = 24000,
        window: int = 512,
        fft: int = 1024,
        bins: int = MEL_BINS,
        frames: int = MEL_FRAMES,
    ):
        if window > fft:
            raise ValueError(f"window ({window}) must not be longer than fft ({fft})")
        self.sample_rate, self.window, self.fft, self.frames = sample_rate, window, fft, frames
        self.hann = np.hanning(window + 1)[:-1].astype(np.float32)  # periodic
        # Each filter covers few bins: a sparse product takes a fifth of the time.
        self.filters = scipy.sparse.csr_array(
            librosa.filters.mel(sr=sample_rate, n_fft=fft, n_mels=bins)
        )

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_padded"}

    @cached_property
    def _padded(self) -> np.ndarray:
        """Buffer for the windowed frames with their zero-padding. Allocating it for each call would
        take as long as the transform."""
        return np.zeros((self.frames, self.fft), np.float32)

    def description(self) -> dict[str, int]:
        """The parameters of the result, ready for JSON."""
        about = {name: getattr(self, name) for name in ("sample_rate", "window", "fft", "frames")}
        return about | {"bins": self.filters.shape[0]}

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        half = self.window // 2
        edges = np.zeros(self.window, np.float32)
        padded = np.concatenate((edges[:half], audio, edges[half:]), dtype=np.float32)
        centres = np.rint(np.linspace(0, max(len(audio) - 1, 0), self.frames)).astype(np.int64)
        views = np.lib.stride_tricks.sliding_window_view(padded, self.window)
        np.multiply(views[centres], self.hann, out=self._padded[:, : self.window])
        magnitude = np.abs(scipy.fft.rfft(self._padded))  # (frames, fft / 2 + 1)
        mel = self.filters @ np.square(magnitude, out=magnitude).T
        loudest = mel.max()
        if loudest < 1e-10:
            return np.full(mel.shape, FLOOR_DB, dtype=np.float16)
        mel /= loudest
        np.log10(np.maximum(mel, 10 ** (FLOOR_DB / 10), out=mel), out=mel)
        return np.multiply(mel, 10, out=mel).astype(np.float16)
