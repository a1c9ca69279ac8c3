"""Compare classifiers without their bias towards frequent classes.

Macro-F1 counts every class alike, so it rises when a classifier predicts rare classes more often,
also at equal accuracy. How often it does so varies between trainings and can be corrected
afterwards, by post-hoc logit adjustment (Menon et al., 2021):

    predicted = argmax over classes of log p(class | segment) - strength * log prior(class)

A gain in macro-F1 that vanishes under this correction is one of the bias alone.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from camil.evaluation.comparisons import SIC, effect
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.markdown_tables import signed
from camil.evaluation.metrics import (
    DIFFERENCE,
    SMALLEST_PROBABILITY,
    class_probabilities,
    predictions_table,
    scores,
    track_predictions,
)

STRENGTHS = np.linspace(0, 1, 21)
AFTER = tuple(f"corrected_{name}" for name in DIFFERENCE)
COLUMNS = (
    "level", "condition", "seeds", "accuracy", "macro_f1", *DIFFERENCE, "strength", "corrected",
    *AFTER,
)  # fmt: skip


def adjusted(logits: np.ndarray, counts: np.ndarray, strength: float) -> np.ndarray:
    """Logits after the correction.

    Args:
        logits: ``(segments, classes)``, up to a constant per segment.
        counts: ``(classes,)``, number of training segments; a class without any counts as one.
        strength: 0 changes nothing; with 1, all classes are equally likely before a segment is
            read.
    """
    return logits - strength * np.log(np.maximum(counts, 1))


def best_strength(logits: np.ndarray, true: np.ndarray, counts: np.ndarray) -> float:
    """The strength of `STRENGTHS` with the highest macro-F1; of equal ones the smallest.

    Args:
        logits: of validation segments, so that test songs choose nothing; as for `adjusted`.
        true: ``(segments,)``, indices of their classes.
        counts: as for `adjusted`.
    """
    found = [
        scores(true, adjusted(logits, counts, strength).argmax(axis=1))["macro_f1"]
        for strength in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(found))])


def corrected(
    predictions: pd.DataFrame, prior: pd.Series, validation: pd.DataFrame
) -> tuple[pd.DataFrame, float]:
    """A table of predictions after the correction, and its strength.

    Args:
        predictions: a table of predictions, see `camil.evaluation.metrics`.
        prior: number of training segments by class.
        validation: the predictions of the same classifier for validation segments, which choose the
            strength.
    """
    classes = list(class_probabilities(predictions))
    counts = prior.reindex(classes).fillna(0).to_numpy()
    true = validation["instrument"].map(classes.index).to_numpy()
    strength = best_strength(_logits(validation), true, counts)
    logits = adjusted(_logits(predictions), counts, strength)
    return predictions_table(predictions, softmax(logits, axis=1), classes), strength


def without_class_bias(
    table: pd.DataFrame, prior: pd.Series, validation: Callable[[FinishedRun], pd.DataFrame]
) -> pd.DataFrame:
    """Macro-F1 of conditions and their differences from SIC, before and after the correction.

    Each run is corrected by its own strength, which is chosen on validation segments.

    Args:
        table: classifiers of notes, trained on the same share of the songs, from
            `camil.evaluation.comparisons.experiments`.
        prior: as for `corrected`.
        validation: reads a run's predictions of the validation segments.

    Returns:
        Two rows per condition, ``level`` "segment" and "track" (its segments vote), with means over
        seeds: ``accuracy`` and ``macro_f1`` as predicted, the paired ``difference`` from SIC with
        its 95 % interval over test songs, ``strength``, and ``corrected`` and
        ``corrected_difference``, macro-F1 and difference after the correction. Differences are NaN
        for SIC, and without it.
    """
    fixed_runs: dict[Path, tuple[pd.DataFrame, float]] = {}

    def accuracy_of(predictions: pd.DataFrame) -> float:
        return scores(predictions["instrument"], predictions["predicted"])["accuracy"]

    def fixed(run: FinishedRun) -> pd.DataFrame:
        if run.folder not in fixed_runs:
            fixed_runs[run.folder] = corrected(run.predictions(), prior, validation(run))
        return fixed_runs[run.folder][0]

    def compare(level: str, read: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
        plain = effect(table, "condition", SIC, lambda run: read(run.predictions()))
        after = effect(table, "condition", SIC, lambda run: read(fixed(run)))
        runs = table.drop_duplicates(["condition", "seed"]).set_index("condition")["run"]
        accuracy = runs.map(lambda run: accuracy_of(read(run.predictions())))
        strength = runs.map(lambda run: fixed_runs[run.folder][1])
        found = plain[["condition", "seeds", "macro_f1", *DIFFERENCE]].assign(
            level=level,
            accuracy=plain["condition"].map(accuracy.groupby(level=0).mean()),
            strength=plain["condition"].map(strength.groupby(level=0).mean()),
            corrected=after["macro_f1"],
        )
        found[list(AFTER)] = after[list(DIFFERENCE)]
        return found[list(COLUMNS)].sort_values("macro_f1", ascending=False)

    both = compare("segment", lambda predictions: predictions), compare("track", track_predictions)
    return pd.concat(both, ignore_index=True)


def class_bias_answer(found: pd.DataFrame) -> str:
    """The differences from SIC by segment, before and after the correction, in one sentence.

    Args:
        found: results of `without_class_bias`, with the column ``train_fraction``.
    """
    if found.empty or found["difference"].isna().all():
        return "No answer yet: SIC, or a classifier to compare with it, is missing."
    rows = found[(found["level"] == "segment") & found["difference"].notna()]
    rows = rows[rows["train_fraction"] == rows["train_fraction"].max()]
    texts = [
        f"{row['condition']} {row['difference']:+.3f} before and "
        f"{signed(*(row[name] for name in AFTER))} after"
        for row in rows.to_dict("records")
    ]
    start = "Difference from SIC in macro-F1, before and after the correction of class bias: "
    return f"{start}{'; '.join(texts)}."


def _logits(predictions: pd.DataFrame) -> np.ndarray:
    return np.log(class_probabilities(predictions).clip(lower=SMALLEST_PROBABILITY).to_numpy())
