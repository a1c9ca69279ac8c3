"""Write small tables of results as Markdown and CSV."""

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from camil.workbook.files import write_text

DASH = "\N{EN DASH}"  # a missing number


def write_plain(
    table: pd.DataFrame, path: str | Path, note: str = "", columns: dict[str, str] | None = None
) -> list[Path]:
    """Write a table as ``<path>.md``, numbers with three decimals, and ``.csv``, six digits.

    Args:
        table: any table.
        path: path of the files without suffix; the folder is created.
        note: printed below the Markdown table.
        columns: headings of the columns that Markdown shows, by name; all if None.

    Returns:
        The two paths.
    """
    path = Path(path)
    files = [path.with_name(path.name + suffix) for suffix in (".md", ".csv")]
    write_text(files[0], plain(table, note, columns))
    write_text(files[1], table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return files


def plain(table: pd.DataFrame, note: str = "", columns: dict[str, str] | None = None) -> str:
    """A table in Markdown; arguments as for `write_plain`."""
    columns = columns or {name: str(name).replace("_", " ") for name in table.columns}
    text = [name for name in columns if not pd.api.types.is_numeric_dtype(table[name])]
    cells = {name: [_cell(name, value) for value in table[name]] for name in columns}
    frame = pd.DataFrame(cells, dtype=object)
    frame.columns = [escaped(heading) for heading in columns.values()]
    return with_note(to_markdown(frame, [escaped(columns[name]) for name in text]), note)


def to_markdown(cells: pd.DataFrame, left: Collection[str]) -> str:
    """A table of texts in Markdown, without padding.

    Args:
        cells: texts, escaped.
        left: headings of the left-aligned columns; the others are right-aligned.
    """
    alignment = ["left" if name in left else "right" for name in cells.columns]
    text = cells.to_markdown(index=False, disable_numparse=True, colalign=alignment)
    # Without the padding a changed score changes one row, not the table.
    head, rule, *rows = (re.sub(r" {2,}", " ", line) for line in text.splitlines())
    rule = re.sub("-+", lambda dashes: "-" * min(len(dashes[0]), 2), rule)
    return "\n".join([head, rule, *rows]) + "\n"


def with_note(text: str, note: str) -> str:
    """A Markdown table with a note in italics below it."""
    return f"{text}\n*{escaped(note)}*\n" if note else text


def escaped(text: str) -> str:
    """Text in one line, with Markdown's special characters escaped."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))


def number(value: float) -> str:
    """A number with three decimals; a dash for NaN."""
    return DASH if math.isnan(value) else f"{value:.3f}"


def signed(difference: float, low: float, high: float) -> str:
    """A difference with its sign and its interval."""
    return f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"


def _cell(column: str, value: Any) -> str:
    if column == "train_fraction":
        return f"{100 * value:g} %"
    return escaped(number(value) if isinstance(value, float) else str(value))
