"""Precision, recall and effect on labels of putting scattered parts together.

    python -m benchmarks.scattered_parts FOLDER --split test --songs 200 [--output table.json]
    python -m benchmarks.scattered_parts FOLDER --fit drums
    python -m benchmarks.scattered_parts FOLDER --fit fragments

FOLDER has MIDI files and a ``manifest.csv`` with the columns ``path`` and ``split``. The songs of a
split are drawn at random and scattered by pairs of measures, by phrases and by windows of 2.048 s
in turn. The first half of them are also read with their parts left whole, to count tracks that are
joined or marked as drums wrongly.

``--fit`` estimates the coefficients in ``camil/labelling``: those of drums from 1,000 songs of
"train", those of fragments from the songs of "validation" after the first 200, because the network
has seen the others; the first 200 are those of ``--split validation``.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_fscore_support, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks.provenance import provenance
from camil import load_labeller, read_midi
from camil.evaluation.scattered_parts import (
    MODES,
    MOST_FRAGMENTS,
    ScatteredSong,
    pair_counts,
    precision_recall_f1,
    scatter,
)
from camil.labelling import drum_tracks, fragments
from camil.labelling.transcriptions import merged, transcription
from camil.midi.score import MidiError

DEVELOPMENT = 200  # validation songs that are kept from fitting
SEEDS = {"train": 0, "validation": 1, "test": 2}


def songs(folder: Path, split: str, first: int, last: int | None, whole: float = 0.0
          ) -> Iterator[ScatteredSong]:  # fmt: skip
    """Scattered songs of a split; a share ``whole`` of them is not scattered."""
    manifest = pd.read_csv(folder / "manifest.csv")
    paths = sorted(manifest.loc[manifest["split"] == split, "path"])
    drawn = np.random.default_rng(SEEDS[split]).permutation(paths)[first:last]
    for number, path in enumerate(drawn, first):
        rng = np.random.default_rng([SEEDS[split], number])
        try:
            score = read_midi(folder / path, strict=False)
        except MidiError:
            continue
        count = 1 if rng.random() < whole else MOST_FRAGMENTS
        yield scatter(score, rng, MODES[number % len(MODES)], count)


class Tally:
    """Sums over songs of what the report needs."""

    def __init__(self):
        self.pairs = np.zeros(3, int)
        self.drums, self.probabilities, self.marked = [], [], []
        self.notes = []  # grouping, true class, predicted class, notes
        self.tracks = self.parts = 0

    def add(self, song: ScatteredSong, labeller, labels: bool) -> None:
        found = transcription(song.score, labeller)
        names = [track.name for track in song.score.tracks]
        table = found.drums.set_index("track").loc[names]
        self.drums.append(song.is_drum)
        self.probabilities.append(table["probability"].to_numpy())
        self.marked.append(table["drums"].to_numpy())
        parts = {name: number for number, name in enumerate(dict.fromkeys(found.part_of.values()))}
        proposed = np.array([parts[found.part_of[name]] for name in names])
        pitched = ~song.is_drum
        self.pairs += pair_counts(song.part[pitched], proposed[pitched])
        self.tracks += int(pitched.sum())
        self.parts += len(set(song.part[pitched]))
        if not labels:
            return
        groups = [np.flatnonzero(song.part == part).tolist() for part in np.unique(song.part)]
        for group in groups:
            for index in group:
                song.score.tracks[index].is_drum = bool(song.is_drum[index])
        true = merged(song.score, groups)
        first = {one: names[group[0]] for group in groups for one in group}
        for track in song.score.tracks:
            track.is_drum = False
        own = {name: name for name in names}
        self._label(song, song.score, own, "before merging", labeller)
        self._label(song, found.score, found.part_of, "proposed merging", labeller)
        self._label(song, true, {names[i]: first[i] for i in first}, "true grouping", labeller)

    def _label(self, song: ScatteredSong, score, part_of, grouping: str, labeller) -> None:
        pitched = [track for track in score.tracks if not track.is_drum]
        readings = zip(pitched, labeller(pitched, score) if pitched else [], strict=True)
        best = {
            track.name: labeller.classes[int(reading.track.argmax())]
            for track, reading in readings
            if reading is not None
        }
        for track, true in zip(song.score.tracks, song.classes(labeller.instruments), strict=True):
            if true is not None:
                label = best.get(part_of[track.name], "none")
                self.notes.append((grouping, true, label, len(track.pitch)))

    def report(self) -> dict:
        true, marked = np.concatenate(self.drums), np.concatenate(self.marked)
        precision, recall, f1, _ = precision_recall_fscore_support(true, marked, average="binary")
        notes = pd.DataFrame(self.notes, columns=["grouping", "true", "predicted", "notes"])
        labels = {}
        for grouping, rows in notes.groupby("grouping", sort=False):
            right = rows["true"] == rows["predicted"]
            labels[grouping] = {
                "accuracy": float(np.average(right, weights=rows["notes"])),
                "macro_f1": f1_score(
                    rows["true"], rows["predicted"], labels=sorted(set(rows["true"])),
                    average="macro", sample_weight=rows["notes"],
                ),
            }  # fmt: skip
        return {
            "pitched_tracks": self.tracks,
            "pitched_parts": self.parts,
            "merging": precision_recall_f1(self.pairs),
            "pairs_joined_wrongly": int(self.pairs[1]),
            "drums": {
                "tracks": int(true.sum()),
                "auc": float(roc_auc_score(true, np.concatenate(self.probabilities))),
                "precision": float(precision),
                "recall": float(recall),
                "f1": float(f1),
                "pitched_tracks_marked": int((marked & ~true).sum()),
            },
            "labels_by_note": labels,
        }


def measure(folder: Path, split: str, count: int, pretrained: str) -> dict:
    labeller, report = load_labeller(pretrained or None), {"split": split, "songs": count}
    for name, whole, last in (("scattered", 0.0, count), ("whole parts", 1.0, count // 2)):
        tally = Tally()
        for song in songs(folder, split, 0, last, whole):
            tally.add(song, labeller, labels=not whole)
        report[name] = tally.report()
        if whole:  # there is no pair to find
            del report[name]["merging"], report[name]["labels_by_note"]
        print(json.dumps(report, indent=1), flush=True)
    return report


def fit_drums(folder: Path) -> None:
    rows, true = [], []
    for song in songs(folder, "train", 0, 1000):
        rows.append(drum_tracks.drum_features(song.score))
        true.append(song.is_drum)
    _print(pd.concat(rows).to_numpy(), np.concatenate(true), None)


def fit_fragments(folder: Path, pretrained: str) -> None:
    """Pairs of tracks, as scattered and after some of them were joined rightly."""
    labeller, rng = load_labeller(pretrained or None), np.random.default_rng(0)
    rows, true, weights = [], [], []
    for song in songs(folder, "validation", DEVELOPMENT, None, whole=0.2):
        tracks = [song.score.tracks[index] for index in np.flatnonzero(~song.is_drum)]
        part = song.part[~song.is_drum]
        if len(tracks) < 2:
            continue
        readings = [None if one is None else one.track for one in labeller(tracks, song.score)]
        seen = fragments.outlines(tracks, song.score, readings)
        while True:
            above = np.triu_indices(len(part), 1)
            found = fragments.evidence(seen)
            rows.append(np.stack([found[name][above] for name in fragments.EVIDENCE], axis=1))
            same = (part[:, None] == part[None])[above]
            true.append(same)
            weights.append(np.full(len(same), 1 / len(part)))
            steps = int(rng.integers(1, 1 + max(1, len(tracks) // 2)))
            for _ in range(steps):
                pairs = np.argwhere(np.triu(part[:, None] == part[None], 1))
                if not len(pairs):
                    break
                first, second = pairs[rng.integers(len(pairs))]
                seen, part = seen.join(first, second), np.delete(part, second)
            if not len(pairs) or len(part) < 2:
                break
    _print(np.concatenate(rows), np.concatenate(true), np.concatenate(weights))


def _print(features: np.ndarray, true: np.ndarray, weights: np.ndarray | None) -> None:
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=10, max_iter=3000)
    model.fit(scaler.transform(features), true, sample_weight=weights)
    coefficients = model.coef_[0] / scaler.scale_
    intercept = model.intercept_[0] - (coefficients * scaler.mean_).sum()
    print(f"{len(true):,} rows, {true.mean():.1%} true")
    print(", ".join(f"{one:.4g}" for one in (intercept, *coefficients)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=SEEDS, default="validation")
    parser.add_argument("--songs", type=int, default=DEVELOPMENT)
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--fit", choices=("drums", "fragments"))
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.fit == "drums":
        fit_drums(given.folder)
    elif given.fit == "fragments":
        fit_fragments(given.folder, given.pretrained)
    else:
        report = measure(given.folder, given.split, given.songs, given.pretrained)
        report["provenance"] = provenance(torch.device("cpu"))
        if given.output:
            given.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
