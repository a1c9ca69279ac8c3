"""Compare finished runs that differ in one setting only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import bootstrap_interval, paired_difference, scores

# The settings in which experiments may differ, apart from the seed.
SETTINGS = (
    "condition", "corpus", "modality", "frozen", "objective", "negatives", "shuffled", "audio",
    "margin", "embedding", "train_fraction",
)  # fmt: skip
# CAMIL in Table I; a comparison varies one of these.
CAMIL = {
    "modality": "midi", "frozen": True, "objective": "contrastive", "negatives": "class",
    "shuffled": False, "audio": "AIC, frozen", "margin": 1.0, "embedding": 128,
    "train_fraction": 1.0,
}  # fmt: skip


def experiments(runs: list[FinishedRun]) -> pd.DataFrame:
    """One row per classifier: its `SETTINGS`, its seed and the run.

    The settings of its pre-training are looked up among the runs; a classifier whose pre-training
    is missing is omitted.
    """
    by_name = {run.folder.name: run.record["parameters"] for run in runs}
    rows = []
    for run in runs:
        given = run.record["parameters"]
        made = by_name.get(Path(given.get("pretrained", "")).name, {})
        # Baselines have no modality: they use no encoder.
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
    """Origin of the audio encoder, and whether pre-training trained it."""
    if not made or made.get("objective") == "midi-supcon":
        return ""
    if not made["pretrained_audio"]:
        return "scratch, trained"
    teacher = by_name.get(Path(made["pretrained_audio"]).name, {})
    start = "random" if teacher.get("freeze") and not teacher.get("pretrained") else "AIC"
    return f"{start}, {'trained' if made['train_audio'] else 'frozen'}"


def alike(table: pd.DataFrame, but: str | Sequence[str] = (), **wanted: Any) -> pd.DataFrame:
    """Select the experiments with the given settings.

    Args:
        table: the experiments, from `experiments`.
        but: settings that are not compared, although ``wanted`` has a value for them.
        wanted: value by setting.
    """
    free = {but} if isinstance(but, str) else set(but)
    chosen = pd.Series(True, index=table.index)
    for name, value in wanted.items():
        if name not in free:
            chosen &= table[name] == value
    return table[chosen]


def effect(rows: pd.DataFrame, by: str, reference: Any) -> pd.DataFrame:
    """Macro-F1 for each value of a setting, over all seeds.

    Args:
        rows: experiments that differ only in the setting and the seed.
        by: name of the setting.
        reference: value that the others are compared with.

    Returns:
        One row per value: the setting, ``seeds``, ``macro_f1`` with its interval (``low``,
        ``high``), and the paired ``difference`` to the reference with its interval; NaN without a
        reference.

    Raises:
        ValueError: if the runs have different test segments.
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
    numbers = ["macro_f1", "low", "high", "difference", "difference_low", "difference_high"]
    table = pd.DataFrame(found, columns=[by, "seeds", *numbers])
    return table.astype(dict.fromkeys(numbers, float))


def answer(found: pd.DataFrame, by: str, reference: Any) -> str:
    """The result of `effect` in one sentence, or the runs that are missing for one."""
    name = by.replace("_", " ")
    if len(found) and reference not in set(found[by]):
        return f"No answer yet: the reference runs, {name} {reference}, are missing."
    others = found[found["difference"].notna()]
    if others.empty:
        there = ", ".join(str(value) for value in found[by]) or "none"
        return f"No answer yet: runs with another {name} are missing (there are: {there})."
    best = others.loc[others["difference"].idxmax()]
    value = others[by].loc[best.name]  # in the column's own type, unlike best[by]
    own = found.loc[found[by] == reference, "macro_f1"].iloc[0]
    word = "higher" if best["difference"] > 0 else "lower"
    return (
        f"Among the alternatives to {reference} ({own:.3f}), {name} {value} scores highest: "
        f"macro-F1 {best['macro_f1']:.3f}, {abs(best['difference']):.3f} {word} (95 % interval of "
        f"the difference {best['difference_low']:+.3f} to {best['difference_high']:+.3f}, "
        f"{significance(best['difference_low'], best['difference_high'])})."
    )


def significance(low: float, high: float) -> str:
    """Whether the interval of a difference contains zero, in words."""
    return "which contains 0" if low <= 0 <= high else "which excludes 0"


def confusions(predictions: Sequence[pd.DataFrame], classes: Sequence[str]) -> pd.DataFrame:
    """Share of each true class (row) that was predicted as each class (column), over all seeds.

    Rows of classes that do not occur are NaN.
    """
    both = pd.concat(list(predictions))
    shares = pd.crosstab(both["instrument"], both["predicted"], normalize="index")
    known = shares.reindex(index=classes, columns=classes)
    return known.where(known.notna() | ~known.index.isin(shares.index)[:, None], 0.0)


def common_confusions(notes: pd.DataFrame, sound: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Compare the confusions of a classifier on notes with those of one on audio.

    Args:
        notes, sound: confusion matrices from `confusions`.

    Returns:
        One row per pair (``instrument``, ``predicted as``) with both shares, the most frequent by
        notes first; and Spearman's rank correlation of the shares over all pairs.
    """
    pairs = pd.DataFrame({
        "by notes": notes.rename_axis(index="instrument", columns="predicted as").stack(),
        "by sound": sound.rename_axis(index="instrument", columns="predicted as").stack(),
    }).dropna().reset_index()  # fmt: skip
    pairs = pairs[pairs["instrument"] != pairs["predicted as"]]
    correlation = pairs["by notes"].corr(pairs["by sound"], method="spearman")
    return pairs.sort_values("by notes", ascending=False, ignore_index=True), float(correlation)
