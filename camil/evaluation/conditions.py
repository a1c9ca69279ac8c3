"""Rows of Table I and its companion tables: scores by condition, with intervals and warnings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camil.evaluation.bootstrap import same_segments
from camil.evaluation.calibration import calibration
from camil.evaluation.finished_runs import FinishedRun, instruments_of_runs, require_one_corpus
from camil.evaluation.metrics import (
    DIFFERENCE,
    bootstrap_interval,
    paired_difference,
    scores,
    track_predictions,
)

# The paper's Table I, then CAMIL without any label and the sound that it learns from; other
# conditions follow in the order of the runs.
ORDER = (
    "AIC", "SIC", "CAMIL", "Fine-tuned CAMIL", "Unsupervised CAMIL",
    "CAMIL, self-supervised teacher", "Unsupervised CAMIL, self-supervised teacher",
    "Self-supervised audio",
)  # fmt: skip
CONTEXTS = ("segment", "track", "song")  # inputs of a prediction

FEW_SONGS = 30  # test songs below which an interval is unreliable
FEW_STEPS = 500  # optimizer steps below which a network counts as undertrained
FEW_CLASSES = 2  # predicted classes up to which a classifier counts as degenerate
# The action for each kind of warning, by a word that occurs in it.
ADVICE = {
    "test song": f"**fewer than {FEW_SONGS} test songs**: the interval is unreliable and most "
    "differences are chance. Use more songs; 200 in the corpus give 30 test songs.",
    "training step": f"**fewer than {FEW_STEPS} steps**: the network is undertrained. Increase "
    "`epochs`, decrease `batch_size`, or use more segments per track.",
    "predicts": "**predicts one or two classes**: the classifier has learnt little but class "
    "frequencies. Train longer, or set `imbalance`; differences to this row mean nothing.",
    "not trained on": "**not trained on ...**: the training songs contain no segment of these "
    "instruments, which are therefore never predicted; their F1 of 0 counts in the mean. Use more "
    "songs or a larger `train_fraction`, or leave the condition out of the profile.",
    "same predictions": "**same predictions as ...**: two rows agree in every probability, so one "
    "run is probably a copy of the other, or an old run under another name. Delete its folder.",
    "below SIC": "**AIC below SIC**: audio should be easier to classify than notes. Check the "
    "audio (notebook 1, *One segment as image and audio*), or train AIC longer.",
    "corpus": "**corpus ...**: the row belongs to another corpus than the first. Compare only rows "
    "of one corpus.",
}


@dataclass
class Condition:
    """The runs of one table row, which differ in their seeds only.

    Attributes:
        name: name of the condition.
        train_fraction: share of the training songs.
        negatives: ``class``, ``random`` or empty.
        context: input of a prediction: segment, track or song.
        runs: one per seed.
        predictions: the table of predictions of each run.
    """

    name: str
    train_fraction: float
    negatives: str
    context: str
    runs: list[FinishedRun]
    predictions: list[pd.DataFrame]

    @property
    def position(self) -> tuple:
        """Sort key: by context, then share of the training songs, then `ORDER`."""
        known = ORDER.index(self.name) if self.name in ORDER else len(ORDER)
        return (CONTEXTS.index(self.context), -self.train_fraction, known)

    @property
    def about(self) -> dict[str, Any]:
        """The first columns of its row."""
        return {
            "condition": self.name,
            "train_fraction": self.train_fraction,
            "negatives": self.negatives,
            "context": self.context,
            "seeds": len(self.runs),
        }

    @property
    def corpus(self) -> str:
        """Checksum of the corpus of its first run."""
        return self.runs[0].record["corpus"]["sha256"][:8]

    def matches(self, paper: str) -> bool:
        """Whether it is a condition of the paper, with or without a remark in brackets."""
        return self.name.split(" (")[0] == paper


def conditions(runs: Sequence[FinishedRun]) -> list[Condition]:
    """Group the runs with predictions by condition, in the order of the table.

    Raises:
        ValueError: if two runs of one condition have the same seed, or other instruments.
    """
    instruments_of_runs(runs)
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
                f"The runs {names} are all condition {key[0]!r}, and two have the same seed, so "
                "they would count twice. Delete the folder of the older one, or name another "
                "`condition` in runs that differ."
            )
        found.append(Condition(*key, same, [run.predictions() for run in same]))
    return sorted(found, key=lambda condition: condition.position)


def table_rows(runs: Sequence[FinishedRun], mix_corpora: bool = False) -> pd.DataFrame:
    """Table I: one row per condition, computed from the predictions.

    Args:
        runs: runs of one corpus; those without predictions are used for warnings only.
        mix_corpora: accept runs of several corpora; their rows name their corpus.

    Returns:
        The columns of `camil.evaluation.table1.COLUMNS`. Scores are means over seeds, intervals
        are bootstrapped over test songs. The difference is to SIC with the same share of the
        training songs on the same test songs, NaN where there is no such SIC.

    Raises:
        ValueError: if runs are of several corpora and ``mix_corpora`` is False, if two runs of one
            condition have the same seed or other test songs, or if instruments differ.
    """
    if not mix_corpora:
        require_one_corpus(runs)
    found = conditions(runs)
    rows = []
    for condition in found:
        tracks = [track_predictions(one) for one in condition.predictions]
        track_scores = [scores(one["instrument"], one["predicted"]) for one in tracks]
        row = _scored(condition, condition.predictions, _sic(condition, found))
        rows.append(row | {"track_macro_f1": _mean(track_scores, "macro_f1")})
    for condition, row in zip(found, rows, strict=True):
        row["warnings"] = "; ".join(_warnings(condition, row, found, rows, runs))
    return pd.DataFrame(rows)


def track_rows(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Scores by track, one row per condition; the segments of a track vote on its class."""
    found = conditions(runs)
    rows = []
    for condition in found:
        tracks = [track_predictions(one) for one in condition.predictions]
        sic = [track_predictions(one) for one in _sic(condition, found)]
        rows.append(_scored(condition, tracks, sic))
    return pd.DataFrame(rows)


def class_rows(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """F1 of each instrument that occurs in the test songs; means over seeds."""
    rows = []
    for condition in conditions(runs):
        each = [
            scores(one["instrument"], one["predicted"])["per_class_f1"]
            for one in condition.predictions
        ]
        rows.append(condition.about | pd.DataFrame(each).mean().to_dict())
    about = list(rows[0])[: len(rows[0]) - len(each[0])]
    names = instruments_of_runs(runs).names
    return pd.DataFrame(rows)[about + [name for name in names if name in rows[0]]]


def calibration_rows(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Calibration error of each condition, see `camil.evaluation.calibration`; seeds' means."""
    return pd.DataFrame(
        condition.about
        | pd.DataFrame([calibration(one) for one in condition.predictions]).mean().to_dict()
        for condition in conditions(runs)
    )


def advice(table: pd.DataFrame) -> str:
    """Advice on the warnings in a table, as a Markdown list; empty without warnings."""
    warnings = " ".join(table["warnings"])
    lines = [f"* {text}" for word, text in ADVICE.items() if word in warnings]
    return "\n".join(["What to do about the warnings:", "", *lines]) if lines else ""


def _sic(condition: Condition, found: list[Condition]) -> list[pd.DataFrame]:
    """The predictions of SIC that a condition is compared with; empty for SIC itself."""
    for other in found:
        same_share = other.train_fraction == condition.train_fraction
        if other.matches("SIC") and other is not condition and same_share:
            same = same_segments(other.predictions[0], condition.predictions[0])
            return other.predictions if same else []
    return []


def _scored(
    condition: Condition, predictions: list[pd.DataFrame], sic: list[pd.DataFrame]
) -> dict[str, Any]:
    each = [scores(one["instrument"], one["predicted"]) for one in predictions]
    several = predictions[0]["song"].nunique() > 1  # one song gives no interval
    low, high = bootstrap_interval(predictions) if several else (np.nan, np.nan)
    compared = paired_difference(predictions, sic) if several and sic else (np.nan,) * 3
    return condition.about | {
        "macro_f1": _mean(each, "macro_f1"),
        "macro_f1_low": low,
        "macro_f1_high": high,
        "weighted_f1": _mean(each, "weighted_f1"),
        "accuracy": _mean(each, "accuracy"),
        **dict(zip(DIFFERENCE, compared, strict=True)),
    }


def _warnings(
    condition: Condition,
    row: dict[str, Any],
    found: list[Condition],
    rows: list[dict[str, Any]],
    runs: Sequence[FinishedRun],
) -> Iterator[str]:
    """The reasons for which a row is unreliable, as text."""
    if condition.corpus != found[0].corpus:
        yield f"corpus {condition.corpus}"
    songs = condition.predictions[0]["song"].nunique()
    if songs < FEW_SONGS:
        yield f"only {songs} test song{'s' * (songs > 1)}"
    for other in takewhile(lambda one: one is not condition, found):
        if _same_predictions(condition, other):
            yield f"same predictions as {other.name}"
    untrained = {name for run in condition.runs for name in run.record.get("untrained", ())}
    if untrained:
        names = instruments_of_runs(condition.runs).names
        yield f"not trained on {', '.join(name for name in names if name in untrained)}"
    predicted = min((set(one["predicted"]) for one in condition.predictions), key=len)
    # The majority baseline predicts one class by definition.
    if len(predicted) <= FEW_CLASSES and condition.name != "Majority":
        yield f"predicts only {' and '.join(sorted(predicted))}"
    steps = [taken for run in condition.runs if (taken := _steps(run, runs)) is not None]
    if steps and min(steps) < FEW_STEPS:
        yield f"only {min(steps)} training step{'s' * (min(steps) > 1)}"
    if condition.matches("AIC"):
        for other, other_row in zip(found, rows, strict=True):
            same = (other.train_fraction, other.corpus) == (
                condition.train_fraction,
                condition.corpus,
            )
            if other.matches("SIC") and same and other_row["macro_f1"] > row["macro_f1"]:
                yield "AIC below SIC"


def _same_predictions(condition: Condition, other: Condition) -> bool:
    """Whether two conditions agree in every probability of all their runs."""
    if len(other.runs) != len(condition.runs):
        return False
    pairs = zip(condition.predictions, other.predictions, strict=True)
    return all(ours.equals(theirs) for ours, theirs in pairs)


def _steps(run: FinishedRun, runs: Sequence[FinishedRun]) -> int | None:
    """Steps of a run's training; of a frozen encoder, those of the pre-training it comes from."""
    if not run.record["parameters"].get("freeze"):
        return run.steps
    name = Path(run.record["parameters"].get("pretrained", "")).name
    return next((other.steps for other in runs if name and other.folder.name == name), None)


def _mean(all_scores: list[dict[str, float]], name: str) -> float:
    return float(np.mean([one[name] for one in all_scores]))
