"""Pre-trainings without labels: what they vary, and how their probes compare with SIC."""

from collections.abc import Callable

import pandas as pd

from camil.evaluation.comparisons import (
    SIC,
    TRAINING,
    UNSUPERVISED,
    alike,
    effect,
    same_training,
    usual_training,
)
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.markdown_tables import signed
from camil.evaluation.metrics import DIFFERENCE

REFERENCE = "Unsupervised CAMIL"  # name of a setting
_VARIED = ("objective", "audio", "margin", "embedding")
_SHARES = ("train_fraction", "pretrain_fraction")
_TO_SIC = ("to_sic", "to_sic_low", "to_sic_high")


def label_free(table: pd.DataFrame) -> pd.DataFrame:
    """Frozen encoders of notes whose pre-training used no label, each with its ``setting``.

    Args:
        table: the experiments of one corpus, from `camil.evaluation.comparisons.experiments`.

    Returns:
        The experiments whose pre-training and classifier used the same share of the songs, with
        the additional column ``setting``: what differs from the unsupervised condition of the same
        share, or `REFERENCE`.
    """
    fixed = {name: UNSUPERVISED[name] for name in UNSUPERVISED.keys() - {*_VARIED, *_SHARES}}
    rows = alike(table, **fixed)
    rows = rows[~rows["audio"].str.startswith("AIC")]
    rows = rows[rows["train_fraction"] == rows["pretrain_fraction"]]
    settings = pd.Series("", rows.index, dtype=object)
    for _, part in rows.groupby("train_fraction"):
        plain = alike(part, condition=REFERENCE)
        usual = UNSUPERVISED | usual_training(plain if len(plain) else part)
        for index, row in part.iterrows():
            differing = [
                f"{name.replace('_', ' ')} {row[name]}"
                for name in (*_VARIED, *TRAINING)
                if row[name] != usual[name]
            ]
            settings[index] = ", ".join(differing) or REFERENCE
    return rows.assign(setting=settings)


def scores_without_labels(
    table: pd.DataFrame, predictions: Callable[[FinishedRun], pd.DataFrame]
) -> pd.DataFrame:
    """Macro-F1 of the pre-trainings without labels and of SIC, over all seeds.

    Args:
        table: the experiments of one corpus, from `camil.evaluation.comparisons.experiments`.
        predictions: reads the predictions of a run for the songs that are compared.

    Returns:
        One row per share of the training songs and setting, the highest first, for the shares that
        have the unsupervised condition and another setting: ``train_fraction``, ``setting``,
        ``seeds``, ``macro_f1`` with its interval over songs (``low``, ``high``), the paired
        ``difference`` to the unsupervised condition and the one to SIC (``to_sic``) with their
        intervals.
    """
    found = []
    for share, rows in label_free(table).groupby("train_fraction"):
        if REFERENCE not in set(rows["setting"]) or rows["setting"].nunique() < 2:
            continue
        sic = alike(table, condition=SIC, train_fraction=share)
        sic = same_training(sic, "condition", usual_training(rows)).drop(columns="also")
        both = pd.concat([rows, sic.assign(setting=SIC)])
        scored = effect(both, "setting", REFERENCE, predictions)
        scored[list(_TO_SIC)] = effect(both, "setting", SIC, predictions)[list(DIFFERENCE)]
        scored = scored.sort_values("macro_f1", ascending=False)
        scored.insert(0, "train_fraction", share)
        found.append(scored)
    return pd.concat(found[::-1], ignore_index=True) if found else pd.DataFrame()


def settings_answer(scored: pd.DataFrame, songs: str) -> str:
    """The best pre-training without labels beside the unsupervised condition and SIC.

    Args:
        scored: the result of `scores_without_labels`.
        songs: the songs that were compared, such as "validation".
    """
    if scored.empty:
        return (
            "No answer yet: Unsupervised CAMIL, or another pre-training without labels, is missing."
        )
    parts = []
    for share, rows in scored.groupby("train_fraction", sort=False):
        of_setting = rows.set_index("setting")
        others = of_setting.drop(index=[REFERENCE, SIC], errors="ignore")
        best = others.loc[others["macro_f1"].idxmax()]
        rank = f"the best of {len(others)}" if len(others) > 1 else "the only"
        text = (
            f"with {100 * share:g} % of the training songs, {REFERENCE} has "
            f"{of_setting.loc[REFERENCE, 'macro_f1']:.3f}, and {rank} other setting"
            f"{'s' * (len(others) > 1)} without labels, {best.name}, has {best['macro_f1']:.3f}, "
            f"{signed(*best[list(DIFFERENCE)])}"
        )
        if SIC in of_setting.index:
            text += (
                f"; SIC has {of_setting.loc[SIC, 'macro_f1']:.3f}, and the difference to it is "
                f"{signed(*best[list(_TO_SIC)])}"
            )
        parts.append(text)
    return f"Macro-F1 on {songs} songs: {'. '.join(parts)}."
