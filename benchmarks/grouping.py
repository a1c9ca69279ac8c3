"""How well notes alone tell which files are versions of one song.

    python -m benchmarks.grouping FOLDER_OF_MIDI_WITH_MANIFEST

The manifest's column `group` is the truth: pairs of files in one group. Beside it, songs are
transposed, played at another tempo grid, shortened or robbed of a part, and must be found again.
"""

import argparse
import copy
import json
import random
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import torch

from benchmarks.provenance import provenance
from camil.midi.score import MidiError, Score, read_midi
from camil.midi.versions import groups_of, sketch_of

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def pairs(sizes) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def agreement(found: dict[str, str], truth: dict[str, str]) -> dict[str, float]:
    """Precision and recall of pairs of files in one group."""
    both = pairs(Counter((found[name], truth[name]) for name in found).values())
    ours = pairs(Counter(found.values()).values())
    theirs = pairs(Counter(truth[name] for name in found).values())
    return {
        "precision": both / max(ours, 1),
        "recall": both / max(theirs, 1),
        "pairs_found": ours,
        "pairs_true": theirs,
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
        if how in ("re-timed", "transposed and re-timed"):  # other length, coarser grid
            track.start_beat = (track.start_beat * 1.37 * 96).round() / 96
        if how == "first half":
            kept = track.start_beat < last / 2
            track.start_beat, track.pitch = track.start_beat[kept], track.pitch[kept]
    score.tracks = [track for track in score.tracks if len(track.pitch)]
    return score


CHANGES = ("transposed", "re-timed", "transposed and re-timed", "first half", "a part missing")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--copies", type=int, default=200, help="songs that are changed")
    arguments.add_argument("--output", type=Path, help="a JSON file for the results")
    given = arguments.parse_args()
    table = pd.read_csv(given.folder / "manifest.csv")
    truth = dict(zip(table["path"], table["group"].astype(str), strict=True))
    scores, sketches, seconds = {}, {}, 0.0
    copied = set(random.Random(0).sample(sorted(truth), min(given.copies, len(truth))))
    for path in truth:
        try:
            score = read_midi(given.folder / path)
        except MidiError:
            continue
        begin = time.process_time()
        sketches[path] = sketch_of(score)
        seconds += time.process_time() - begin
        if path in copied:
            scores[path] = score
    begin = time.process_time()
    groups_of(sketches)
    results = {
        "files": len(sketches),
        "sketch_ms_per_file": 1000 * seconds / len(sketches),
        "grouping_ms_per_file": 1000 * (time.process_time() - begin) / len(sketches),
        "thresholds": {alike: agreement(groups_of(sketches, alike), truth) for alike in THRESHOLDS},
    }
    draw = random.Random(1)
    for how in CHANGES:
        copies = {f"{path} {how}": sketch_of(changed(scores[path], how, draw)) for path in scores}
        for alike in THRESHOLDS:
            found = groups_of(sketches | copies, alike)
            again = sum(found[f"{path} {how}"] == found[path] for path in scores)
            results["thresholds"][alike][f"found again, {how}"] = again / len(scores)
    text = json.dumps(results | provenance(torch.device("cpu")), indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
