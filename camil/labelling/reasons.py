"""Explain the label of a part in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pretty_midi

from camil.labelling.files import OTHER, THRESHOLD
from camil.labelling.networks import Labeller, TrackReading
from camil.midi.score import Score, Track

MOST_NEIGHBOURS = 8  # parts that are left out one at a time, those with the most notes
DRUMS = "the drums"
_ONSETS = 12  # per quarter note, in which simultaneous notes are counted
_CLEAR = 0.01  # changes of a probability below it are not reported


@dataclass
class LabelReason:
    """What a label rests on. All probabilities but ``second_probability`` are those of ``label``.

    Attributes:
        label: the most probable label, a class or ``other``.
        probability: with the whole song as input.
        second, second_probability: the second most probable label.
        alone: with this part as the only one.
        agreeing, segments: number of segments whose most probable class is the label, and of all;
            0 of 0 for ``other``, which is not predicted per segment.
        neighbour: name of the part that changes the probability most when it is left out, or
            "the drums"; empty if none changes it.
        without_neighbour: probability without that part.
        lower, others: number of the other pitched parts with a lower median pitch, and of all.
        median_pitch: MIDI note number.
        notes_at_once: mean number of notes per onset.
        threshold: the least probability of a label that is not uncertain.
    """

    label: str
    probability: float
    second: str
    second_probability: float
    alone: float
    agreeing: int
    segments: int
    neighbour: str
    without_neighbour: float
    lower: int
    others: int
    median_pitch: float
    notes_at_once: float
    threshold: float = THRESHOLD

    @property
    def level(self) -> str:
        """The first level that has the label: "segments", "part", "song" or "none".

        "segments" if most segments have it, "part" if the part as the only one of a song has it,
        "song" if it has it only beside the other parts, and "none" below the threshold.
        """
        if self.probability < self.threshold:
            return "none"
        if 2 * self.agreeing > self.segments:
            return "segments"
        return "part" if self.alone >= self.threshold else "song"

    @property
    def sentence(self) -> str:
        """The label, the level that decides, and the evidence."""
        label, second = (
            "none of the classes" if one == OTHER else one for one in (self.label, self.second)
        )
        claim = f"{label} ({_percent(self.probability)})"
        opening = {
            "none": f"uncertain between {claim} and {second} ({_percent(self.second_probability)})",
            "song": f"{claim} because of the other parts",
            "part": f"{claim} from the part as a whole",
            "segments": f"{claim} from its own measures{self._and_others}",
        }[self.level]
        facts = []
        if self.segments:
            facts.append(f"{self.agreeing} of {self.segments} segments agree")
        if self.others:
            facts.append(f"as the only part {label} would have {_percent(self.alone)}")
        if self.neighbour:
            facts.append(f"without {self.neighbour} {_percent(self.without_neighbour)}")
        evidence = f"{', '.join(facts)}; " if facts else ""
        text = f"{opening}: {evidence}{self._register()}."
        return text[0].upper() + text[1:]

    @property
    def _and_others(self) -> str:
        return " and the other parts" if self.others and self.alone < self.threshold else ""

    def _register(self) -> str:
        pitch = pretty_midi.note_number_to_name(round(self.median_pitch))
        notes = f"{self.notes_at_once:.1f} notes per onset"
        if not self.others:
            return f"its median pitch is {pitch}, and it has {notes}"
        if self.lower in (0, self.others):
            rank = "highest" if self.lower else "lowest"
            return f"it is the {rank} of {self.others + 1} parts (median {pitch}), with {notes}"
        below = f"{self.lower} of {self.others} other parts lie below it"
        return f"{below} (median {pitch}), with {notes}"


def reason_for(
    score: Score, labeller: Labeller, track: str, threshold: float = THRESHOLD
) -> LabelReason | None:
    """What the label of a part rests on.

    The labeller reads the part in its song, alone, and in the song without one other part at a
    time: the eight with the most notes, and the drums. So the call takes about ten readings of the
    song. The differences describe the network and not music: a part alone, for example, also
    differs from most training songs in its number of parts.

    Args:
        score: the song.
        labeller: a labeller from `camil.load_labeller`.
        track: name of a pitched track of the score.
        threshold: the least probability of a label that is not uncertain.

    Returns:
        None if the labeller has no answer for the part.

    Raises:
        ValueError: if no pitched track has the name.
    """
    pitched = [one for one in score.tracks if not one.is_drum]
    names = [one.name for one in pitched]
    if track not in names:
        raise ValueError(f"the song has no pitched part {track!r}; it has {', '.join(names)}")
    part = pitched[names.index(track)]
    reading = _read(labeller, part, score, score.tracks)
    if reading is None:
        return None
    labels = [*labeller.classes, OTHER]
    second, best = np.argsort(_joint(reading), kind="stable")[-2:].tolist()
    probability = _joint(reading)[best]
    left_out = {
        name: _joint(_read(labeller, part, score, without))[best]
        for name, without in _without_each(part, score).items()
    }
    neighbour = max(left_out, key=lambda name: abs(left_out[name] - probability), default="")
    if neighbour and abs(left_out[neighbour] - probability) < _CLEAR:
        neighbour = ""
    own = reading.probabilities.argmax(axis=1)
    is_class = best < len(labeller.classes)
    medians = [np.median(one.pitch) for one in pitched if one is not part]
    onsets = np.round(part.start_beat * _ONSETS)
    return LabelReason(
        label=labels[best],
        probability=float(probability),
        second=labels[second],
        second_probability=float(_joint(reading)[second]),
        alone=float(_joint(_read(labeller, part, score, [part]))[best]),
        agreeing=int((own == best).sum()) if is_class else 0,
        segments=len(own) if is_class else 0,
        neighbour=neighbour,
        without_neighbour=float(left_out.get(neighbour, probability)),
        lower=int((np.array(medians) < np.median(part.pitch)).sum()),
        others=len(medians),
        median_pitch=float(np.median(part.pitch)),
        notes_at_once=len(onsets) / len(np.unique(onsets)),
        threshold=threshold,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _without_each(part: Track, score: Score) -> dict[str, list[Track]]:
    """The tracks of the song without one neighbour of the part, by the neighbour's name."""
    others = [one for one in score.tracks if not one.is_drum and one is not part]
    largest = sorted(others, key=lambda one: -len(one.pitch))[:MOST_NEIGHBOURS]
    without = {one.name: [kept for kept in score.tracks if kept is not one] for one in largest}
    pitched = [one for one in score.tracks if not one.is_drum]
    if len(pitched) < len(score.tracks):
        without[DRUMS] = pitched
    return without


def _read(
    labeller: Labeller, part: Track, score: Score, tracks: Sequence[Track]
) -> TrackReading | None:
    """The reading of a part in a song that has only the given tracks."""
    pitched = [one for one in tracks if not one.is_drum]
    readings = labeller(pitched, replace(score, tracks=list(tracks)))
    return next(reading for one, reading in zip(pitched, readings, strict=True) if one is part)


def _joint(reading: TrackReading) -> np.ndarray:
    """``(classes + 1,)``, the probabilities of the classes and of ``other``."""
    other = np.nan_to_num(reading.other)
    return np.append((1 - other) * reading.track, other)
