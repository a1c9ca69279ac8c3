"""Tables of classifiers by the share of the training songs whose labels they were given."""

from collections.abc import Mapping, Sequence

import pandas as pd

from camil.evaluation.class_bias import AFTER
from camil.evaluation.comparisons import SIC, significance
from camil.evaluation.few_labels import GBT, FewLabels
from camil.evaluation.label_result import Result
from camil.evaluation.markdown_tables import signed
from camil.evaluation.metrics import DIFFERENCE, bootstrap_interval, paired_difference

# Shares that are compared: of the labels of a pre-trained encoder, and of the labels of SIC.
COMPARED = ((0.01, 0.05), (0.05, 0.25), (1.0, 1.0))
# Columns of `score_table` in a text, and their headings.
HEADINGS = {
    "condition": "condition",
    "train_fraction": "labels",
    "songs": "labelled songs",
    "segments": "labelled segments",
    "best_epoch": "best epoch",
    "macro_f1": "macro-F1",
    "low": "low",
    "high": "high",
    "between_draws": "SD over draws",
    "difference": "difference from SIC",
    "difference_low": "low",
    "difference_high": "high",
    "strength": "strength of the correction",
    "corrected_macro_f1": "macro-F1, corrected",
    "corrected_difference": "difference from SIC, corrected",
    "corrected_difference_low": "low",
    "corrected_difference_high": "high",
}

# By condition and share: one table of predictions per draw.
Groups = Mapping[tuple[str, float], Sequence[pd.DataFrame]]


def grouped(study: FewLabels, results: Sequence[Result], corrected: bool = False) -> Groups:
    """The tables of predictions of all results, by condition and share.

    Args:
        study: the study of the results.
        results: all results.
        corrected: after the correction of class bias, see `camil.evaluation.class_bias`.
    """
    groups: dict[tuple[str, float], list[pd.DataFrame]] = {}
    for result in results:
        key = result.condition, result.train_fraction
        groups.setdefault(key, []).append(study.predictions(result, corrected))
    return groups


def score_table(results: Sequence[Result], groups: Groups, corrected: Groups) -> pd.DataFrame:
    """Macro-F1 of each condition at each share of the labels.

    Args:
        results: all results.
        groups, corrected: their predictions, from `grouped`, before and after the correction of
            class bias.

    Returns:
        One row per condition and share: ``condition``, ``train_fraction``, ``draws``; the means
        over the draws of ``songs`` and ``segments`` (labelled ones), ``best_epoch`` (0 for probes
        and trees), ``macro_f1`` and the ``strength`` of the correction; ``between_draws``, the
        standard deviation of macro-F1 over the draws (NaN for one draw); the 95 % interval over
        test songs (``low``, ``high``); and the paired ``difference`` from SIC with the same labels
        with its interval, NaN without SIC. After the correction: ``corrected_macro_f1`` and
        ``corrected_difference`` with its interval.
    """
    about = pd.DataFrame([vars(result) for result in results])
    by_row = about.groupby(["condition", "train_fraction"], sort=False)
    means = ["songs", "segments", "best_epoch", "macro_f1", "strength", "corrected_macro_f1"]
    table = by_row[means].mean()
    table.insert(0, "draws", by_row.size())
    counts = ["songs", "segments", "best_epoch"]
    table[counts] = table[counts].round().astype(int)
    table["between_draws"] = by_row["macro_f1"].std()
    table[["low", "high", *DIFFERENCE, *AFTER]] = float("nan")
    for row in table.index:
        table.loc[row, ["low", "high"]] = bootstrap_interval(groups[row])
        sic = SIC, row[1]
        if row != sic and sic in groups:
            table.loc[row, list(DIFFERENCE)] = paired_difference(groups[row], groups[sic])
            table.loc[row, list(AFTER)] = paired_difference(corrected[row], corrected[sic])
    return table.reset_index()


def headings(table: pd.DataFrame) -> dict[str, str]:
    """`HEADINGS` of a table of `score_table`; one draw has no spread over draws."""
    one_draw = {"between_draws"} if (table["draws"] == 1).all() else set()
    return {name: text for name, text in HEADINGS.items() if name not in one_draw}


def caption(draws: Sequence[int]) -> str:
    """The values of `score_table` in words, with the draws of the labelled songs."""
    *others, last = map(str, draws)
    drawn = f"mean over draws {', '.join(others)} and {last}" if others else f"draw {last}"
    return f"Macro-F1 on test songs, {drawn} of the labelled songs."


def compare_shares(groups: Groups, corrected: Groups) -> pd.DataFrame:
    """Compare the other rows with SIC that was given more labels.

    Args:
        groups, corrected: as for `score_table`.

    Returns:
        One row per condition and pair of shares in `COMPARED` that both were measured:
        ``condition``, ``train_fraction``, ``train_fraction_of_sic``, and the paired ``difference``
        in macro-F1 with its 95 % interval over test songs, before and after the correction.
    """
    rows = []
    for condition in dict.fromkeys(name for name, _ in groups if name != SIC):
        for share, more in COMPARED:
            row, sic = (condition, share), (SIC, more)
            if row in groups and sic in groups:
                before = paired_difference(groups[row], groups[sic])
                after = paired_difference(corrected[row], corrected[sic])
                rows.append((condition, share, more, *before, *after))
    columns = ["condition", "train_fraction", "train_fraction_of_sic", *DIFFERENCE, *AFTER]
    return pd.DataFrame(rows, columns=columns)


def compare_with_trees(groups: Groups, corrected: Groups) -> pd.DataFrame:
    """Compare all other rows with gradient-boosted trees that were given the same labels.

    Args:
        groups, corrected: as for `score_table`.

    Returns:
        One row per condition and share: ``condition``, ``train_fraction``, and the paired
        ``difference`` from the trees with its 95 % interval over test songs, before and after the
        correction.
    """
    rows = []
    for condition, share in groups:
        row, trees = (condition, share), (GBT, share)
        if condition != GBT and trees in groups:
            before = paired_difference(groups[row], groups[trees])
            rows.append((*row, *before, *paired_difference(corrected[row], corrected[trees])))
    return pd.DataFrame(rows, columns=["condition", "train_fraction", *DIFFERENCE, *AFTER])


def answer(compared: pd.DataFrame) -> str:
    """The comparisons of `compare_shares`, one sentence and line per condition."""
    if compared.empty:
        pairs = ", ".join(f"{100 * share:g} and {100 * more:g} %" for share, more in COMPARED)
        return f"No answer yet: none of these pairs of shares was measured: {pairs}."
    sentences = []
    for condition, rows in compared.groupby("condition", sort=False):
        parts = [
            f"{difference:+.3f} with {100 * share:g} % of the labels against SIC with "
            f"{100 * more:g} % ({low:+.3f} to {high:+.3f}, {significance(low, high)}), "
            f"{signed(*after)} after the correction of class bias"
            for _, share, more, difference, low, high, *after in rows.itertuples(index=False)
        ]
        sentences.append(f"{condition}, difference in macro-F1: {'; '.join(parts)}.")
    return "\n".join(sentences)


def predictions_of_all(study: FewLabels, results: Sequence[Result]) -> pd.DataFrame:
    """The predictions of all classifiers, from which the tables can be computed again.

    Args:
        study: the study of the results.
        results: all results.

    Returns:
        One row per test segment, with the columns ``song``, ``track``, ``start_beat`` and
        ``instrument``, and two columns of predicted classes per result, such as "SIC, 0.05, draw 0"
        and "SIC, 0.05, draw 0, corrected" (after the correction of class bias).
    """
    table = study.predictions(results[0]).drop(columns="predicted")
    for result in results:
        name = f"{result.condition}, {result.train_fraction:g}, draw {result.draw}"
        table[name] = study.predictions(result)["predicted"].astype("category")
        after = study.predictions(result, corrected=True)["predicted"]
        table[f"{name}, corrected"] = after.astype("category")
    return table
