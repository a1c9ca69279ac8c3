"""Output of the commands: tables, JSON and progress."""

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from camil.labelling.report import DIFFERS, file_text, with_joint_probabilities
from camil.workbook.files import write_text

REFRESH, LINES = 0.2, 10.0  # seconds between two states of the progress: in a terminal, in a log


def terminal_width() -> int | None:
    """The number of columns of the terminal; None if the output is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def write(text: str, output: str) -> None:
    """Write a text to a file, or print it if the name of the file is empty."""
    if output:
        write_text(output, text)
    else:
        print(text, end="", flush=True)


class TextTables:
    """Prints a table per file as soon as it is there."""

    def __init__(self, output: str, threshold: float):
        self.width = terminal_width()
        self.separator, self.differs = "", False

    def add(self, record: dict[str, Any], tracks: pd.DataFrame) -> None:
        print(f"{self.separator}{file_text(record, self.width)}", flush=True)
        self.separator = "\n"
        self.differs |= any(track["differs"] for track in record["tracks"])

    def finish(self, skipped: list[dict[str, str]]) -> None:
        if self.differs:
            legend = f"{DIFFERS} the label contradicts the program in the file"
            print("\n".join(textwrap.wrap(legend, self.width or len(legend))), flush=True)


class CSVTable:
    """One table of all files, printed per file or written at the end."""

    def __init__(self, output: str, threshold: float):
        self.output, self.parts, self.header = output, [], True

    def add(self, record: dict[str, Any], tracks: pd.DataFrame) -> None:
        table = with_joint_probabilities(tracks)
        text = table.to_csv(index=False, header=self.header, float_format="%.4f")
        self.header = False
        if self.output:
            self.parts.append(text)
        else:
            print(text, end="", flush=True)

    def finish(self, skipped: list[dict[str, str]]) -> None:
        if self.output:  # without parts too: a table of an earlier call must not remain
            write_text(self.output, "".join(self.parts))


class JSONDocument:
    """One document with all files."""

    def __init__(self, output: str, threshold: float):
        self.output, self.content = output, {"threshold": threshold, "files": []}

    def add(self, record: dict[str, Any], tracks: pd.DataFrame) -> None:
        self.content["files"].append(record)

    def finish(self, skipped: list[dict[str, str]]) -> None:
        text = json.dumps(self.content | {"skipped": skipped}, indent=1, ensure_ascii=True)
        write(f"{text}\n", self.output)


Table = TextTables | CSVTable | JSONDocument
TABLES = {"text": TextTables, "csv": CSVTable, "json": JSONDocument}


class Progress:
    """The progress through files, on standard error: one line in a terminal, else a line every ten
    seconds. Nothing is shown for a single file."""

    def __init__(self, total: int):
        self.total, self.done = total, 0
        self.live = sys.stderr.isatty()
        self.begin = self.shown = time.monotonic()

    @classmethod
    def over(cls, files: Sequence[Path]) -> Iterator[Path]:
        """Iterate over files and show the progress."""
        progress = cls(len(files))
        for file in files:
            yield file
            progress.step()
        progress.clear()

    def step(self) -> None:
        self.done += 1
        now = time.monotonic()
        if self.total > 1 and now - self.shown >= (REFRESH if self.live else LINES):
            self.shown = now
            text = f"{self.done:,} of {self.total:,} files"
            if self.done > self.total // 20:  # before, the start of the processes counts too much
                left = (self.total - self.done) * (now - self.begin) / self.done
                text += f", {left:.0f} s left"
            print(f"\r{text}\x1b[K" if self.live else text, end="" if self.live else "\n",
                  file=sys.stderr, flush=True)  # fmt: skip

    def clear(self, if_shown_with=None) -> None:
        """Remove the line from the terminal, so that other text can be printed.

        Args:
            if_shown_with: only if this stream is a terminal too.
        """
        if self.live and self.total > 1 and (if_shown_with is None or if_shown_with.isatty()):
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
