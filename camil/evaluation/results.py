"""Runs that are finished, gathered for a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camil.evaluation.calibration import calibration
from camil.evaluation.metrics import (
    bootstrap_interval,
    paired_difference,
    scores,
    track_predictions,
)
from camil.midi.instruments import INSTRUMENTS
from camil.workbook.files import read_json

# The order of the paper's Table I; conditions of other names follow as they come.
CONDITIONS = ("AIC", "SIC", "CAMIL", "Fine-tuned CAMIL", "Unsupervised CAMIL")
CONTEXTS = ("segment", "track", "song")  # what a prediction is made from


@dataclass
class FinishedRun:
    """The folder of a finished run; `metrics` is empty where nothing was classified."""

    folder: Path
    record: dict[str, Any]
    metrics: dict[str, Any]

    def predictions(self) -> pd.DataFrame:
        """The predictions for the test songs."""
        return pd.read_parquet(self.folder / "predictions.parquet")

    def history(self) -> pd.DataFrame:
        """One row an epoch; empty where nothing was trained step by step."""
        path = self.folder / "history.jsonl"
        return pd.read_json(path, lines=True) if path.is_file() else pd.DataFrame()

    @property
    def title(self) -> str:
        """The run's condition for a figure, with its share of the data."""
        parameters = self.record["parameters"]
        condition = self.metrics.get("condition") or pretraining_title(parameters)
        share = parameters["train_fraction"]
        return condition if share == 1 else f"{condition}, {share:.0%}"

    def summary(self) -> dict[str, Any]:
        """What the run was made from, in one row."""
        record = self.record
        return {
            "run": self.folder.name,
            "condition": self.metrics.get("condition", ""),
            "source": record["corpus"]["source"],
            "corpus": record["corpus"]["sha256"][:12],
            "seed": record["parameters"]["seed"],
            "commit": record["commit"],
            "device": record["device"],
            "seconds": record["seconds"],
        }


def pretraining_title(parameters: dict[str, Any]) -> str:
    """What a run of 02_pretrain is called, by its parameters."""
    objective = parameters.get("objective", "contrastive")
    if objective.startswith("distill"):
        return "Distillation"
    if objective == "midi-supcon":
        return "MIDI-MIDI SupCon"
    if parameters.get("shuffled"):
        return "Shuffled pairs"
    title = {"class": "CAMIL", "random": "Unsupervised CAMIL"}[parameters["negatives"]]
    return title if objective == "contrastive" else f"{title}, {objective}"


def find_runs(runs: str) -> list[FinishedRun]:
    """The finished runs in a folder, or in run folders separated by commas.

    Raises:
        ValueError: if there is none with predictions, or one of the list is not finished.
    """
    folders = [Path(folder.strip()) for folder in runs.split(",")]
    if len(folders) == 1 and not (folders[0] / "run.json").is_file():
        folders = sorted(record.parent for record in folders[0].glob("*/run.json"))
    missing = [str(folder) for folder in folders if not (folder / "run.json").is_file()]
    if missing:
        raise ValueError(f"runs names folders without a finished run: {', '.join(missing)}.")
    found = [_finished(folder) for folder in folders]
    if not any(run.metrics for run in found):
        raise ValueError(f"runs = {runs!r} holds no run of 03_classify; run that notebook first.")
    return found


def _finished(folder: Path) -> FinishedRun:
    metrics = folder / "metrics.json"
    return FinishedRun(
        folder, read_json(folder / "run.json"), read_json(metrics) if metrics.is_file() else {}
    )


@dataclass
class Condition:
    """The runs of one row, which differ by their seed alone."""

    name: str
    train_fraction: float
    negatives: str
    context: str  # what a prediction is made from: segment, track or song
    runs: list[FinishedRun]
    predictions: list[pd.DataFrame]  # one a run

    @property
    def place(self) -> tuple:
        """Where its row stands: the paper's rows, the halves, then what knows more of the music."""
        known = CONDITIONS.index(self.name) if self.name in CONDITIONS else len(CONDITIONS)
        return (CONTEXTS.index(self.context), -self.train_fraction, known)

    @property
    def about(self) -> dict[str, Any]:
        """What stands at the beginning of its row."""
        return {
            "condition": self.name,
            "train_fraction": self.train_fraction,
            "negatives": self.negatives,
            "context": self.context,
            "seeds": len(self.runs),
        }


def conditions(runs: list[FinishedRun]) -> list[Condition]:
    """The runs with predictions, put together by condition, in the order of the table.

    Raises:
        ValueError: if two runs of one condition have the same seed.
    """
    groups: dict[tuple, list[FinishedRun]] = {}
    for run in runs:
        if run.metrics:
            key = tuple(run.metrics[name] for name in ("condition", "train_fraction", "negatives"))
            groups.setdefault((*key, run.metrics.get("context", "segment")), []).append(run)
    found = []
    for key, same in groups.items():
        seeds = [run.record["parameters"]["seed"] for run in same]
        if len(set(seeds)) < len(seeds):
            names = ", ".join(run.folder.name for run in same)
            raise ValueError(
                f"The runs {names} are all condition {key[0]!r}, and two have the same seed; "
                "give what differs another condition."
            )
        found.append(Condition(*key, same, [run.predictions() for run in same]))
    return sorted(found, key=lambda condition: condition.place)


def table_rows(runs: list[FinishedRun]) -> pd.DataFrame:
    """Table I: a row a condition, its runs being its seeds; computed from the predictions.

    Returns:
        The columns of `camil.evaluation.tables.COLUMNS`. Scores are means over seeds, intervals come from a
        bootstrap over test songs. The difference is to SIC of the same share of training songs on
        the same test songs, NaN where there is no such SIC.

    Raises:
        ValueError: if two runs of one condition have the same seed, or other test songs.
    """
    found = conditions(runs)
    rows = []
    for condition in found:
        tracks = [track_predictions(one) for one in condition.predictions]
        track_scores = [scores(one["instrument"], one["predicted"]) for one in tracks]
        row = _scored(condition, condition.predictions, _sic(condition, found))
        rows.append(row | {"track_macro_f1": _mean(track_scores, "macro_f1")})
    return pd.DataFrame(rows)


def track_rows(runs: list[FinishedRun]) -> pd.DataFrame:
    """The same by track: the segments of a track vote, and each track counts once."""
    found = conditions(runs)
    rows = []
    for condition in found:
        tracks = [track_predictions(one) for one in condition.predictions]
        sic = [track_predictions(one) for one in _sic(condition, found)]
        rows.append(_scored(condition, tracks, sic))
    return pd.DataFrame(rows)


def class_rows(runs: list[FinishedRun]) -> pd.DataFrame:
    """F1 of each instrument, a row a condition, means over seeds."""
    rows = []
    for condition in conditions(runs):
        each = [
            scores(one["instrument"], one["predicted"])["per_class_f1"]
            for one in condition.predictions
        ]
        rows.append(condition.about | pd.DataFrame(each).mean().to_dict())
    about = list(rows[0])[: len(rows[0]) - len(each[0])]
    return pd.DataFrame(rows)[about + [name for name in INSTRUMENTS if name in rows[0]]]


def calibration_rows(runs: list[FinishedRun]) -> pd.DataFrame:
    """How far the classifiers' certainty is from their being right; see `camil.evaluation.calibration`."""
    return pd.DataFrame(
        condition.about
        | pd.DataFrame([calibration(one) for one in condition.predictions]).mean().to_dict()
        for condition in conditions(runs)
    )


def _sic(condition: Condition, found: list[Condition]) -> list[pd.DataFrame]:
    """The predictions of the baseline that a condition is compared with; none of SIC's own."""
    for other in found:
        is_sic = other.name.split(" (")[0] == "SIC" and other is not condition
        if is_sic and other.train_fraction == condition.train_fraction:
            same = len(other.predictions[0]) == len(condition.predictions[0])
            return other.predictions if same else []
    return []


def _scored(
    condition: Condition, predictions: list[pd.DataFrame], sic: list[pd.DataFrame]
) -> dict[str, Any]:
    each = [scores(one["instrument"], one["predicted"]) for one in predictions]
    # One song says nothing about another: then there is no interval.
    several = predictions[0]["song"].nunique() > 1
    low, high = bootstrap_interval(predictions) if several else (np.nan, np.nan)
    compared = paired_difference(predictions, sic) if several and sic else (np.nan,) * 3
    return condition.about | {
        "macro_f1": _mean(each, "macro_f1"),
        "macro_f1_low": low,
        "macro_f1_high": high,
        "weighted_f1": _mean(each, "weighted_f1"),
        "accuracy": _mean(each, "accuracy"),
        "difference": compared[0],
        "difference_low": compared[1],
        "difference_high": compared[2],
    }


def _mean(all_scores: list[dict[str, float]], name: str) -> float:
    return float(np.mean([one[name] for one in all_scores]))


def provenance_note(runs: list[FinishedRun]) -> str:
    """The line under a figure or table: data, split, seeds, commit."""
    record = runs[0].record
    source, checksum = record["corpus"]["source"], record["corpus"]["sha256"][:8]
    seeds = sorted({run.record["parameters"]["seed"] for run in runs})
    data = "Demonstration corpus composed by CAMIL, not real music" if source == "demo" else (
        f"Corpus: {source}"
    )  # fmt: skip
    commits = sorted({run.record["commit"] for run in runs})
    return (
        f"{data} ({checksum}); split by song; seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}; commit {', '.join(commits)}"
    )


def open_run(folder: str) -> FinishedRun:
    """One finished run."""
    return _finished(Path(folder))
