"""What an executed notebook tells of itself, for whoever finds it later."""

import textwrap
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from camil.workbook.files import read_json
from camil.workbook.provenance import commit, versions


class Account:
    """Print at a notebook's top with what it is run, and at its end what came of it.

    Args:
        parameters: all of the notebook's, from `check_parameters`.
        data: the corpus, or the run that knows its corpus, that the notebook reads.
        device: what it computes on.
    """

    def __init__(self, parameters: dict[str, Any], data: Path | str = "", device: Any = "cpu"):
        self._started = time.perf_counter()
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        found = versions()
        print(f"{now}, on {device}, commit {commit()}, ", end="")
        print(f"Python {found['python']}, torch {found['torch']}")
        if data:
            print(f"data: {_told(data)}")
        # A value keeps its spaces: lines break between parameters only.
        values = [f"{name}={value!r}".replace(" ", "\0") for name, value in parameters.items()]
        lines = textwrap.fill(", ".join(values), 100, break_long_words=False,
                              break_on_hyphens=False, initial_indent="parameters: ",
                              subsequent_indent="  ")  # fmt: skip
        print(lines.replace("\0", " "))

    def close(self, *results: Path | str) -> None:
        """Print how long it took and where the results are."""
        seconds = time.perf_counter() - self._started
        minutes, rest = divmod(round(seconds), 60)
        took = f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
        print(f"Finished in {took}. Results: {', '.join(map(_told, results))}")


def _told(folder: Path | str) -> str:
    """A folder, with the checksum of its corpus if it is one or knows one."""
    folder = Path(folder)
    if (folder / "corpus.json").is_file():
        information = read_json(folder / "corpus.json")
        name, checksum = information["source"]["name"], information["sha256"]["segments.parquet"]
    elif (folder / "run.json").is_file():
        corpus = read_json(folder / "run.json")["corpus"]
        name, checksum = f"made from {corpus['source']}", corpus["sha256"]
    else:
        return str(folder)
    return f"{folder} ({name}, sha256 {checksum[:12]})"
