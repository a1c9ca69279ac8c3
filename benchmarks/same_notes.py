"""Whether our reader finds the notes that pretty_midi finds, file by file of a folder.

    python -m benchmarks.same_notes FOLDER_OF_MIDI [--files 100]

Compared are instruments (program, drums) in their order, and of each note pitch, velocity, start
and end (to a nanosecond). Every file in which the two differ is printed with the reason.
"""

import argparse
import random
import warnings
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pretty_midi

from camil.midi.score import MidiError, Score, read_midi


def difference(path: Path) -> str:
    """What is different about a file; empty if nothing is."""
    ours = theirs = None
    reasons = {}
    try:
        theirs = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # mido raises a dozen kinds of them
        reasons["theirs"] = f"pretty_midi cannot read it ({type(error).__name__}: {error})"
    try:
        ours = read_midi(path)
    except MidiError as error:
        reasons["ours"] = f"we cannot read it ({str(error).rpartition('read: ')[2]})"
    if reasons:
        empty = theirs is not None and not any(one.notes for one in theirs.instruments)
        return "" if len(reasons) == 2 or (empty and ours is None) else "".join(reasons.values())
    return _differs(ours, theirs, path)


def _differs(ours: Score, theirs: pretty_midi.PrettyMIDI, path: Path) -> str:
    if len(ours.tracks) != len(theirs.instruments):
        return f"{len(ours.tracks)} instruments, by pretty_midi {len(theirs.instruments)}"
    for track, instrument in zip(ours.tracks, theirs.instruments, strict=True):
        if (track.program, track.is_drum) != (instrument.program, instrument.is_drum):
            return f"program of {track.name}"
        notes = sorted(instrument.notes, key=lambda note: (note.start, note.pitch))
        expected = np.array([(n.pitch, n.velocity, n.start, n.end) for n in notes]).T
        found = np.stack([track.pitch, track.velocity, track.start_seconds, track.end_seconds])
        if found.shape != expected.shape:
            return f"{len(track.pitch)} notes of {track.name}, by pretty_midi {len(notes)}"
        if (found[:2] != expected[:2]).any():
            return f"pitches or velocities of {track.name}"
        if np.abs(found[2:] - expected[2:]).max() > 1e-9:
            late = any(e.type == "set_tempo" for t in mido.MidiFile(path).tracks[1:] for e in t)
            return "times: a tempo on a later track" if late else f"times of {track.name}"
    return ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, help="compare so many, drawn at random")
    given = arguments.parse_args()
    files = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() == ".mid")
    if given.files and given.files < len(files):
        files = random.Random(0).sample(files, given.files)
    warnings.filterwarnings("ignore", module="pretty_midi")
    kinds: Counter = Counter()
    for path in files:
        if found := difference(path):
            kinds[found.partition(" (")[0].partition(":")[0]] += 1
            print(f"{path.relative_to(given.folder)}: {found}", flush=True)
    print(f"{len(files)} files, {kinds.total()} of them different: {dict(kinds)}")


if __name__ == "__main__":
    main()
