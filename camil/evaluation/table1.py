"""Write Table I as Markdown, LaTeX and CSV, beside the paper's scores."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from camil.evaluation.columns import require_columns
from camil.evaluation.markdown_tables import (
    DASH,
    escaped,
    number,
    signed,
    to_markdown,
    with_note,
)
from camil.evaluation.metrics import DIFFERENCE
from camil.workbook.files import write_text

COLUMNS = (
    "condition", "train_fraction", "negatives", "context", "seeds", "macro_f1", "macro_f1_low",
    "macro_f1_high", "weighted_f1", "accuracy", "track_macro_f1", "difference", "difference_low",
    "difference_high", "warnings",
)  # fmt: skip
HEADINGS = (
    "Condition", "Train data", "Negatives", "Seeds", "Macro-F1 (95 % interval)", "Weighted F1",
    "Accuracy", "Track macro-F1", "Against SIC", "Paper (Slakh)", "Warnings",
)  # fmt: skip
LEFT = ("Condition", "Negatives", "Warnings")  # left-aligned columns

# F1 scores of the paper's Table I on Slakh2100. The paper does not state how they are averaged.
PAPER = {
    ("AIC", 1.0): 0.9613,
    ("SIC", 1.0): 0.6008,
    ("CAMIL", 1.0): 0.6236,
    ("Fine-tuned CAMIL", 1.0): 0.6270,
    ("Unsupervised CAMIL", 1.0): 0.6086,
    ("SIC", 0.5): 0.5573,
    ("CAMIL", 0.5): 0.5772,
    ("Unsupervised CAMIL", 0.5): 0.5768,
}
AUDIO = ("AIC", "Self-supervised audio")  # classifiers of audio, references for those of notes
NEGATIVES = {"class": "Class-based", "random": "Random"}


def markdown(table: pd.DataFrame, note: str = "") -> str:
    """Table I in Markdown.

    The best symbolic row that reads one segment at a time is bold, unless a row that it is compared
    with has a warning.

    Args:
        table: the columns of `COLUMNS`, rows in the order to print. ``train_fraction`` is from 0
            to 1, ``negatives`` "class", "random" or empty, ``context`` "segment", "track" or
            "song". Scores may be NaN.
        note: printed below the table.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    rows = _rows(table)
    best = _best(table)
    cells = [
        [f"**{escaped(cell)}**" if i in best and cell else escaped(cell) for cell in row]
        for i, row in enumerate(rows)
    ]
    frame = pd.DataFrame(cells, columns=list(HEADINGS))
    return with_note(to_markdown(frame, LEFT), note)


def latex(table: pd.DataFrame, note: str = "") -> str:
    r"""Table I as a ``tabular`` for ``\input``; the document loads booktabs.

    Rules separate the audio reference, the shares of the training data and the contexts, as in the
    paper. Arguments and errors as for `markdown`.
    """
    rows = _rows(table)
    best = _best(table)
    alignment = "".join("l" if heading in LEFT else "r" for heading in HEADINGS)
    lines = [
        r"% \usepackage{booktabs} in the preamble",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _latex_row(map(_escape_latex, HEADINGS)),
        r"\midrule",
    ]
    parts = zip(table["condition"], table["train_fraction"], table["context"], strict=True)
    groups = [(_is_audio(name), *part) for name, *part in parts]
    for i, cells in enumerate(rows):
        if i and groups[i] != groups[i - 1]:
            lines.append(r"\midrule")
        cells = [_escape_latex(cell) for cell in cells]
        lines.append(_latex_row(rf"\textbf{{{cell}}}" if i in best else cell for cell in cells))
    lines.append(r"\bottomrule")
    if note:
        lines.append(
            rf"\multicolumn{{{len(HEADINGS)}}}{{l}}{{\footnotesize {_escape_latex(note)}}}\\"
        )
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def csv(table: pd.DataFrame) -> str:
    """Table I as CSV: the columns of `COLUMNS`, six digits. Errors as for `markdown`."""
    require_columns(table, COLUMNS, "Table I")
    return table[list(COLUMNS)].to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write(table: pd.DataFrame, path: str | Path, note: str = "") -> list[Path]:
    """Write Table I as ``<path>.md``, ``.csv`` and ``.tex``.

    Returns:
        The three paths.

    Raises:
        ValueError: under the conditions of `markdown`.
    """
    path = Path(path)
    texts = {".md": markdown(table, note), ".csv": csv(table), ".tex": latex(table, note)}
    files = [path.with_name(path.name + suffix) for suffix in texts]
    for file, text in zip(files, texts.values(), strict=True):
        write_text(file, text)
    return files


def _rows(table: pd.DataFrame) -> list[list[str]]:
    """The cells of each row as text, in the order of `HEADINGS`."""
    require_columns(table, COLUMNS, "Table I")
    rows = []
    for row in table.to_dict("records"):
        paper = PAPER.get((_short(row["condition"]), round(float(row["train_fraction"]), 6)))
        rows.append([
            str(row["condition"]),
            f"{100 * row['train_fraction']:g} %",
            _negatives(row["negatives"]),
            str(row["seeds"]),
            _with_interval(row),
            *(number(row[name]) for name in ("weighted_f1", "accuracy", "track_macro_f1")),
            _difference(row),
            DASH if paper is None else number(paper),
            _text(row["warnings"]),
        ])  # fmt: skip
    return rows


def _best(table: pd.DataFrame) -> set[int]:
    """Indices of the symbolic rows with the highest macro-F1; empty if one has a warning."""
    columns = ("condition", "context", "macro_f1", "warnings")
    rows = enumerate(zip(*(table[name] for name in columns), strict=True))
    symbolic = {
        i: (round(float(score), 3), _text(warnings))
        for i, (name, context, score, warnings) in rows
        if not _is_audio(name) and context == "segment" and not math.isnan(score)
    }
    if any(warnings for _, warnings in symbolic.values()):
        return set()
    highest = max((score for score, _ in symbolic.values()), default=0.0)
    return {i for i, (score, _) in symbolic.items() if score == highest}


def _short(condition: str) -> str:
    """The condition without a remark in brackets: SIC of "SIC (Baseline)"."""
    return str(condition).split(" (")[0]


def _is_audio(condition: str) -> bool:
    return _short(condition) in AUDIO


def _text(value: Any) -> str:
    """A cell of text; an empty cell of a CSV file is read as NaN."""
    return value.strip() if isinstance(value, str) else ""


def _negatives(value: Any) -> str:
    text = _text(value)
    return DASH if text in ("", "-", DASH) else NEGATIVES.get(text, text)


def _with_interval(row: dict[str, Any]) -> str:
    """The macro-F1 with its interval, if there is one."""
    score, low, high = (number(row[f"macro_f1{name}"]) for name in ("", "_low", "_high"))
    return score if DASH in (low, high) else f"{score} ({low} to {high})"


def _difference(row: dict[str, Any]) -> str:
    """A signed difference with its interval."""
    values = [row[name] for name in DIFFERENCE]
    return DASH if any(map(math.isnan, values)) else signed(*values)


def _latex_row(cells) -> str:
    return " & ".join(cells) + r" \\"


def _escape_latex(text: str) -> str:
    named = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    named |= {DASH: "--", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    named |= {character: "\\" + character for character in "&%$#_{}"}
    return re.sub(r"\S", lambda found: named.get(found[0], found[0]), " ".join(text.split()))
