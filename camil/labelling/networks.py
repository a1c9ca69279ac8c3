"""Labellers: trained networks applied to the tracks of a song.

A labeller is called with all pitched tracks of a song and its score, so that it can use the context
of the other tracks. `load_labeller` recognizes the kind of a labeller by its file. To add a kind,
write a class with the interface of `Labeller` and add its file name to ``LABELLERS``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from camil.corpus.corpus import draw_rolls
from camil.corpus.songs import Songs
from camil.encoders.classifier import Classifier, load_classifier
from camil.encoders.precision import single_precision
from camil.encoders.song import Reading
from camil.encoders.song_ensemble import SongEnsemble, load_songs
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.performance import performance
from camil.midi.score import Score, Track
from camil.midi.segments import Segment, segments_of
from camil.training.embed import embed

SHIPPED = Path(__file__).parent / "pretrained"  # the labeller included in the package
DEMO = Path("runs/demo/camil-frozen-seed0")  # written by `make figures`, relative to the project


@dataclass
class TrackReading:
    """Class probabilities of one track.

    Attributes:
        spans: ``(segments, 2)``, start and end of each segment in quarter notes, in order of time.
        probabilities: ``(segments, classes)``, each row adding up to 1.
        track: ``(classes,)``, of the whole track.
        other: probability that the track belongs to none of the classes; NaN if the network cannot
            tell. The probabilities of classes are those in case it belongs to one.
        programs: ``(128,)``, probability of each General MIDI program; None if the network does not
            predict them.
    """

    spans: np.ndarray
    probabilities: np.ndarray
    track: np.ndarray
    other: float = float("nan")
    programs: np.ndarray | None = None


class Labeller(Protocol):
    """A network that predicts the instruments of tracks.

    Attributes:
        classes: class names, in the order of the probabilities.
        instruments: the same classes with their programs and colours.
    """

    classes: tuple[str, ...]
    instruments: InstrumentTable

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        """One reading per track; None for a track with too few notes."""


class SegmentLabeller:
    """A classifier of ``03_classify``, applied to each segment; the segments of a track vote.

    The probabilities of a track are the normalized mean of the log-probabilities of its distinct
    segments. Both levels are calibrated by the temperatures that ``03_classify`` fits on validation
    songs.

    Args:
        classifier: a classifier of piano rolls.

    Raises:
        ValueError: if it classifies audio, or has classes without an instrument table.
    """

    def __init__(self, classifier: Classifier):
        if classifier.encoder.modality != "midi":
            raise ValueError(
                "this run classifies audio; name a run of 03_classify with modality midi."
            )
        self.classifier = classifier
        self.classes = classifier.classes
        self.instruments = instruments_of(classifier.classes, classifier.instruments)

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        segments = [segments_of(track, score, repeats=True) for track in tracks]
        distinct: dict[bytes, Segment] = {}
        for segment in (segment for part in segments for segment in part):
            distinct.setdefault(_content(segment), segment)
        if not distinct:
            return [None] * len(tracks)
        probabilities = self._probabilities(list(distinct.values()))
        row = {content: number for number, content in enumerate(distinct)}
        return [
            self._reading(part, probabilities, [row[_content(segment)] for segment in part])
            if part
            else None
            for part in segments
        ]

    def _probabilities(self, segments: list[Segment]) -> np.ndarray:
        """Calibrated probabilities ``(segments, classes)``."""
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
        # Importing scikit-learn takes one second, which labelling with CAMIL+ does not need.
        from camil.evaluation.metrics import votes

        spans = np.array([(one.start_beat, one.end_beat) for one in segments])
        voting = pd.DataFrame(probabilities[sorted(set(rows))])
        vote = np.log(votes(voting, np.zeros(len(voting))).to_numpy()[0])
        share = np.exp(vote / self.classifier.track_temperature)
        return TrackReading(spans, probabilities[rows], share / share.sum())


class SongLabeller:
    """CAMIL+ of ``11_songs``: each segment by itself, each track in the context of its song.

    A track is read from its distinct segments, at most as many as in training, evenly spaced; the
    probabilities of segments are of all of them. Both levels are calibrated on validation songs.
    Networks that were trained on parts of no class too predict which tracks belong to none: that
    probability is the sum of those of the programs of no class.

    Args:
        ensemble: the networks.

    Raises:
        ValueError: if it has classes without an instrument table.
    """

    def __init__(self, ensemble: SongEnsemble):
        self.ensemble, self.classes = ensemble, ensemble.classes
        self.instruments = instruments_of(ensemble.classes, ensemble.instruments)

    def __call__(self, tracks: Sequence[Track], score: Score) -> list[TrackReading | None]:
        segments = [segments_of(track, score, repeats=True) for track in tracks]
        parts = [number for number, part in enumerate(segments) if part]
        readings: list[TrackReading | None] = [None] * len(tracks)
        if not parts:
            return readings
        most = self.ensemble.segments_per_track
        kept = [segments_of(tracks[number], score, most) for number in parts]
        played = dict(zip((one.name for one in score.tracks), performance(score), strict=True))
        features = [played[tracks[number].name] for number in parts]
        in_song, programs = self._read(Songs.of_one(kept, features))
        alone = self._read(Songs.of_one([segments[number] for number in parts]))[0].segment
        ends = np.cumsum([len(segments[number]) for number in parts])[:-1]
        read = zip(parts, np.split(alone, ends), in_song.song, programs, strict=True)
        for number, shares, track, of_programs in read:
            spans = np.array([(one.start_beat, one.end_beat) for one in segments[number]])
            reading = TrackReading(spans, shares, track)
            if of_programs is not None:
                reading.programs = of_programs
                if self.ensemble.other:
                    reading.other = float(of_programs[self.instruments.other_programs].sum())
            readings[number] = reading
        return readings

    @torch.inference_mode()
    def _read(self, song: Songs) -> tuple[Reading, Sequence[np.ndarray | None]]:
        """Probabilities per level, and those of programs, ``(128,)`` per track."""
        batch = song.batch(torch.tensor([0]))
        with single_precision():
            embedded = [member.embed(batch) for member in self.ensemble.members]
            reading = self.ensemble.read(embedded, batch)
            programs: Sequence[np.ndarray | None] = [None] * len(reading.song)
            if self.ensemble.predicts_programs:
                programs = list(self.ensemble.programs(embedded).double().softmax(1).numpy())
        return Reading(*(level.double().softmax(1).numpy() for level in reading)), programs


def load_labeller(pretrained: Path | str | None = None) -> Labeller:
    """Load a labeller.

    Args:
        pretrained: the run folder of a labeller, such as a run of ``11_songs`` or of
            ``03_classify`` on MIDI, or its file; or the name of a labeller included in the package,
            "permissive" for the one trained on permissively licensed songs alone. The default is
            the package's own; without one, that of the demo, which was trained on demo songs only.

    Raises:
        FileNotFoundError: if there is no labeller.
        ValueError: if the file is damaged, classifies audio, or has classes without an instrument
            table.
    """
    path = Path(pretrained) if pretrained else _default()
    if not path.exists() and (SHIPPED / path).is_dir():
        path = SHIPPED / path
    for name, load in LABELLERS.items():
        file = path / name if path.is_dir() else path
        if file.is_file() and file.name == name:
            try:
                return load(file)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
    raise FileNotFoundError(
        f"there is no labeller {path}: name one that comes with camil ({', '.join(_included())}), "
        "or the folder of a run of 11_songs or of 03_classify on MIDI"
    )


def _included() -> list[str]:
    """Names of the labellers in the package, without the default."""
    return sorted(file.parent.name for name in LABELLERS for file in SHIPPED.glob(f"*/{name}"))


def _default() -> Path:
    if any((SHIPPED / name).is_file() for name in LABELLERS):
        return SHIPPED
    if not DEMO.is_dir():
        raise FileNotFoundError(
            "this installation of camil includes no labeller: train that of the demo with "
            "`make figures` and work in the folder of the project, or name a run of 03_classify on "
            "MIDI as `pretrained`"
        )
    print(f"Labelling with the classifier of the demo, {DEMO}, trained on demo songs only.")
    return DEMO


def instruments_of(
    classes: Sequence[str], recorded: Mapping[str, Any] | None = None
) -> InstrumentTable:
    """The instrument table of a network's classes.

    Args:
        classes: class names of the network.
        recorded: the table in the file of the network, as JSON; files of earlier versions have
            none.

    Raises:
        ValueError: if no table is recorded and the classes are not those of `FAMILIES`, or the
            recorded table has other classes.
    """
    table = InstrumentTable.from_json(recorded) if recorded else FAMILIES
    if table.names != tuple(classes):
        raise ValueError(
            f"the network has the classes {', '.join(classes)}, and its instrument table has "
            f"{', '.join(table.names)}; train the network again with this version of camil."
        )
    return table


def _content(segment: Segment) -> bytes:
    """The notes of a segment as a key; repeated segments have equal keys."""
    notes = (segment.pitch, segment.step, segment.length, segment.velocity)
    return np.stack(notes).tobytes()


def _segment_labeller(file: Path) -> SegmentLabeller:
    return SegmentLabeller(load_classifier(file))


def _song_labeller(file: Path) -> SongLabeller:
    return SongLabeller(load_songs(file))


# File name of each kind of labeller, and the function that loads it.
LABELLERS: dict[str, Callable[[Path], Labeller]] = {
    "songs.safetensors": _song_labeller,
    "classifier.safetensors": _segment_labeller,
}
