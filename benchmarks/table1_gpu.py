"""Table I at the paper's size on a GPU that is lent for minutes, in pieces that resume.

    python -m benchmarks.table1_gpu songs.csv one.sf2:two.sf2 --minutes 8 --state state

Each piece renders the corpus unless it is there, continues the runs of the profile in the order of
their importance, and stops in time. The state folder receives the results of the runs finished in
the piece (``results-01.zip.00`` ...), what later pieces need (``resume.zip.00`` ...: weights that
unfinished runs build on, and checkpoints) and ``progress.json``. A machine that starts bare needs
``progress.json`` and ``resume.*`` only. With ``--minutes 0`` all archives in the state folder are
unpacked to ``runs/``, where notebook 6 reads them.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.provenance import provenance
from benchmarks.state_archive import chunk_sizes, pack, unpack
from camil.evaluation.table1 import PAPER
from camil.training.devices import choose_device
from camil.workbook.files import read_json, write_json, write_text

Clock = Callable[[], float]  # the time in seconds
STAGES = ("sound", "pretrain", "classify")
RESULTS = ("*.json", "*.jsonl", "predictions.parquet")  # files of a finished run that are kept
RESERVE = 30.0  # seconds for packing before the minutes are over
SIZES = {"width": 64, "batch-size": 512, "epochs": 30, "learning-rate": 0.001, "segments": 12}


def sized(profile: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """The profile with the sizes of the command; a run's own epochs keep their proportion."""
    profile = profile | {"name": f"{profile['name']}-gpu", "seeds": given.seeds}
    profile["preprocess"] = profile["preprocess"] | {"max_segments_per_track": given.segments}
    factor = given.epochs / profile["classify"]["all"]["epochs"]
    sizes = {"width": given.width, "batch_size": given.batch_size}
    for stage in filter(profile.get, STAGES):
        # The teacher of sound keeps its own rate, for another loss.
        rates = {} if stage == "sound" else {"learning_rate": given.learning_rate}
        runs = {
            name: _scaled(run, factor) | (rates if "learning_rate" in run else {})
            for name, run in profile[stage]["runs"].items()
        }
        every = _scaled(profile[stage]["all"] or {}, factor) | sizes | rates
        profile[stage] = {"all": every, "runs": runs}
    return profile


def _scaled(settings: dict[str, Any], factor: float) -> dict[str, Any]:
    epochs = settings.get("epochs")
    return settings | ({"epochs": max(round(epochs * factor), 1)} if epochs else {})


class Runs:
    """The runs of a profile with their seeds, named as their folders.

    Attributes:
        settings: the settings of each run.
        kinds: what each run computes; a pass of runs of one kind takes equally long.
        below: the runs that each run builds on.
    """

    def __init__(self, profile: dict[str, Any]):
        self.settings, self.kinds, self.below = {}, {}, {}
        for stage in filter(profile.get, STAGES):
            for name, run in profile[stage]["runs"].items():
                settings = profile[stage]["all"] | run
                bases = [settings.get(key) for key in ("pretrained", "pretrained_audio")]
                for seed in profile["seeds"]:
                    key = f"{name}-seed{seed}"
                    self.settings[key], self.kinds[key] = settings, _kind(stage, settings)
                    self.below[key] = [f"{base}-seed{seed}" for base in bases if base]

    def in_order(self) -> list[str]:
        """All runs, each after those that it builds on; the rows of the paper first."""

        def importance(key: str) -> tuple[bool, int]:
            given = self.settings[key]
            row = given.get("condition"), given.get("train_fraction", 1.0)
            return row not in PAPER, int(key.rsplit("seed", 1)[1])

        keys = sorted(self.settings, key=importance)
        return list(dict.fromkeys(one for key in keys for one in self._with_those_below(key)))

    def _with_those_below(self, key: str) -> Iterator[str]:
        for base in self.below[key]:
            yield from self._with_those_below(base)
        yield key

    def work(self, key: str) -> float:
        """Passes over all training songs; 1 for a probe."""
        settings = self.settings[key]
        passes = settings["epochs"] * settings.get("train_fraction", 1.0)
        return 1.0 if self.kinds[key] == "probe" else passes


def _kind(stage: str, settings: dict[str, Any]) -> str:
    if settings.get("freeze"):
        return "probe"
    if stage == "pretrain":
        return "pairs"
    return "audio" if stage == "sound" or settings.get("modality") == "audio" else "notes"


class Piece:
    """One piece of the work, and the state that it leaves.

    Args:
        profile: the profile, with its sizes.
        earlier: state folder of the pieces before.
        end, clock: time at which the piece stops, and the clock that it is read from.

    Raises:
        SystemExit: if the state belongs to other sizes.
    """

    def __init__(self, profile: dict[str, Any], earlier: Path, end: float, clock: Clock):
        self.runs, self.end, self.clock = Runs(profile), end, clock
        self.folder, self.corpus = Path("runs", profile["name"]), Path("corpora", profile["name"])
        self.corpus_seconds, self.made = 0.0, set()
        progress = earlier / "progress.json"
        empty = {"profile": profile, "runs": {}, "pieces": []}
        self.progress = read_json(progress) if progress.is_file() else empty
        if self.progress["profile"] != profile:
            sys.exit(f"{progress} belongs to other sizes or another profile; name another --state.")
        unpack(earlier)
        self.began = time.time()
        self.configuration = self.folder / "profile.yaml"
        write_text(self.configuration, yaml.safe_dump(profile | {"threads": os.cpu_count()}))

    def finished(self, key: str) -> bool:
        """Whether a run was finished in this piece or an earlier one."""
        return self.progress["runs"].get(key, {}).get("finished", False)

    def work(self) -> None:
        """Make the corpus, then the runs, until the end."""
        started = self.clock()
        ready = self.make(self.corpus / "corpus.json")
        self.corpus_seconds = self.clock() - started
        for key in self.runs.in_order():
            if not ready:
                return
            if self.finished(key):
                continue
            started = self.clock()
            ready = self.make(self.folder / key / "run.json")
            about = self.progress["runs"].setdefault(key, {"seconds": 0.0})
            about["seconds"] += self.clock() - started
            about["finished"] = ready
            self.made |= {key} if ready else set()

    def make(self, target: Path) -> bool:
        """Let Snakemake make a file; False if the end comes first, which kills its jobs.

        Raises:
            SystemExit: if a job fails.
        """
        if self.clock() >= self.end:
            return False
        # Files that were carried to this machine are older or newer than others without meaning.
        options = ["--nolock", "--rerun-incomplete", "--rerun-triggers", "params"]
        options += ["--configfile", str(self.configuration), "--cores", "all"]
        command = [sys.executable, "-m", "snakemake", str(target), *options]
        print(f"{target} ...", flush=True)
        log = self.folder / "piece.log"
        with open(log, "w", encoding="utf-8") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            while process.poll() is None:
                if self.clock() >= self.end:
                    _kill(process)
                    return False
                time.sleep(0.2)
        if process.returncode:
            sys.exit(f"{log.read_text(encoding='utf-8')[-5000:]}\n{target} was not made.")
        return True

    def leave(self, folder: Path, megabytes: float) -> None:
        """Write the state: results first, then weights and checkpoints as far as there is room."""
        folder.mkdir(parents=True, exist_ok=True)
        # A finished run is made again if its weights are missing.
        records = {key: self.folder / key / "run.json" for key in self.runs.settings}
        made = [key for key, record in records.items() if key in self.made
                or (record.is_file() and record.stat().st_mtime >= self.began)]  # fmt: skip
        results = [file for key in made for pattern in RESULTS
                   for file in sorted((self.folder / key).glob(pattern))]  # fmt: skip
        pack(results, folder, f"results-{len(self.progress['pieces']) + 1:02}")
        sizes, kept, left_out = chunk_sizes(results), [], []
        for key in self._needed():
            files = sorted(file for file in (self.folder / key).glob("*") if file.is_file())
            more = sizes | chunk_sizes(files)
            if sum(more.values()) <= megabytes * 1e6:
                sizes, kept = more, kept + files
            else:
                size = (sum(more.values()) - sum(sizes.values())) / 1e6
                left_out.append(f"{key} ({size:.0f} MB)")
        pack(kept, folder, "resume")
        about = {"corpus_seconds": self.corpus_seconds, "finished": made, "left_out": left_out}
        self.progress["pieces"].append(about | provenance(choose_device("auto")))
        write_json(folder / "progress.json", self.progress)

    def _needed(self) -> list[str]:
        """Runs here that later pieces need: those below unfinished ones, and interrupted ones."""
        todo = [key for key in self.runs.in_order() if not self.finished(key)]
        needed = dict.fromkeys(one for key in todo for one in (*self.runs.below[key], key))
        return [key for key in needed if any((self.folder / key).glob("*.safetensors"))]

    def report(self) -> str:
        """Finished runs, and a forecast for the others from runs of the same kind."""
        done, spent = defaultdict(float), defaultdict(float)
        for key, about in self.progress["runs"].items():
            if about["finished"]:
                done[self.runs.kinds[key]] += self.runs.work(key)
                spent[self.runs.kinds[key]] += about["seconds"]
        rates = {kind: spent[kind] / done[kind] for kind in done}
        lines, total = [], 0.0
        for key in self.runs.in_order():
            seconds = self.progress["runs"].get(key, {}).get("seconds", 0.0)
            # For a kind without a finished run, the slowest kind that is known.
            rate = rates.get(self.runs.kinds[key], max(rates.values(), default=math.nan))
            left = 0.0 if self.finished(key) else max(rate * self.runs.work(key) - seconds, 0.0)
            total += left
            lines.append(f"{key}: {seconds:.0f} s, left {left:.0f} s")
        for piece in self.progress["pieces"][-1:]:
            lines.append(
                f"Left: {total:.0f} s, per piece {piece['corpus_seconds']:.0f} s of corpus"
            )
            lines += [f"{one} is over the limit and begins again" for one in piece["left_out"]]
        return "\n".join(lines)


def _kill(process: subprocess.Popen) -> None:
    """Kill a process and its descendants, of which kernels are in sessions of their own."""
    family = [psutil.Process(process.pid)]
    family += family[0].children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    psutil.wait_procs(family[1:], timeout=10)


def main(command: list[str] | None = None, clock: Clock = time.monotonic) -> None:
    """Make one piece and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="the songs: a manifest or a folder")
    parser.add_argument("soundfonts", help="one.sf2:two.sf2")
    parser.add_argument("--minutes", type=float, default=8.0, help="of this piece, all included")
    parser.add_argument("--state", type=Path, required=True, help="folder that the piece writes")
    parser.add_argument("--earlier", type=Path, help="folder of earlier pieces, if it is another")
    parser.add_argument("--megabytes", type=float, default=55.0, help="that a piece may leave")
    parser.add_argument("--profile", type=Path, default=Path("config/lakh.yaml"))
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args(command)
    end = clock() + 60 * given.minutes - RESERVE
    os.environ |= {"SOURCE": given.source, "SOUNDFONTS": given.soundfonts}
    profile = sized(yaml.safe_load(given.profile.read_text(encoding="utf-8")), given)
    piece = Piece(profile, given.earlier or given.state, end, clock)
    try:
        piece.work()
    finally:
        if given.minutes:
            piece.leave(given.state, given.megabytes)
        print(piece.report())


if __name__ == "__main__":
    main()
