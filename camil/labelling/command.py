"""The commands ``camil label`` and ``camil audit``; `camil.cli` defines their options."""

import os
import sys
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from camil.labelling.files import (
    OTHER,
    THRESHOLD,
    UNCERTAIN,
    LabellerByName,
    SkippedFile,
    map_files,
)
from camil.labelling.inputs import copy_paths, find_inputs, path_fault
from camil.labelling.label import as_utf8, skipped
from camil.labelling.label import label as label_path
from camil.labelling.label_job import LabelJob
from camil.labelling.output import TABLES, CSVTable, Progress, Table, terminal_width, write
from camil.labelling.report import audit_text
from camil.midi.folder import SUFFIXES
from camil.workbook.files import check_writable

FORMS = {".csv": "csv", ".json": "json"}  # of files
SHOWN = 25  # suspicious tracks in the terminal


class Outcome(NamedTuple):
    """Numbers of files that were labelled and skipped."""

    labelled: int
    skipped: int


def label(options: Namespace) -> Outcome:
    """Label files and print or write the labels.

    Args:
        options: ``paths``, ``output``, ``json``, ``csv``, ``apply``, ``copies`` (the default folder
            of copies), ``transcription``, ``join``, ``threshold``, ``pretrained`` and
            ``processes``.

    Raises:
        ValueError, OSError: if the options do not fit together or to the files.
    """
    if options.join and not (options.transcription and options.apply):
        raise ValueError("--join writes joined tracks; add --transcription and --apply.")
    form = table_format(options)
    inputs, missing = find_inputs(options)
    copies = copy_paths(inputs, options) if options.apply else []
    output = "" if options.apply else options.output
    if output:
        check_writable(output)
    for why in missing:
        _print_error(why)
    if not inputs:
        return Outcome(0, len(missing))
    with redirect_stdout(sys.stderr):  # standard output is for labels
        labeller = LabellerByName(options.pretrained)
    threshold = THRESHOLD if options.threshold is None else options.threshold
    names = [as_utf8(str(one.path)) for one in inputs]
    work = LabelJob(names, copies, labeller, threshold, options.transcription, options.join)
    table = TABLES[form](output, threshold)
    results = map_files([one.path for one in inputs], work, options.processes or cores())
    with closing(results):
        counts, omitted = _add_results(names, results, table)
    omitted = [{"file": "", "why": as_utf8(why)} for why in missing] + omitted
    table.finish(omitted)
    if len(inputs) + len(missing) > 1 or options.output:
        print(summary(counts, len(omitted), options.apply), file=sys.stderr)
    return Outcome(counts["files"], len(omitted))


def _add_results(
    names: Sequence[str], results: Iterable[Any], table: Table
) -> tuple[Counter, list[dict[str, str]]]:
    """Add files to the table, as they are labelled.

    Returns:
        The sums of `count_labels`, and the skipped files with the reason.
    """
    counts, omitted = Counter(), []
    progress = Progress(len(names))
    for name, result in zip(names, results, strict=True):
        progress.step()
        if isinstance(result, SkippedFile):
            progress.clear()
            _print_error(result.why)
            omitted.append({"file": name, "why": as_utf8(result.why)})
        else:
            record, tracks = result
            counts += count_labels(record)
            progress.clear(if_shown_with=sys.stdout)
            table.add(record, tracks)
            if isinstance(table, CSVTable):  # the other forms have the notes on the copy
                for note in record.get("notes", ()):
                    progress.clear()
                    _print_error(note)
    progress.clear()
    return counts, omitted


def audit(options: Namespace) -> Outcome:
    """List the tracks whose General MIDI program is probably wrong.

    Args:
        options: ``path``, ``output``, ``json``, ``csv``, ``top``, ``pretrained`` and ``processes``.

    Raises:
        ValueError, OSError: if the options do not fit together, or no file can be labelled.
    """
    # Not imported by `label`, which does not need it.
    from camil.labelling.audit import audited

    form = table_format(options)
    if why := path_fault(options.path):
        raise ValueError(why)
    if options.output:
        check_writable(options.output)
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labeller = LabellerByName(options.pretrained)
        processes = options.processes or cores()
        try:
            labels = label_path(options.path, labeller, processes=processes, progress=Progress.over)
        except (ValueError, OSError):
            if options.output:  # a table of an earlier call must not remain
                write("[]\n" if form == "json" else "", options.output)
            raise
    found = audited(labels, labeller.instruments)
    omitted = skipped(found)
    faults = omitted.loc[omitted["track"] == "", "why"].tolist()
    for why in faults:
        _print_error(why)
    wrong = found[(found["best"] != found["family"]) & found["suspicion"].notna()]
    if form == "text":
        print(audit_text(wrong.head(options.top or SHOWN), terminal_width()))
    else:
        write(audit_file_text(found.head(options.top or len(found)), form), options.output)
    print(
        f"another instrument than that of the program is the most probable for {len(wrong):,} of "
        f"{len(found):,} parts" + (f"; {len(faults):,} files skipped" if faults else ""),
        file=sys.stderr,
    )
    return Outcome(max(found["file"].nunique(), 1), len(faults))


def audit_file_text(rows: pd.DataFrame, form: str) -> str:
    """Rows of an audit as CSV, or as a JSON list of records."""
    if form == "csv":
        return rows.to_csv(index=False, float_format="%.4f")
    return rows.to_json(orient="records", indent=1, double_precision=4) + "\n"


def table_format(options: Namespace) -> str:
    """The form of the labels: ``text``, ``csv`` or ``json``.

    Raises:
        ValueError: if the name of the output fits neither a table nor labelled copies.
    """
    suffix = Path(options.output).suffix.lower()
    if getattr(options, "apply", False):
        if suffix in FORMS:
            raise ValueError(
                f"with --apply, -o names the folder of the copies, not {options.output}; print the "
                f"table with --{FORMS[suffix]} and redirect it into a file."
            )
    elif options.output and os.path.isdir(options.output):
        raise ValueError(f"{options.output} is a folder; name a .csv or .json file.")
    elif suffix in SUFFIXES:  # perhaps an input, which a table would overwrite
        copies = "; add --apply to write a labelled copy" if hasattr(options, "apply") else ""
        raise ValueError(
            f"{options.output} has the ending of a MIDI file, and a table .csv or .json{copies}."
        )
    elif options.output and suffix not in FORMS and not (options.csv or options.json):
        copies = ", or --apply to write labelled copies" if hasattr(options, "apply") else ""
        raise ValueError(
            f"{options.output} is neither a .csv nor a .json file; add --csv or --json to write a "
            f"table{copies}."
        )
    elif (FORMS.get(suffix) == "csv" and options.json) or (
        FORMS.get(suffix) == "json" and options.csv
    ):
        raise ValueError(f"{options.output} has the ending of another form than the option names.")
    if options.csv or options.json:
        return "csv" if options.csv else "json"
    return "text" if getattr(options, "apply", False) else FORMS.get(suffix, "text")


def count_labels(record: dict[str, Any]) -> Counter:
    """Numbers of labels of a file by kind."""
    counts = Counter(files=1, changed=record.get("programs_changed", 0))
    for track in record["tracks"]:
        counts["parts"] += 1
        if track["predicted"] == UNCERTAIN:
            counts[UNCERTAIN if track["text"] == UNCERTAIN else "two"] += 1
        else:
            counts[OTHER if track["predicted"] == OTHER else "class"] += 1
        counts["differs"] += track["differs"]
    return counts


def summary(counts: Counter, skipped: int, copied: bool) -> str:
    """One line with the numbers of files and parts."""
    kinds = {"class": "with one instrument", "two": "with one of two", UNCERTAIN: UNCERTAIN,
             OTHER: OTHER}  # fmt: skip
    parts = ", ".join(f"{counts[kind]:,} {text}" for kind, text in kinds.items() if counts[kind])
    text = f"{counts['files']:,} file{'s' * (counts['files'] != 1)} labelled"
    if parts:
        text += f", {counts['parts']:,} parts: {parts}"
    if copied:
        changed = counts["changed"]
        text += f"; {changed:,} program{'s' * (changed != 1)} changed in the copies"
    return text + (f"; {skipped:,} skipped" if skipped else "")


def cores() -> int:
    """The number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _print_error(text: str) -> None:
    print(f"camil: {text}", file=sys.stderr)
