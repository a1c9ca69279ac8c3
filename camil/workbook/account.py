"""Print the provenance of an executed notebook: settings at the top, results at the end."""

import textwrap
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from camil.workbook.files import read_json
from camil.workbook.provenance import commit, versions

WIDTH = 100  # characters of a printed line


class Account:
    """Print time, commit, versions, data and parameters of a notebook.

    Args:
        parameters: all parameters of the notebook, from `check_parameters`.
        data: folder of the corpus that the notebook reads, or of a run, which records its corpus.
    """

    def __init__(self, parameters: dict[str, Any], data: Path | str = ""):
        self._started = time.perf_counter()
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        found = versions()
        print(f"{now}, commit {commit()}, Python {found['python']}, torch {found['torch']}")
        if data:
            print(f"data: {_described(data)}")
        # Spaces in values are protected: lines break between parameters only.
        values = [f"{name}={value!r}".replace(" ", "\0") for name, value in parameters.items()]
        lines = textwrap.fill(
            ", ".join(values),
            WIDTH,
            break_long_words=False,
            break_on_hyphens=False,
            initial_indent="parameters: ",
            subsequent_indent="  ",
        )
        print(lines.replace("\0", " "))

    def close(self, *results: Path | str) -> None:
        """Print the elapsed time and the paths of the results."""
        seconds = time.perf_counter() - self._started
        minutes, rest = divmod(round(seconds), 60)
        took = f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
        print(f"Finished in {took}. Results: {', '.join(map(_described, results))}")


def _described(path: Path | str) -> str:
    """A path; of a corpus or a run, with the name and checksum of the corpus."""
    path = Path(path)
    if (path / "corpus.json").is_file():
        information = read_json(path / "corpus.json")
        name, checksum = information["source"]["name"], information["sha256"]["segments.parquet"]
    elif (path / "run.json").is_file():
        corpus = read_json(path / "run.json")["corpus"]
        name, checksum = f"made from {corpus['source']}", corpus["sha256"]
    else:
        return str(path)
    return f"{path} ({name}, sha256 {checksum[:12]})"
