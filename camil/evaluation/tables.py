"""Table I as Markdown, LaTeX and CSV, with the paper's figures beside ours."""

import math
import re
from pathlib import Path

import pandas as pd

COLUMNS = (
    "condition", "train_fraction", "negatives", "context", "seeds", "macro_f1", "macro_f1_low",
    "macro_f1_high", "weighted_f1", "accuracy", "track_macro_f1", "difference", "difference_low",
    "difference_high",
)  # fmt: skip
HEADINGS = (
    "Condition", "Train data", "Negatives", "Seeds", "Macro-F1", "95 % interval", "Weighted F1",
    "Accuracy", "Track macro-F1", "Against SIC", "Paper (Slakh)",
)  # fmt: skip
NONE = "\N{EN DASH}"

# F1 scores of the paper's Table I, measured on Slakh2100; the averaging is not said there.
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
NEGATIVES = {"class": "Class-based", "random": "Random"}


def markdown(table: pd.DataFrame, note: str = "") -> str:
    """Table I for a README: the best symbolic row that sees a segment at a time is bold.

    Args:
        table: the columns of `COLUMNS`, rows in the order to print; train_fraction from 0 to 1,
            negatives "class", "random" or empty; context "segment", "track" or "song". Scores may
            be missing (NaN).
        note: stands under it.

    Raises:
        ValueError: if a column is missing or there is no row.
    """
    rows = _rows(table)
    best = _best(table)
    lines = [_markdown_row(HEADINGS), "|:--|--:|:--|" + "--:|" * (len(HEADINGS) - 3)]
    for i, cells in enumerate(rows):
        cells = [_escape_markdown(cell) for cell in cells]
        lines.append(_markdown_row(f"**{cell}**" if i in best else cell for cell in cells))
    if note:
        lines += ["", f"*{_escape_markdown(note)}*"]
    return "\n".join(lines) + "\n"


def latex(table: pd.DataFrame, note: str = "") -> str:
    r"""Table I as a `tabular` to `\input`; the document loads booktabs.

    Rules part the audio reference and each share of training data, as in the paper. Arguments and
    errors as of `markdown`.
    """
    rows = _rows(table)
    best = _best(table)
    lines = [
        r"% \usepackage{booktabs} in the preamble",
        rf"\begin{{tabular}}{{lrl{'r' * (len(HEADINGS) - 3)}}}",
        r"\toprule",
    ]
    lines += [_latex_row(map(_escape_latex, HEADINGS)), r"\midrule"]
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
    """Table I to six digits, the columns of `COLUMNS` only; errors as of `markdown`."""
    _require(table)
    return table[list(COLUMNS)].to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write(table: pd.DataFrame, path: str | Path, note: str = "") -> list[Path]:
    """Write `path`.md, `path`.csv and `path`.tex; returns the files. Errors as of `markdown`."""
    path = Path(path)
    texts = {".md": markdown(table, note), ".csv": csv(table), ".tex": latex(table, note)}
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(path.name + suffix) for suffix in texts]
    for file, text in zip(files, texts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    return files


def write_plain(
    table: pd.DataFrame, path: str | Path, note: str = "", columns: dict[str, str] | None = None
) -> list[Path]:
    """Write any small table as `path`.md and `path`.csv, numbers to three digits and to six.

    Args:
        columns: which of its columns the Markdown shows, and their headings; by default all.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(path.name + suffix) for suffix in (".md", ".csv")]
    files[0].write_text(plain(table, note, columns), encoding="utf-8")
    table.to_csv(files[1], index=False, float_format="%.6g", lineterminator="\n")
    return files


def plain(table: pd.DataFrame, note: str = "", columns: dict[str, str] | None = None) -> str:
    """Any small table in Markdown; arguments as of `write_plain`."""
    columns = columns or {name: str(name).replace("_", " ") for name in table.columns}
    numbers = [pd.api.types.is_numeric_dtype(table[name]) for name in columns]
    lines = [_markdown_row(_escape_markdown(heading) for heading in columns.values())]
    lines.append("|" + "".join("--:|" if number else ":--|" for number in numbers))
    for row in table[list(columns)].itertuples(index=False):
        cells = map(_plain_cell, columns, row)
        lines.append(_markdown_row(_escape_markdown(cell) for cell in cells))
    if note:
        lines += ["", f"*{_escape_markdown(note)}*"]
    return "\n".join(lines) + "\n"


def _plain_cell(column: str, value) -> str:
    if column == "train_fraction":
        return f"{100 * value:g} %"
    return _score(value) if isinstance(value, float) else str(value)


def _require(table: pd.DataFrame) -> None:
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(
            f"Table I needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"the table has {', '.join(map(str, table.columns)) or 'none'}."
        )
    if table.empty:
        raise ValueError("Table I needs at least one row; the table is empty.")


def _rows(table: pd.DataFrame) -> list[list[str]]:
    """The cells of every row as text, under `HEADINGS`."""
    _require(table)
    rows = []
    for row in table.to_dict("records"):
        paper = PAPER.get((_short(row["condition"]), round(float(row["train_fraction"]), 6)))
        low, high = _score(row["macro_f1_low"]), _score(row["macro_f1_high"])
        rows.append([
            str(row["condition"]),
            f"{100 * row['train_fraction']:g} %",
            _negatives(row["negatives"]),
            str(row["seeds"]),
            _score(row["macro_f1"]),
            NONE if NONE in (low, high) else f"{low} to {high}",
            *(_score(row[name]) for name in ("weighted_f1", "accuracy", "track_macro_f1")),
            _difference(row),
            _score(paper),
        ])  # fmt: skip
    return rows


def _best(table: pd.DataFrame) -> set[int]:
    """Places of the symbolic rows with the highest macro-F1 as printed."""
    rows = zip(table["condition"], table["context"], table["macro_f1"], strict=True)
    symbolic = {
        i: round(float(score), 3)
        for i, (name, context, score) in enumerate(rows)
        if not _is_audio(name) and context == "segment" and not math.isnan(score)
    }
    return {i for i, score in symbolic.items() if score == max(symbolic.values())}


def _short(condition: str) -> str:
    """The condition without what the paper puts in brackets: SIC of "SIC (Baseline)"."""
    return str(condition).split(" (")[0]


def _is_audio(condition: str) -> bool:
    return _short(condition) == "AIC"


def _negatives(value) -> str:
    if not isinstance(value, str) or value.strip() in ("", "-", NONE):  # NaN where CSV was empty
        return NONE
    return NEGATIVES.get(value, value)


def _score(value: float | None) -> str:
    return NONE if value is None or math.isnan(value) else f"{value:.3f}"


def _difference(row: dict) -> str:
    """Signed, with its interval; one that does not reach zero is more than chance of the songs."""
    values = [row[name] for name in ("difference", "difference_low", "difference_high")]
    if any(math.isnan(value) for value in values):
        return NONE
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*values)


def _markdown_row(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex_row(cells) -> str:
    return " & ".join(cells) + r" \\"


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))


def _escape_latex(text: str) -> str:
    named = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    named |= {NONE: "--", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    named |= {character: "\\" + character for character in "&%$#_{}"}
    return "".join(named.get(character, character) for character in " ".join(text.split()))
