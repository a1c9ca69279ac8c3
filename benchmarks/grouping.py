"""Precision, recall and cost of grouping MIDI files that are versions of one song.

    python -m benchmarks.grouping FOLDER_OF_MIDI_WITH_MANIFEST [MORE_FOLDERS] [--files 100000]

The manifest's column `group` is the reference: pairs of files in one group. It joins titles and
albums too, so its recall is low by design. Recall is measured on copies of songs that are
transposed, written on another time grid, shortened or without a part. Further folders are grouped
together with the first; their files count as separate songs. With `--files`, the sketches are
repeated with random changes until there are as many, and time and peak memory are measured.
"""

import argparse
import copy
import json
import random
import resource
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.provenance import provenance
from camil.midi.score import MidiError, Score, read_midi
from camil.midi.versions import KEPT, groups_of, sketch_of

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def pairs(sizes) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def agreement(found: dict[str, str], truth: dict[str, str]) -> dict[str, float]:
    """Precision and recall of pairs of files in one group."""
    both = pairs(Counter((found[name], truth[name]) for name in found).values())
    found_pairs = pairs(Counter(found.values()).values())
    true_pairs = pairs(Counter(truth[name] for name in found).values())
    return {
        "precision": both / max(found_pairs, 1),
        "recall": both / max(true_pairs, 1),
        "pairs_found": found_pairs,
        "pairs_true": true_pairs,
        "largest_group": max(Counter(found.values()).values()),
    }


def changed(score: Score, how: str, draw: random.Random) -> Score:
    score = copy.deepcopy(score)
    if how == "a part missing" and len(score.tracks) > 1:
        score.tracks.pop(draw.randrange(len(score.tracks)))
    last = max(track.end_beat.max() for track in score.tracks)
    for track in score.tracks:
        if how in ("transposed", "transposed and re-timed"):
            track.pitch = track.pitch + 5
        if how in ("re-timed", "transposed and re-timed"):  # other note lengths, coarser grid
            track.start_beat = (track.start_beat * 1.37 * 96).round() / 96
        if how == "first half":
            kept = track.start_beat < last / 2
            track.start_beat, track.pitch = track.start_beat[kept], track.pitch[kept]
    score.tracks = [track for track in score.tracks if len(track.pitch)]
    return score


CHANGES = ("transposed", "re-timed", "transposed and re-timed", "first half", "a part missing")


def many(
    sketches: dict[str, list[int]], files: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Sketches repeated until there are ``files``, with the song of each.

    A version keeps between a fifth and all of the song's hashes; the others are random. A tenth of
    the songs have up to fifty versions, the others up to three.
    """
    draw = np.random.default_rng(0)
    names = sorted(name for name in sketches if len(sketches[name]) >= 8)
    found, song_of = {}, {}
    while len(found) < files:
        name = names[draw.integers(len(names))]
        song = f"{name} {len(found)}"
        # Another song with the hashes' structure: the same change to all of them.
        change = draw.integers(0, 2**64, dtype=np.uint64)
        hashes = np.array(sketches[name], np.uint64) ^ change
        for _ in range(draw.integers(1, 50 if draw.random() < 0.1 else 4)):
            new = draw.random(len(hashes)) > draw.uniform(0.2, 1)
            version = np.where(new, draw.integers(0, 2**64, len(hashes), dtype=np.uint64), hashes)
            found[f"{song} {len(found)}"] = np.sort(version)[:KEPT]
            song_of[f"{song} {len(song_of)}"] = song
    return found, song_of


def cost(sketches: dict[str, list[int]], files: int) -> dict[str, float]:
    drawn, song_of = many(sketches, files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    found = groups_of(drawn)
    return {
        "files": len(drawn),
        "seconds": time.process_time() - begin,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_mb_before": before / 1024,
        **agreement(found, song_of),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--copies", type=int, default=200, help="songs that are changed")
    arguments.add_argument("--files", type=int, default=0, help="of the measurement of cost")
    arguments.add_argument("--output", type=Path, help="a JSON file for the results")
    given = arguments.parse_args()
    folder, *further = given.folders
    table = pd.read_csv(folder / "manifest.csv")
    truth = dict(zip(table["path"], table["group"].astype(str), strict=True))
    files = {path: folder / path for path in truth}
    files |= {str(path): path for more in further for path in sorted(more.rglob("*.mid"))}
    scores, sketches, seconds = {}, {}, 0.0
    copied = set(random.Random(0).sample(sorted(truth), min(given.copies, len(truth))))
    for name, path in files.items():
        try:
            score = read_midi(path)
        except MidiError:
            continue
        begin = time.process_time()
        sketches[name] = sketch_of(score)
        seconds += time.process_time() - begin
        if name in copied:
            scores[name] = score
    begin = time.process_time()
    groups = groups_of(sketches)
    results = {
        "files": len(sketches),
        "sketch_ms_per_file": 1000 * seconds / len(sketches),
        "grouping_ms_per_file": 1000 * (time.process_time() - begin) / len(sketches),
        "largest_groups": largest(groups),
        "thresholds": {alike: of_truth(groups_of(sketches, alike), truth) for alike in THRESHOLDS},
    }
    draw = random.Random(1)
    for how in CHANGES:
        copies = {f"{path} {how}": sketch_of(changed(scores[path], how, draw)) for path in scores}
        for alike in THRESHOLDS:
            found = groups_of(sketches | copies, alike)
            again = sum(found[f"{path} {how}"] == found[path] for path in scores)
            results["thresholds"][alike][f"found again, {how}"] = again / len(scores)
    if given.files:
        results["cost"] = cost(sketches, given.files)
    text = json.dumps(results | provenance(torch.device("cpu")), indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


def of_truth(groups: dict[str, str], truth: dict[str, str]) -> dict[str, float]:
    return agreement({name: group for name, group in groups.items() if name in truth}, truth)


def largest(groups: dict[str, str], most: int = 10) -> list[list[str]]:
    """The file names of the largest groups."""
    names = [name for name, _ in Counter(groups.values()).most_common(most)]
    return [[file for file, group in groups.items() if group == name] for name in names]


if __name__ == "__main__":
    main()
