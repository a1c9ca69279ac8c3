"""Training speed beside another busy process, with sleeping and with spinning OpenMP threads.

    python -m benchmarks.busy          two CPU cores: about two minutes

Each measurement is a process that trains with all cores, alone or beside a process that keeps one
core busy. The two alternate. The results are the medians of seconds per step, and the speed beside
the busy process as a share of the speed alone, with ``OMP_WAIT_POLICY`` as camil sets it
(PASSIVE) and as OpenMP does by default. Results go to benchmarks/results/busy.json, with the load
of the machine before the measurement: other processes make both speeds lower.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks import training_loops
from benchmarks.provenance import provenance
from camil.workbook.environment import KEEP_MEMORY
from camil.workbook.files import write_json

TARGET = 0.4  # share of the speed alone
WARM_UP = 2  # steps
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
POLICIES = {"camil": "PASSIVE", "OpenMP default": ""}


def main(command: list[str] | None = None) -> dict:
    """Measure, write and print the results, or take part in a measurement."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--steps", type=int, default=6, help="timed steps per measurement")
    arguments.add_argument("--turns", type=int, default=3, help="measurements per setting")
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--depth", type=int, default=18)
    arguments.add_argument("--batch-size", type=int, default=128)
    arguments.add_argument("--output", type=Path, default=Path("benchmarks/results/busy.json"))
    arguments.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args(command)
    if given.train:
        print(seconds_per_step(given))
        return {}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    results = {"target": TARGET, "load_before": load}
    for name, policy in POLICIES.items():
        seconds: dict[str, list[float]] = {"alone": [], "beside a busy process": []}
        for _ in range(given.turns):
            seconds["alone"].append(_measured(given, policy))
            with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
                try:
                    seconds["beside a busy process"].append(_measured(given, policy))
                finally:
                    busy.kill()
        found = {where: statistics.median(values) for where, values in seconds.items()}
        found["share of the speed"] = found["alone"] / found["beside a busy process"]
        results[name] = found | {"OMP_WAIT_POLICY": policy or "unset", "all": seconds}
        print(f"{name}: {found}", flush=True)
    results["provenance"] = provenance(torch.device("cpu"))
    write_json(given.output, results)
    return results


class _EndOfMeasurement(Exception):
    """Raised to end the loop, which otherwise does not end."""


def seconds_per_step(given: argparse.Namespace) -> float:
    """Median seconds of a step of pre-training, after two steps of warm-up."""
    begun: list[float] = []

    def gate() -> None:
        begun.append(time.perf_counter())
        if len(begun) > WARM_UP + given.steps:
            raise _EndOfMeasurement

    with suppress(_EndOfMeasurement):
        training_loops.bare(gate, given, torch.device("cpu"))
    steps = [after - before for before, after in pairwise(begun)]
    return statistics.median(steps[WARM_UP:])


def _measured(given: argparse.Namespace, policy: str) -> float:
    """Seconds per step in a separate process."""
    # An empty value counts as set, so camil keeps it; OpenMP then uses its default.
    environment = os.environ | KEEP_MEMORY | {"OMP_WAIT_POLICY": policy}
    names = ("width", "depth", "batch_size", "steps")
    sizes = [f"--{name.replace('_', '-')}={getattr(given, name)}" for name in names]
    command = [sys.executable, "-m", "benchmarks.busy", "--train", *sizes]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(run.stdout)


if __name__ == "__main__":
    main()
