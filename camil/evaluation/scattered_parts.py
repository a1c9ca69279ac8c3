"""Scatter the parts of real songs over several tracks, and score how they are put together again.

A transcription model labels each passage of a recording by itself, so one part often comes out as
several tracks (instrument leakage; Tan et al., 2024, *MR-MT3*). `scatter` makes such files from
songs whose parts are known.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import mido
import numpy as np

from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.join import join_tracks
from camil.midi.score import Score, Track, score_of

TICKS = 960  # per quarter note, in the scattered files
WINDOW = 2.048  # seconds that MT3 transcribes at once
MOST_FRAGMENTS = 3
MODES = ("measures", "phrases", "windows")
_REST = 1.0  # quarter notes of silence that end a phrase
_PHRASE = 8.0  # quarter notes, the least length of a phrase
_DENOMINATORS = (4, 8, 16, 32, 64, 128)


@dataclass
class ScatteredSong:
    """A song whose parts are scattered over tracks.

    Attributes:
        data: the scattered song as a MIDI file. It has no controllers and no drum channel.
        score: the content of the file.
        part: ``(tracks,)``, the true part of each track of the score. All drums are one part.
        parts: the parts of the original song; drums are its drum tracks joined.
    """

    data: bytes
    score: Score
    part: np.ndarray
    parts: list[Track]

    @property
    def is_drum(self) -> np.ndarray:
        """``(tracks,)`` bool, whether the track comes from drums."""
        return np.array([self.parts[part].is_drum for part in self.part])

    def classes(self, instruments: InstrumentTable = FAMILIES) -> list[str | None]:
        """True class of each track; None for drums, and for parts of no class or program."""
        return [
            instruments.of_program(part.program) if part.labelled and not part.is_drum else None
            for part in (self.parts[number] for number in self.part)
        ]


def scatter(
    score: Score, rng: np.random.Generator, mode: str, fragments: int = MOST_FRAGMENTS
) -> ScatteredSong:
    """Scatter the parts of a song over tracks, in a random order and on pitched channels.

    Each part gets one to ``fragments`` tracks at random, and each of its blocks goes to one of them
    at random. The programs are 0 in every second song on average, and otherwise random.

    Args:
        score: the song.
        rng: source of random numbers.
        mode: the blocks: pairs of "measures", "phrases" (separated by a rest, at least 8 quarter
            notes long), or "windows" of 2.048 seconds, the input length of MT3.
        fragments: the largest number of tracks per part; 1 leaves the parts whole.

    Raises:
        ValueError: if the mode is unknown.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(MODES)}")
    drums = [track for track in score.tracks if track.is_drum]
    parts = [track for track in score.tracks if not track.is_drum]
    parts += [join_tracks(drums)] if drums else []
    tracks = []  # part, indices of its notes
    for number, part in enumerate(parts):
        block = _blocks(part, score, mode)
        count = int(rng.integers(1, fragments + 1))
        fragment = rng.integers(count, size=block.max() + 1)[block]
        tracks += [(number, np.flatnonzero(fragment == one)) for one in np.unique(fragment)]
    tracks = [tracks[index] for index in rng.permutation(len(tracks))]
    stated = rng.random() < 0.5
    programs = rng.integers(128, size=len(tracks)) if stated else np.zeros(len(tracks), int)
    data = _file(score, parts, tracks, programs)
    found = score_of(data)
    order = [int(track.name.split()[-1]) for track in found.tracks]
    return ScatteredSong(data, found, np.array([tracks[index][0] for index in order]), parts)


def pair_counts(true: Sequence[int], proposed: Sequence[int]) -> np.ndarray:
    """Pairs of tracks in one group: true positives, false positives and false negatives, ``(3,)``.

    Args:
        true, proposed: ``(tracks,)``, the group of each track.
    """
    true, proposed = np.asarray(true), np.asarray(proposed)
    above = np.triu(np.ones((len(true), len(true)), bool), 1)
    same = (true[:, None] == true[None]) & above
    found = (proposed[:, None] == proposed[None]) & above
    return np.array([(same & found).sum(), (found & ~same).sum(), (same & ~found).sum()])


def precision_recall_f1(counts: Sequence[int]) -> dict[str, float]:
    """Precision, recall and F1 of the sums of `pair_counts`; NaN where undefined."""
    right, wrong, missed = (int(one) for one in counts)
    ratios = {
        "precision": (right, right + wrong),
        "recall": (right, right + missed),
        "f1": (2 * right, 2 * right + wrong + missed),
    }
    return {name: above / below if below else np.nan for name, (above, below) in ratios.items()}


def _blocks(part: Track, score: Score, mode: str) -> np.ndarray:
    """``(notes,)``, the block of each note, from 0."""
    if mode == "measures":
        return np.searchsorted(score.measures[2::2], part.start_beat + 1e-6)
    if mode == "windows":
        return np.floor(part.start_seconds / WINDOW + 1e-6).astype(int)
    begins, block = [part.start_beat[0]], np.zeros(len(part.pitch), int)
    sounding = np.maximum.accumulate(part.end_beat)
    for note in range(1, len(part.pitch)):
        begin = part.start_beat[note]
        if begin - sounding[note - 1] >= _REST and begin - begins[-1] >= _PHRASE:
            begins.append(begin)
        block[note] = len(begins) - 1
    return block


def _file(score: Score, parts, tracks, programs: np.ndarray) -> bytes:
    """A MIDI file of the tracks, with the tempi and metres of the score."""
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    midi.tracks.append(_absolute(_conductor(score)))
    channels = [channel for channel in range(16) if channel != 9]
    for number, (part, notes) in enumerate(tracks):
        channel, source = channels[number % len(channels)], parts[part]
        events = [(0, 0, mido.MetaMessage("track_name", name=f"track {number}"))]
        program = int(programs[number])
        events.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
        columns = (
            source.pitch[notes],
            source.velocity[notes],
            np.round(source.start_beat[notes] * TICKS),
            np.round(source.end_beat[notes] * TICKS),
        )
        for pitch, velocity, begin, end in zip(*(c.tolist() for c in columns), strict=True):
            # Checks of each message would take most of the time.
            on, off = (
                mido.Message(kind, skip_checks=True, channel=channel, note=pitch, velocity=loud)
                for kind, loud in (("note_on", velocity), ("note_off", 0))
            )
            events += [(int(begin), 2, on), (max(int(end), int(begin) + 1), 1, off)]
        midi.tracks.append(_absolute(events))
    content = io.BytesIO()
    midi.save(file=content)
    return content.getvalue()


def _conductor(score: Score) -> list[tuple[int, int, mido.MetaMessage]]:
    events = []
    for beat, bpm in zip(score.tempo.beat, score.tempo.bpm, strict=True):
        tempo = mido.MetaMessage("set_tempo", tempo=min(round(6e7 / bpm), 2**24 - 1))
        events.append((round(float(beat) * TICKS), 0, tempo))
    lengths = np.diff(score.measures)
    for index in np.flatnonzero(np.diff(lengths, prepend=0.0)):
        for below in _DENOMINATORS:
            above = lengths[index] * below / 4
            if abs(above - round(above)) < 1e-6 and 1 <= round(above) < 256:
                metre = mido.MetaMessage(
                    "time_signature", numerator=round(above), denominator=below
                )
                events.append((round(float(score.measures[index]) * TICKS), 0, metre))
                break
    return events


def _absolute(events) -> mido.MidiTrack:
    """A track of events with absolute times; at equal times, lengths end before notes begin."""
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda one: one[:2]):
        message.time = tick - now
        track.append(message)
        now = tick
    return track
