"""Peak memory and time of notebooks 01 and 11 at several numbers of songs.

    python -m benchmarks.scale FOLDER_OF_MIDI --songs 3000 6000 13500 --folder /tmp/scale

Notebook 01 builds a corpus of notes (audio: false, whole_tracks: true, 12 segments per track) from
a list of files; notebook 11 trains one network on it for one epoch. Peak memory is the resident
memory of the process that needs most, and of all processes together, sampled ten times a second.
Processor time is that of all processes, so that other programs matter little.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import torch
import yaml

from benchmarks.provenance import PROJECT, provenance

STEP_CELL = "11-23"  # of notebook 11: defines step_of
# Notes when the first step ends.
WATCH = """
import time as _time
from pathlib import Path as _Path

def _watched(make):
    def make_watched(*arguments):
        step = make(*arguments)

        def watched(*batch):
            loss = step(*batch)
            mark = _Path({path!r})
            mark.exists() or mark.write_text(str(_time.time()))
            return loss

        return watched

    return make_watched

step_of = _watched(step_of)
"""


def execute(notebook: Path, output: Path, parameters: dict) -> dict[str, float]:
    """Execute a notebook with Papermill; returns its seconds and peak memory in MB."""
    command = [sys.executable, "-m", "papermill", str(notebook), str(output), "--cwd", str(PROJECT),
               "-y", yaml.safe_dump(parameters)]  # fmt: skip
    begin, before = time.time(), os.times()
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    peaks = {"peak_mb": 0.0, "peak_mb_of_all": 0.0}
    reader = threading.Thread(target=_watch, args=(process, peaks))
    reader.start()
    _, errors = process.communicate()
    reader.join()
    if process.returncode:
        raise RuntimeError(f"{notebook.name} failed:\n{errors[-3000:]}")
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return {"began": begin, "seconds": time.time() - begin, "processor_seconds": used, **peaks}


def _watch(process: subprocess.Popen, peaks: dict[str, float]) -> None:
    root = psutil.Process(process.pid)
    while process.poll() is None:
        sizes = []
        for one in [root, *_children(root)]:
            try:
                sizes.append(one.memory_info().rss / 2**20)
            except psutil.Error:
                continue
        peaks["peak_mb"] = max(peaks["peak_mb"], *sizes, 0)
        peaks["peak_mb_of_all"] = max(peaks["peak_mb_of_all"], sum(sizes))
        time.sleep(0.1)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def measure(files: list[Path], folder: Path) -> dict[str, dict[str, float]]:
    """Build a corpus of some files and train on it."""
    folder.mkdir(parents=True)
    listed = folder / "files.txt"
    listed.write_text("\n".join(str(path.resolve()) for path in files))
    corpus, figure = str(folder / "corpus"), str(folder / "segment")
    build = {"dataset": "midi", "source": str(listed), "corpus": corpus, "figure": figure}
    build |= {"audio": False, "whole_tracks": True, "max_segments_per_track": 12}
    found = {"01": execute(PROJECT / "notebooks/01_preprocess.ipynb", folder / "01.ipynb", build)}
    notebook = nbformat.read(PROJECT / "notebooks/11_songs.ipynb", as_version=4)
    index = [cell.get("id") for cell in notebook.cells].index(STEP_CELL)
    mark = folder / "first_step"
    notebook.cells.insert(index + 1, nbformat.v4.new_code_cell(WATCH.format(path=str(mark))))
    watched = folder / "11_watched.ipynb"
    nbformat.write(notebook, watched)
    train = {"corpus": corpus, "run": str(folder / "run"), "members": 1, "epochs": 1}
    found["11"] = execute(watched, folder / "11.ipynb", train)
    found["11"]["seconds_to_first_step"] = float(mark.read_text()) - found["11"]["began"]
    for one in found.values():
        del one["began"]
    information = json.loads((folder / "corpus/corpus.json").read_text())
    found["corpus"] = {name: information[name] for name in ("songs", "segments")}
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("midi", type=Path, nargs="+", help="folders of MIDI files")
    arguments.add_argument("--songs", type=int, nargs="+", default=[3000, 6000, 13500])
    arguments.add_argument("--folder", type=Path, required=True, help="new, for the corpora")
    arguments.add_argument("--output", type=Path, help="a JSON file for the results")
    given = arguments.parse_args()
    files = sorted(path for folder in given.midi for path in folder.rglob("*.mid"))
    random.Random(0).shuffle(files)
    results = {"songs": {}}
    for songs in given.songs:
        results["songs"][songs] = measure(files[:songs], given.folder / str(songs))
        print(json.dumps({songs: results["songs"][songs]}, indent=2), flush=True)
    text = json.dumps(results | provenance(torch.device("cpu")), indent=2)
    if given.output:
        given.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
