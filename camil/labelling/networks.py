"""What names the instruments of a song: classifiers of segments, or whatever knows better.

A labeller is called with the pitched tracks of a song and its score, all at once, so that one may
look at a part among the others. `load_labeller` finds out from the files of a folder which one it
is; a new kind is a class like these and a line in `LABELLERS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from camil.corpus.corpus import draw_rolls
from camil.corpus.songs import Songs
from camil.encoders.classifier import Classifier, load_classifier
from camil.encoders.song import Reading, SongEnsemble, load_songs, read_songs
from camil.evaluation.metrics import votes
from camil.midi.performance import performance
from camil.midi.score import Score, Track
from camil.midi.segments import Segment, segments_of
from camil.training.embed import embed

SHIPPED = Path(__file__).parent / "pretrained"  # the labeller that comes with camil
DEMO = Path("runs/demo/camil-frozen-seed0")  # what `make figures` leaves, seen from the project


@dataclass
class TrackReading:
    """What a labeller makes of one track.

    Attributes:
        spans: `(segments, 2)`, begin and end of each in quarter notes, in time.
        probabilities: `(segments, classes)`, each row adding up to 1.
        track: `(classes,)`, of the track as a whole.
    """

    spans: np.ndarray
    probabilities: np.ndarray
    track: np.ndarray


class Labeller(Protocol):
    """Names instruments: `classes` in the order of the probabilities."""

    classes: tuple[str, ...]

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        """One reading a track; None for a track that has too few notes to be read."""


class SegmentLabeller:
    """A classifier of `03_classify`: each segment by itself, then a track's segments vote.

    A track's probabilities are the mean log-probabilities of its segments, what repeats exactly
    counted once; both are made to mean what they say by the temperatures that the classifier was
    given on validation songs.

    Args:
        classifier: of piano rolls.

    Raises:
        ValueError: if it classifies audio.
    """

    def __init__(self, classifier: Classifier):
        if classifier.encoder.modality != "midi":
            raise ValueError("this run classifies audio; name a run of 03_classify on MIDI.")
        self.classifier = classifier
        self.classes = classifier.classes

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        cut = [segments_of(track, score, repeats=True) for track in tracks]
        distinct: dict[bytes, Segment] = {}
        for segment in (segment for part in cut for segment in part):
            distinct.setdefault(_content(segment), segment)
        if not distinct:
            return [None] * len(tracks)
        probabilities = self._probabilities(list(distinct.values()))
        row = {content: number for number, content in enumerate(distinct)}
        return [
            self._reading(part, probabilities, [row[_content(segment)] for segment in part])
            if part
            else None
            for part in cut
        ]

    def _probabilities(self, segments: list[Segment]) -> np.ndarray:
        """`(segments, classes)`."""
        notes = [np.stack([s.pitch, s.step, s.length, s.velocity], axis=1) for s in segments]
        counts = torch.tensor([len(one) for one in notes])
        bounds = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        notes = torch.from_numpy(np.concatenate(notes))
        channels = {
            "onsets": self.classifier.encoder.config["channels"] == 2,
            "velocity": self.classifier.velocity,
        }

        def rolls(part: torch.Tensor) -> torch.Tensor:
            begin, end = part[0], part[-1] + 1
            return draw_rolls(notes[bounds[begin] : bounds[end]], counts[begin:end], **channels)

        logits = embed(self.classifier, rolls, torch.arange(len(segments))).double()
        return (logits / self.classifier.temperature).softmax(1).numpy()

    def _reading(self, segments: list[Segment], probabilities, rows: list[int]) -> TrackReading:
        spans = np.array([(one.start_beat, one.end_beat) for one in segments])
        voting = pd.DataFrame(probabilities[sorted(set(rows))])
        vote = np.log(votes(voting, np.zeros(len(voting))).to_numpy()[0])
        share = np.exp(vote / self.classifier.track_temperature)
        return TrackReading(spans, probabilities[rows], share / share.sum())


class SongLabeller:
    """CAMIL+, of `11_songs`: segments by themselves, a track by all it has among the song's others.

    A track is read from its distinct segments, as many as the network was trained on, evenly
    spaced; the time line shows them all. Probabilities are as sure as they were right on validation
    songs.

    Args:
        ensemble: the networks.
    """

    def __init__(self, ensemble: SongEnsemble):
        self.ensemble, self.classes = ensemble, ensemble.classes

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        cut = [segments_of(track, score, repeats=True) for track in tracks]
        parts = [number for number, part in enumerate(cut) if part]
        readings: list[TrackReading | None] = [None] * len(tracks)
        if not parts:
            return readings
        kept = [
            segments_of(tracks[number], score, self.ensemble.segments_per_track) for number in parts
        ]
        played = dict(zip((one.name for one in score.tracks), performance(score), strict=True))
        told = [played[tracks[number].name] for number in parts]
        in_song = self._read(Songs.of_one(kept, told)).song
        alone = self._read(Songs.of_one([cut[number] for number in parts])).segment
        ends = np.cumsum([len(cut[number]) for number in parts])[:-1]
        for number, shares, track in zip(parts, np.split(alone, ends), in_song, strict=True):
            spans = np.array([(one.start_beat, one.end_beat) for one in cut[number]])
            readings[number] = TrackReading(spans, shares, track)
        return readings

    def _read(self, song: Songs) -> Reading:
        reading, _ = read_songs(self.ensemble, song, torch.tensor([0]), torch.device("cpu"))
        return Reading(*(level.double().softmax(1).numpy() for level in reading))


def load_labeller(pretrained: Path | str | None = None) -> Labeller:
    """Load what names instruments.

    Args:
        pretrained: a folder that holds one, such as a run of `03_classify` on MIDI, or its file. By
            default the one that comes with camil; where there is none, the demo's, which knows the
            demo's music only.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is damaged or classifies audio.
    """
    path = Path(pretrained) if pretrained else _default()
    for name, load in LABELLERS.items():
        file = path / name if path.is_dir() else path
        if file.is_file() and file.name == name:
            try:
                return load(file)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
    raise FileNotFoundError(
        f"{path} holds no {' or '.join(LABELLERS)}: name a run of 11_songs or of "
        "03_classify on MIDI"
    )


def _default() -> Path:
    if any((SHIPPED / name).is_file() for name in LABELLERS):
        return SHIPPED
    if not DEMO.is_dir():
        raise FileNotFoundError(
            "camil comes without a trained classifier: make the demo's with `make figures` and "
            "stay in the project's folder, or name a run of 03_classify on MIDI as `pretrained`"
        )
    print(f"Labelling with the demo's classifier, {DEMO}: it knows the demo's music only.")
    return DEMO


def _content(segment: Segment) -> bytes:
    """What tells segments apart: all that can be drawn of them."""
    notes = (segment.pitch, segment.step, segment.length, segment.velocity)
    return np.stack(notes).tobytes()


def _segment_labeller(file: Path) -> SegmentLabeller:
    return SegmentLabeller(load_classifier(file))


def _song_labeller(file: Path) -> SongLabeller:
    return SongLabeller(load_songs(file))


# The file that each kind of labeller is kept in, and what loads it.
LABELLERS: dict[str, Callable[[Path], Labeller]] = {
    "songs.safetensors": _song_labeller,
    "classifier.safetensors": _segment_labeller,
}
