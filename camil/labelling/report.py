"""Labels of one file as a record for JSON and as text for a terminal."""

import math
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from textwrap import TextWrapper
from typing import Any

import pandas as pd
import pretty_midi

from camil.labelling.files import OTHER, UNCERTAIN, LabelledFile
from camil.midi.instruments import InstrumentTable
from camil.midi.new_programs import program_of_label

DIFFERS = "*"  # marks labels that contradict the program in the file
COLUMNS = ("part", "written", "label", "suggested program")
LONGEST_NAME = 32


def file_record(
    labels: LabelledFile, tracks: pd.DataFrame, instruments: InstrumentTable
) -> dict[str, Any]:
    """The labels of one file as JSON content.

    Args:
        labels: from `label_file`.
        tracks: its labels per track, from `track_labels`.
        instruments: the classes.

    Returns:
        ``file``; ``tracks``, each with the columns of `track_labels`, the name of the suggested
        program, ``new_program`` (the program in a labelled copy; null if it keeps that of the
        file), ``differs`` (whether the label contradicts the program in the file) and
        ``probabilities`` of all classes and of ``other``, which add up to 1; ``skipped`` tracks
        with the reason; ``repairs``, one sentence each. Probabilities are rounded to four decimals;
        what is not known is null.
    """
    return {
        "file": labels.name,
        "tracks": [_track_record(row, instruments) for row in tracks.to_dict("records")],
        "skipped": [{"track": one["track"], "why": one["why"]} for one in labels.skipped],
        "repairs": [str(one) for one in labels.repairs],
    }


def transcription_record(labels: LabelledFile) -> dict[str, Any]:
    """What was joined and marked in a transcription, as JSON content.

    Args:
        labels: from `label_file`.

    Returns:
        ``merges``, one entry per part of several tracks, with their names, the probability that
        they belong together and the reason; ``likely_drums``, the tracks that are likely drums and
        that the file has as pitched, with the probability.
    """
    return {
        name: [{key: _plain(value) for key, value in row.items()} for row in rows]
        for name, rows in (("merges", labels.merges), ("likely_drums", labels.likely_drums))
    }


def with_joint_probabilities(tracks: pd.DataFrame) -> pd.DataFrame:
    """The table of `track_labels` with ``p_other``, so that all ``p_`` columns add up to 1.

    In `track_labels` the probabilities of the classes are those of a part that belongs to one.
    ``p_other`` is NaN if the network does not predict it.
    """
    joint = tracks.copy()
    names = [name for name in tracks if name.startswith("p_")]
    joint[names] = tracks[names].mul(1 - tracks["other"].fillna(0), axis=0)
    return joint.assign(p_other=tracks["other"])


def _track_record(row: dict[str, Any], instruments: InstrumentTable) -> dict[str, Any]:
    names = [name for name in row if name.startswith("p_")]
    left = 1 - (0 if math.isnan(row["other"]) else row["other"])
    joint = {name.removeprefix("p_"): left * row[name] for name in names} | {OTHER: row["other"]}
    found = {name: _plain(value) for name, value in row.items() if name not in ("file", *names)}
    suggested, written = row["suggested_program"], row["program"]
    if suggested < 0:
        found["suggested_program"] = None
    if row["written"] == "unknown":
        found["program"] = None
    found["suggested_program_name"] = _program_name(suggested)
    stated = written if row["written"] != "unknown" else -1
    found["new_program"] = program_of_label(row["predicted"], suggested, stated, instruments)
    family = instruments.of_program(stated) or OTHER
    found["differs"] = stated >= 0 and row["predicted"] not in (family, UNCERTAIN)
    return found | {"probabilities": {name: _plain(share) for name, share in joint.items()}}


def _plain(value: Any) -> Any:
    """A value as JSON content."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value


def _program_name(program: int) -> str | None:
    return pretty_midi.program_to_instrument_name(program) if program >= 0 else None


def label_text(track: dict[str, Any]) -> str:
    """The label of a track of `file_record` with its probabilities.

    For example ``Pipe 91 %``, ``Pipe 48 % or Reed 31 %``, or ``uncertain (Pipe 22 %)``.
    """
    first = f"{track['first']} {percent(track['probability'])}"
    if track["predicted"] != UNCERTAIN:
        return first
    if track["text"] != UNCERTAIN:
        return f"{first} or {track['second']} {percent(track['second_probability'])}"
    return f"{UNCERTAIN} ({first})"


def percent(share: float) -> str:
    """A probability such as ``48 %``; only 0 and 1 are ``0 %`` and ``100 %``."""
    if 0 < share < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def file_text(record: dict[str, Any], width: int | None = None) -> str:
    """A record of `file_record` as a table with one line per part, if it has any.

    Args:
        width: number of columns of the terminal, which lines are fitted into; None for no limit.
    """
    rows = [(f"  {COLUMNS[0]}", *COLUMNS[1:])]
    for track in record["tracks"]:
        mark = DIFFERS if track["differs"] else " "
        part = f"{mark} {printable(track['track'])[:LONGEST_NAME]}"
        rows.append((part, track["written"], label_text(track), _suggestion_text(track)))
    if not any(row[3] for row in rows[1:]):
        rows = [row[:3] for row in rows]
    table = aligned(rows, width, flexible={0: 16, 1: 12, 3: 12}, optional=(3, 1))
    table = table if record["tracks"] else []
    lines = []
    for one in record.get("merges", ()):
        names = ", ".join(printable(name) for name in one["tracks"])
        lines.append(f"  one part, {percent(one['probability'])}: {names}")
    for one in record.get("likely_drums", ()):
        lines.append(f"  likely drums, {percent(one['probability'])}: {printable(one['track'])}")
    reasons: dict[str, list[str]] = {}
    for one in record["skipped"]:
        reasons.setdefault(one["why"], []).append(printable(one["track"]))
    lines += [f"  not labelled: {', '.join(names)} ({why})" for why, names in reasons.items()]
    if record["repairs"]:
        count, first = len(record["repairs"]), printable(record["repairs"][0])
        lines.append(f"  damaged, {count} repair{'s' if count > 1 else ''}; the first: {first}")
    if "copy" in record:
        changed = record["programs_changed"]
        programs = f"{changed} program{'s' * (changed != 1)} changed"
        kind = "file overwritten" if record["overwritten"] else "copy"
        lines.append(f"  {kind} with {programs}: {printable(record['copy'])}")
    lines += [f"  {printable(note)}" for note in record.get("notes", ())]
    if width:
        wrapped = TextWrapper(width, subsequent_indent="    ", break_on_hyphens=False)
        lines = [part for line in lines for part in wrapped.wrap(line)]
    lines = [printable(record["file"]), *table, *lines]
    return "\n".join(_cut(line, width) for line in lines)


def _suggestion_text(track: dict[str, Any]) -> str:
    """The network's program; without one, the default program if the label differs.

    Nothing for parts of no class, whose programs are never changed.
    """
    if track["predicted"] == OTHER:
        return ""
    if track["suggested_program"] is not None:
        share = percent(track["suggested_program_probability"])
        return f"{track['suggested_program_name']} {share}"
    return (_program_name(track["new_program"]) or "") if track["new_program"] is not None else ""


def audit_text(found: pd.DataFrame, width: int | None = None) -> str:
    """Suspicious tracks as a table with one line per track.

    Args:
        found: rows of `camil.labelling.audit.audit`.
        width: as for `file_text`.
    """
    rows = [("file", "part", "written", "probability", "most probable", "program", "track name")]
    for row in found.itertuples():
        label = f"{row.best} {percent(row.best_probability)}"
        part = printable(row.track)[:LONGEST_NAME]
        file, probability = printable(row.file), percent(row.probability)
        verdict = "" if row.name_verdict == "silent" else f"{row.name_verdict} the program"
        rows.append((file, part, row.written, probability, label, row.suggested_name, verdict))
    if not any(row[6] for row in rows[1:]):
        rows = [row[:6] for row in rows]
    flexible = {0: 12, 1: 12, 2: 12, 5: 12}
    lines = aligned(rows, width, flexible, optional=(6, 5, 3, 1))
    return "\n".join(_cut(line, width) for line in lines)


def aligned(
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    flexible: Mapping[int, int] | None = None,
    optional: Sequence[int] = (),
) -> list[str]:
    """Lines with the cells of each column at the same position.

    Args:
        width: columns of the terminal; None if they are not limited.
        flexible: the columns of the table whose cells are cut to fit lines into ``width``, the
            first of them first, with the number of terminal columns that each keeps. If that does
            not suffice, they are cut to eight.
        optional: the columns of the table that are left out, the first of them first, if cells that
            are cut do not suffice.
    """
    flexible = flexible or {}
    sizes = [max(columns_of(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths = dict(enumerate(sizes))

    def excess(widths: Mapping[int, int]) -> int:
        return sum(widths.values()) + 2 * (len(widths) - 1) - (width or sys.maxsize)

    for column in optional:
        if excess({one: min(size, flexible.get(one, size)) for one, size in widths.items()}) > 0:
            widths.pop(column, None)
    for column, least in [*flexible.items(), *dict.fromkeys(flexible, 8).items()]:
        if column in widths:
            widths[column] -= min(max(excess(widths), 0), max(widths[column] - least, 0))
    return [
        "  ".join(_padded(row[column], size) for column, size in widths.items()).rstrip()
        for row in rows
    ]


def _padded(cell: str, width: int) -> str:
    text = _cut(cell, width)
    return text + " " * (width - columns_of(text))


def printable(text: str) -> str:
    """Text without control characters, which could command the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def columns_of(text: Iterable[str]) -> int:
    """The number of columns of a text in a terminal; wide East Asian characters take two."""
    return sum(_columns(one) for one in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(line: str, width: int | None) -> str:
    if width is None or columns_of(line) <= width:
        return line
    kept, columns = "", 0
    for one in line:
        columns += _columns(one)
        if columns > width - 1:
            break
        kept += one
    return kept + "…"
