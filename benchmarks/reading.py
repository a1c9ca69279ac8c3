"""Compare the MIDI reader of this checkout with the one of another: time and scores.

    python -m benchmarks.reading FOLDER_OF_MIDI OTHER_CHECKOUT [--files 500] [--rounds 5]

Both readers run alternately on the same files, each in its own process. The benchmark prints the
processor time per file and the ratio of the shortest times (this checkout to the other), then the
files whose scores differ, by kind of difference. Scores are compared bit by bit: notes, beats,
seconds, measures and tempi.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import process_time

SUFFIXES = (".mid", ".midi", ".kar")


def worker() -> None:
    """Read the files that the first line of the input lists, for each further line: "time" prints
    the seconds, "scores" the scores."""
    from camil.midi import read_midi  # from the checkout in PYTHONPATH

    files, scores = json.loads(sys.stdin.readline()), {}
    for line in sys.stdin:
        keep = line.strip() == "scores"
        begin = process_time()
        for file in files:
            try:
                score = read_midi(file)
            except ValueError as error:
                score = f"refused: {str(error).rpartition('cannot be read: ')[2]}"
            if keep:
                scores[file] = score if isinstance(score, str) else summary(score)
        print(json.dumps(scores if keep else process_time() - begin), flush=True)


def summary(score) -> dict:
    """Measures and tempi of a score, and its parts, as hashes of their arrays."""
    tempo = score.tempo
    parts = [
        {
            "name": track.name,
            "program": track.program,
            "drums": bool(track.is_drum),
            "labelled": getattr(track, "labelled", True),
            "notes": _hash(track.pitch, track.velocity, track.start_beat, track.end_beat,
                           track.start_seconds, track.end_seconds),
        }
        for track in score.tracks
    ]  # fmt: skip
    return {"times": _hash(score.measures, tempo.beat, tempo.second, tempo.bpm), "parts": parts}


def _hash(*arrays) -> str:
    return hashlib.md5(b"".join(array.tobytes() for array in arrays)).hexdigest()


def kind_of_difference(this, other) -> str:
    """The kind of the first difference between two scores, "" if there is none."""
    if isinstance(this, str) or isinstance(other, str):
        both = isinstance(this, str) and isinstance(other, str)
        return "" if both else "read by one reader only"
    if this["times"] != other["times"]:
        return "measures or tempi"
    if len(this["parts"]) != len(other["parts"]):
        return "number of parts"
    for key in ("notes", "drums", "program", "labelled", "name"):
        if [part[key] for part in this["parts"]] != [part[key] for part in other["parts"]]:
            return key
    return ""


def main() -> None:
    if sys.argv[1:] == ["--worker"]:
        return worker()
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("other", type=Path, help="a checkout with its own .venv")
    arguments.add_argument("--files", type=int, help="compare this many, drawn at random")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    files = sorted(str(p) for p in given.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if given.files and given.files < len(files):
        files = random.Random(0).sample(files, given.files)
    readers = {}
    for name, checkout in (("this", Path(__file__).parents[1]), ("other", given.other)):
        python = checkout.resolve() / ".venv" / "bin" / "python"
        environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
        readers[name] = subprocess.Popen(
            [python, __file__, "--worker"], text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        readers[name].stdin.write(json.dumps(files) + "\n")

    def request(name: str, what: str):
        readers[name].stdin.write(what + "\n")
        readers[name].stdin.flush()
        return json.loads(readers[name].stdout.readline())

    times = {name: [] for name in readers}
    for _ in range(given.rounds):
        for name, seconds in times.items():
            seconds.append(request(name, "time"))
    for name, seconds in times.items():
        print(f"{name}: {1000 * min(seconds) / len(files):.3f} ms per file")
    print(f"ratio: {min(times['this']) / min(times['other']):.3f}")
    this, other = request("this", "scores"), request("other", "scores")
    kinds: Counter = Counter()
    for file in files:
        if kind := kind_of_difference(this[file], other[file]):
            kinds[kind] += 1
            print(f"{kind}: {file}")
    print(f"{len(files)} files, {kinds.total()} of them different: {dict(kinds)}")
    for process in readers.values():
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
