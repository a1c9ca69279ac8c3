"""Compare the notes that this project reads with those of pretty_midi, per file of a folder.

    python -m benchmarks.same_notes FOLDER_OF_MIDI [--files 100]

The comparison covers pitch, velocity, start and end (to a nanosecond) of all notes, then the parts
(program, drums) in their order. Every file with a difference is printed with the reason. Two kinds
of differences are intended: pretty_midi ignores tempi on later tracks, and it supports neither
programs of other tracks nor drums by GS, XG and GM2 messages.
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
    """The first difference between the two readings of a file, "" if there is none."""
    score = midi = None
    reasons = {}
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # mido raises exceptions of many types
        reasons["pretty_midi"] = f"pretty_midi cannot read it ({type(error).__name__}: {error})"
    try:
        score = read_midi(path)
    except MidiError as error:
        reasons["camil"] = f"camil cannot read it ({str(error).rpartition('read: ')[2]})"
    if reasons:
        empty = midi is not None and not any(one.notes for one in midi.instruments)
        return "" if len(reasons) == 2 or (empty and score is None) else "".join(reasons.values())
    return _difference(score, midi, path)


def _difference(score: Score, midi: pretty_midi.PrettyMIDI, path: Path) -> str:
    fields = ("pitch", "velocity", "start_seconds", "end_seconds")
    columns = [np.concatenate([getattr(t, name) for t in score.tracks]) for name in fields]
    found = np.stack(columns)
    notes = [note for instrument in midi.instruments for note in instrument.notes]
    expected = np.array([(n.pitch, n.velocity, n.start, n.end) for n in notes]).T
    if found.shape != expected.shape:
        return f"{found.shape[1]} notes, by pretty_midi {len(notes)}"
    found, expected = (_in_order(one) for one in (found, expected))
    if (found[:2] != expected[:2]).any() or np.abs(found[2:] - expected[2:]).max() > 1e-9:
        late = any(e.type == "set_tempo" for t in mido.MidiFile(path).tracks[1:] for e in t)
        return "times: a tempo on a later track" if late else "notes"
    parts = [(track.program, track.is_drum) for track in score.tracks]
    if parts != [(one.program, one.is_drum) for one in midi.instruments]:
        return "programs or drums"
    return ""


def _in_order(notes: np.ndarray) -> np.ndarray:
    """Notes ``(4, notes)`` sorted by pitch, velocity, start and end."""
    pitch, velocity, start, end = notes
    return notes[:, np.lexsort((end.round(6), start.round(6), velocity, pitch))]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, help="compare this many, drawn at random")
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
