"""One question at a time: of all finished runs, those that differ in nothing but what is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camil.evaluation.metrics import bootstrap_interval, paired_difference, scores
from camil.evaluation.results import FinishedRun
from camil.workbook.files import read_json

# What makes one experiment differ from another; the seed is no such thing.
SETTINGS = (
    "condition", "corpus", "modality", "frozen", "objective", "negatives", "shuffled", "audio",
    "margin", "embedding", "train_fraction",
)  # fmt: skip
# CAMIL as Table I has it; a question changes one of these.
CAMIL = {
    "modality": "midi", "frozen": True, "objective": "contrastive", "negatives": "class",
    "shuffled": False, "audio": "AIC, frozen", "margin": 1.0, "embedding": 128,
    "train_fraction": 1.0,
}  # fmt: skip


def finished_runs(folders: str) -> list[FinishedRun]:
    """The finished runs below some folders, separated by commas; of one name the first is taken."""
    found: dict[str, FinishedRun] = {}
    for folder in filter(None, (name.strip() for name in folders.split(","))):
        for record in sorted(Path(folder).glob("*/run.json")):
            metrics = record.with_name("metrics.json")
            about = read_json(metrics) if metrics.is_file() else {}
            run = FinishedRun(record.parent, read_json(record), about)
            found.setdefault(record.parent.name, run)
    return list(found.values())


def experiments(runs: list[FinishedRun]) -> pd.DataFrame:
    """A row a classifier: `SETTINGS`, its seed, and the run itself.

    What it was built on is looked up; a classifier whose pre-training is gone is left out.
    """
    by_name = {run.folder.name: run.record["parameters"] for run in runs}
    rows = []
    for run in runs:
        given = run.record["parameters"]
        made = by_name.get(Path(given.get("pretrained", "")).name, {})
        # Floors have no modality: they are no experiment with encoders.
        if not run.metrics or "modality" not in given or bool(given["pretrained"]) != bool(made):
            continue
        rows.append({
            "condition": run.metrics["condition"],
            "corpus": Path(run.record["corpus"]["folder"]).name,
            "modality": given["modality"],
            "frozen": given["freeze"],
            "objective": made.get("objective", ""),
            "negatives": made.get("negatives", ""),
            "shuffled": made.get("shuffled", False),
            "audio": _audio(made, by_name),
            "margin": made.get("margin", np.nan),
            "embedding": made.get("embedding", given["embedding"]),
            "train_fraction": given["train_fraction"],
            "seed": given["seed"],
            "run": run,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=[*SETTINGS, "seed", "run"])


def _audio(made: dict[str, Any], by_name: dict[str, dict]) -> str:
    """Where the audio encoder came from, and whether pre-training went on with it."""
    if not made or made.get("objective") == "midi-supcon":
        return ""
    if not made["pretrained_audio"]:
        return "scratch, trained"
    teacher = by_name.get(Path(made["pretrained_audio"]).name, {})
    start = "random" if teacher.get("freeze") and not teacher.get("pretrained") else "AIC"
    return f"{start}, {'trained' if made['train_audio'] else 'frozen'}"


def alike(table: pd.DataFrame, but: str | Sequence[str] = (), **wanted: Any) -> pd.DataFrame:
    """The experiments whose settings are as wanted.

    Args:
        table: of `experiments`.
        but: settings that may be anything, though `wanted` names them.
    """
    free = {but} if isinstance(but, str) else set(but)
    chosen = pd.Series(True, index=table.index)
    for name, value in wanted.items():
        if name not in free:
            chosen &= table[name] == value
    return table[chosen]


def effect(rows: pd.DataFrame, by: str, reference: Any) -> pd.DataFrame:
    """What a setting does to macro-F1: a row a value, seeds together.

    Args:
        rows: experiments that differ in `by` and the seed alone.
        reference: the value that the others are compared with.

    Returns:
        Columns `by`, seeds, macro_f1 with its interval (low, high), and the difference to the
        reference on the same test songs with its own; NaN where there is no reference or the test
        songs are others.
    """
    groups = {
        value: [run.predictions() for run in part.drop_duplicates("seed")["run"]]
        for value, part in rows.groupby(by, sort=True)
    }
    found = []
    for value, predictions in groups.items():
        low, high = bootstrap_interval(predictions)
        compared = (np.nan,) * 3
        if value != reference and reference in groups:
            compared = paired_difference(predictions, groups[reference])
        found.append({
            by: value,
            "seeds": len(predictions),
            "macro_f1": np.mean(
                [scores(one["instrument"], one["predicted"])["macro_f1"] for one in predictions]
            ),
            "low": low,
            "high": high,
            "difference": compared[0],
            "difference_low": compared[1],
            "difference_high": compared[2],
        })  # fmt: skip
    columns = [by, "seeds", "macro_f1", "low", "high"]
    return pd.DataFrame(
        found, columns=[*columns, "difference", "difference_low", "difference_high"]
    )


def answer(found: pd.DataFrame, by: str, reference: Any) -> str:
    """One sentence of what `effect` has found; says what is missing where it cannot be told."""
    name = by.replace("_", " ")
    if len(found) and reference not in set(found[by]):
        return f"No answer yet: runs of {name} {reference}, to compare with, are missing."
    others = found[found["difference"].notna()]
    if others.empty:
        there = ", ".join(str(value) for value in found[by]) or "none"
        return f"No answer yet: runs of another {name} are missing (there are: {there})."
    best = others.loc[others["difference"].idxmax()]
    value = others[by].loc[best.name]  # of its own type, which the row has not
    own = found.loc[found[by] == reference, "macro_f1"].iloc[0]
    word = "better" if best["difference"] > 0 else "worse"
    return (
        f"Of the others, {name} {value} comes best: macro-F1 {best['macro_f1']:.3f}, "
        f"{abs(best['difference']):.3f} {word} than {reference} ({own:.3f}; interval of the "
        f"difference {best['difference_low']:+.3f} to {best['difference_high']:+.3f}), "
        f"{chance(best['difference_low'], best['difference_high'])}."
    )


def chance(low: float, high: float) -> str:
    """Whether the interval of a difference leaves out zero, in words."""
    if low <= 0 <= high:
        return "which may be the luck of the test songs"
    return "which is more than the luck of the test songs"


def confusions(predictions: Sequence[pd.DataFrame], classes: Sequence[str]) -> pd.DataFrame:
    """Shares of each true class (row) that were taken for each class (column), seeds together.

    Rows of classes that do not occur are NaN.
    """
    both = pd.concat(list(predictions))
    shares = pd.crosstab(both["instrument"], both["predicted"], normalize="index")
    known = shares.reindex(index=classes, columns=classes)
    return known.where(known.notna() | ~known.index.isin(shares.index)[:, None], 0.0)


def common_confusions(notes: pd.DataFrame, sound: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Whether what is confused by the notes is confused by the ear.

    Args:
        notes, sound: `confusions` of a classifier on MIDI and of one on audio.

    Returns:
        A row a pair (instrument, taken for) with both shares, the commonest by notes first; and
        Spearman's rank correlation of the two over all pairs.
    """
    pairs = pd.DataFrame({
        "by notes": notes.rename_axis(index="instrument", columns="taken for").stack(),
        "by sound": sound.rename_axis(index="instrument", columns="taken for").stack(),
    }).dropna().reset_index()  # fmt: skip
    pairs = pairs[pairs["instrument"] != pairs["taken for"]]
    correlation = pairs["by notes"].corr(pairs["by sound"], method="spearman")
    return pairs.sort_values("by notes", ascending=False, ignore_index=True), float(correlation)
