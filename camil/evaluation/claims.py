"""The claims of the paper's section IV-D: each with a difference, its interval and a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from camil.evaluation.bootstrap import interval, resample, same_segments
from camil.evaluation.conditions import Condition, conditions
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import metric_of_counts, recall
from camil.evaluation.table1 import PAPER

AT_OR_ABOVE = -0.01  # a difference above it counts as "at or above"
HOLDS, FAILS, UNDECIDED, NO_RUNS = "holds", "does not hold", "undecided", "no runs"
NO_CORPUS, OTHER_SONGS = "no corpus", "other test songs"
COLUMNS = {
    "claim": "Claim",
    "compared": "Compared",
    "difference": "Difference",
    "low": "from",
    "high": "to",
    "paper": "Paper (Slakh)",
    "seeds": "Seeds",
    "verdict": "Verdict",
    "unreliable": "Unreliable because",
}  # headings of the Markdown table


@dataclass(frozen=True)
class Claim:
    """A claim about the macro-F1 of some conditions.

    It holds if ``sum(sign * macro_f1(condition, share))`` is above the threshold.

    Attributes:
        claim: the claim in words.
        compared: the sum in words.
        terms: ``(sign, condition, share of the training songs)``.
        threshold: smallest value of the sum at which the claim does not hold.
    """

    claim: str
    compared: str
    terms: tuple[tuple[int, str, float], ...]
    threshold: float = 0.0

    @property
    def paper(self) -> float:
        """The sum of the paper's F1 scores."""
        return sum(sign * PAPER[condition, share] for sign, condition, share in self.terms)


def _difference(claim: str, one: str, other: str, share: float, threshold: float = 0.0) -> Claim:
    compared = f"{one} minus {other}, {100 * share:g} % of the songs"
    return Claim(claim, compared, ((1, one, share), (-1, other, share)), threshold)


def _smaller_loss(one: str) -> Claim:
    compared = f"loss of SIC minus loss of {one}, from 100 % to 50 % of the songs"
    terms = ((1, "SIC", 1.0), (-1, "SIC", 0.5), (-1, one, 1.0), (1, one, 0.5))
    return Claim(f"{one} loses less than SIC at half the data", compared, terms)


CLAIMS = (
    _difference("CAMIL scores above SIC", "CAMIL", "SIC", 1.0),
    _difference("CAMIL scores above SIC at half the data", "CAMIL", "SIC", 0.5),
    _difference("Fine-tuning scores above frozen CAMIL", "Fine-tuned CAMIL", "CAMIL", 1.0),
    _difference(
        "Unsupervised CAMIL scores at or above SIC", "Unsupervised CAMIL", "SIC", 1.0, AT_OR_ABOVE
    ),
    _difference(
        "Unsupervised CAMIL scores at or above SIC at half the data",
        "Unsupervised CAMIL",
        "SIC",
        0.5,
        AT_OR_ABOVE,
    ),
    _smaller_loss("CAMIL"),
    _smaller_loss("Unsupervised CAMIL"),
)
# Claims about the confusions of CAMIL: rank correlations with the training share of a class.
IMBALANCE_CONDITION = ("CAMIL", 1.0)
RECALL = "Errors follow class imbalance: frequent classes are recognized more often"
ATTRACTION = "Errors follow class imbalance: frequent classes attract more wrong predictions"


def claim_rows(
    runs: Sequence[FinishedRun], table: pd.DataFrame, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """One row per comparison of the paper's claims.

    Intervals are 95 % percentile intervals over resampled test songs. All conditions of a row are
    resampled together, with the same songs, and values are means over the training seeds. A claim
    holds if its interval lies above the threshold, does not hold if it lies at or below it, and is
    undecided otherwise.

    Args:
        runs: the runs of Table I.
        table: Table I of the same runs, from `camil.evaluation.conditions.table_rows`.
        resamples: number of resamples.
        seed: random seed of the resampling.

    Returns:
        The columns of `COLUMNS` and ``threshold``. ``seeds`` is the smallest number of runs of a
        condition; ``unreliable`` repeats the warnings of Table I.
    """
    found = conditions(runs)
    warnings = dict(zip(map(id, found), table["warnings"], strict=True))
    resampling = {"resamples": resamples, "seed": seed}
    rows = [_score_row(claim, found, warnings, resampling) for claim in CLAIMS]
    rows += _imbalance_rows(found, warnings, resampling)
    unknown = dict.fromkeys(("difference", "low", "high"), np.nan) | {"seeds": 0, "unreliable": ""}
    return pd.DataFrame([unknown | row for row in rows], columns=[*COLUMNS, "threshold"])


def training_shares(run: FinishedRun) -> pd.Series | None:
    """Share of each class among the training segments; None if the run's corpus is not there.

    The share is that of all training songs, so of a run with ``train_fraction`` 1.
    """
    file = Path(run.record["corpus"].get("folder", ""), "segments.parquet")
    if not file.is_file():
        return None
    segments = pd.read_parquet(file, columns=["split", "instrument"])
    shares = segments.loc[segments["split"] == "train", "instrument"].value_counts(normalize=True)
    return shares.reindex(run.instruments.names, fill_value=0.0)


def attraction(counts: NDArray) -> NDArray:
    """Share of the wrong predictions that go to each class, beyond an even spread of the errors.

    An even spread sends the wrong predictions of a true class to the other classes in equal
    numbers. The values of all classes sum to 0; NaN without wrong predictions.

    Shape:
        counts: ``(..., classes, classes)`` of (true, predicted). Returns ``(..., classes)``.
    """
    wrong = counts * (1 - np.eye(counts.shape[-1]))
    of_class, received = wrong.sum(axis=-1), wrong.sum(axis=-2)
    total = of_class.sum(axis=-1, keepdims=True)
    expected = (total - of_class) / (counts.shape[-1] - 1)
    with np.errstate(invalid="ignore"):
        return (received - expected) / total


def rank_correlation(counts: NDArray, shares: NDArray, values: Callable) -> NDArray:
    """Spearman's correlation of the classes' training shares with a value of each class.

    Classes whose value is NaN are left out; the correlation is 0 if all values are equal.

    Shape:
        counts: ``(runs, classes, classes)``. shares: ``(classes,)``. Returns ``(runs,)``.
    """
    return np.array([_spearman(shares, of_run) for of_run in values(counts)])


def _spearman(one: NDArray, other: NDArray) -> float:
    known = ~np.isnan(other)
    if known.sum() < 2:
        return 0.0
    ranks = [rankdata(values[known]) for values in (one, other)]
    varies = all(np.ptp(values) > 0 for values in ranks)
    return float(np.corrcoef(*ranks)[0, 1]) if varies else 0.0


def _score_row(claim: Claim, found: list[Condition], warnings: dict, resampling: dict) -> dict:
    row = {"claim": claim.claim, "compared": claim.compared, "threshold": claim.threshold}
    row["paper"] = claim.paper
    terms = [(sign, _condition(found, name, share)) for sign, name, share in claim.terms]
    if any(condition is None for _, condition in terms):
        return row | {"verdict": NO_RUNS}
    first, *others = (condition.predictions[0] for _, condition in terms)
    if not all(same_segments(first, other) for other in others):
        return row | {"verdict": OTHER_SONGS}
    statistic = metric_of_counts("macro_f1")
    return row | _measured(terms, statistic, claim.threshold, warnings, resampling)


def _imbalance_rows(found: list[Condition], warnings: dict, resampling: dict) -> list[dict]:
    name, share = IMBALANCE_CONDITION
    condition = _condition(found, name, share)
    shares = training_shares(condition.runs[0]) if condition else None
    rows = []
    for claim, of_class, values in (
        (RECALL, "recall", recall),
        (ATTRACTION, "share of wrong predictions beyond an even spread", attraction),
    ):
        compared = f"{name}: rank correlation of a class's training share with its {of_class}"
        row = {"claim": claim, "compared": compared, "paper": np.nan, "threshold": 0.0}
        if shares is None:
            row["verdict"] = NO_CORPUS if condition else NO_RUNS
        else:
            statistic = partial(rank_correlation, shares=shares.to_numpy(), values=values)
            options = resampling | {"classes": list(shares.index)}
            row |= _measured([(1, condition)], statistic, 0.0, warnings, options)
        rows.append(row)
    return rows


def _measured(
    terms: list[tuple[int, Condition]],
    statistic: Callable[[NDArray], NDArray],
    threshold: float,
    warnings: dict,
    resampling: dict,
) -> dict[str, Any]:
    """The sum of the terms ``sign * mean statistic of the runs``, its interval and the verdict."""
    present = [condition for _, condition in terms]
    counts = [len(condition.runs) for condition in present]
    row = {"seeds": min(counts), "unreliable": _unreliable(present, warnings)}
    runs = [one for condition in present for one in condition.predictions]
    if runs[0]["song"].nunique() < 2:  # one song gives no interval
        return row | {"verdict": UNDECIDED}
    weights = np.repeat([sign / n for (sign, _), n in zip(terms, counts, strict=True)], counts)
    value, resampled = resample(runs, statistic, **resampling)
    low, high = interval(resampled @ weights)
    verdict = HOLDS if low > threshold else FAILS if high <= threshold else UNDECIDED
    return row | {"difference": value @ weights, "low": low, "high": high, "verdict": verdict}


def _condition(found: list[Condition], name: str, share: float) -> Condition | None:
    """The condition of the paper that reads segments; one without a remark in brackets first."""
    same = [
        one
        for one in found
        if one.matches(name) and one.train_fraction == share and one.context == "segment"
    ]
    return min(same, key=lambda one: one.name != name, default=None)


def _unreliable(present: list[Condition], warnings: dict) -> str:
    """The warnings of the conditions, each once, with the conditions that have it if not all do."""
    several = len({one.train_fraction for one in present}) > 1
    of_warning: dict[str, list[str]] = {}
    for one in present:
        label = f"{one.name}, {100 * one.train_fraction:g} %" if several else one.name
        for warning in filter(None, warnings[id(one)].split("; ")):
            of_warning.setdefault(warning, []).append(label)
    return "; ".join(
        warning if len(names) == len(present) else f"{' and '.join(names)}: {warning}"
        for warning, names in of_warning.items()
    )
