"""Compare finished runs that differ in one setting only."""

from collections.abc import Callable, Sequence
from numbers import Real
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import DIFFERENCE, bootstrap_interval, paired_difference, scores

SIC = "SIC"  # the condition that others are compared with
# Parameters of the optimization, of the pre-training if there is one. Runs of one comparison have
# them in common as far as possible, see `same_training`.
TRAINING = (
    "batch_size", "normalize", "epochs", "learning_rate", "schedule", "width", "projection",
    "temperature", "negatives_per_anchor", "mining", "memory_bank",
)  # fmt: skip
# The settings in which experiments may differ, apart from the seed. ``pretrain_fraction`` is the
# share of the training songs in the pre-training: with few labels it is larger than
# ``train_fraction``, the share in the classifier's training.
SETTINGS = (
    "condition", "corpus", "modality", "frozen", "objective", "negatives", "shuffled", "audio",
    "margin", "embedding", "train_fraction", "pretrain_fraction", "left_out", *TRAINING,
)  # fmt: skip
# CAMIL in Table I; a comparison varies one of these.
CAMIL = {
    "modality": "midi", "frozen": True, "objective": "contrastive", "negatives": "class",
    "shuffled": False, "audio": "AIC, frozen", "margin": 1.0, "embedding": 128,
    "train_fraction": 1.0, "pretrain_fraction": 1.0, "left_out": "",
}  # fmt: skip
UNSUPERVISED = CAMIL | {"negatives": "random", "audio": "scratch, trained"}


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
        training = made or given
        rows.append({
            "condition": run.metrics["condition"],
            "corpus": Path(run.record["corpus"]["folder"]).name,
            "modality": given["modality"],
            "frozen": given["freeze"],
            "objective": made.get("objective", ""),
            "negatives": made.get("negatives", ""),
            "shuffled": made.get("shuffled", False),
            "audio": origin_of_audio(made, by_name),
            "margin": made.get("margin", np.nan),
            "embedding": made.get("embedding", given["embedding"]),
            "train_fraction": given["train_fraction"],
            "pretrain_fraction": training.get("train_fraction", 1.0),
            "left_out": ", ".join(map(str, made.get("leave_out_programs") or ())),
            **{name: training.get(name, "") for name in TRAINING},
            "seed": given["seed"],
            "run": run,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=[*SETTINGS, "seed", "run"])


def origin_of_audio(made: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> str:
    """Origin of the audio encoder of a pre-training, and whether it was trained there.

    Args:
        made: parameters of the pre-training.
        by_name: parameters of the runs it may build on, by name of the folder.

    Returns:
        Such as "AIC, frozen", "scratch, trained" or "self-supervised, frozen"; empty if the run has
        no audio encoder.
    """
    if "pretrained_audio" not in made or made.get("objective") == "midi-supcon":
        return ""
    if not made["pretrained_audio"]:
        return "scratch, trained"
    teacher = by_name.get(Path(made["pretrained_audio"]).name, {})
    start = "random" if teacher.get("freeze") and not teacher.get("pretrained") else "AIC"
    if teacher and "modality" not in teacher:  # not a classifier: a run of 02c_sound
        start = "self-supervised"
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


def usual_training(table: pd.DataFrame) -> dict[str, Any]:
    """The values of `TRAINING` that most frozen, pre-trained experiments have in common.

    Args:
        table: the experiments, from `experiments`.
    """
    probes = table[table["frozen"] & (table["objective"] != "")]
    counts = (probes if len(probes) else table)[list(TRAINING)].astype(object).value_counts()
    return dict(zip(TRAINING, counts.index[0], strict=True))


def same_training(rows: pd.DataFrame, by: str, usual: dict[str, Any]) -> pd.DataFrame:
    """Choose, for each value of a setting, the runs that were trained most like the others.

    Args:
        rows: experiments that differ in the setting, the seed and parameters of the training.
        by: name of the setting.
        usual: the values of `TRAINING` to keep, from `usual_training`.

    Returns:
        The rows of one training per value, with the additional column ``also``: the parameters in
        which a pre-training differs from ``usual`` nevertheless, separated by commas.
    """
    records = rows.assign(**{by: usual.get(by)}).to_dict("records")
    differing = [[name for name in usual if row[name] != usual[name]] for row in records]
    pairs = list(zip(records, differing, strict=True))
    distance = [sum(_distance(row[name], usual[name]) for name in names) for row, names in pairs]
    also = [
        ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in names) for row, names in pairs
    ]
    also = pd.Series(also, rows.index, dtype=object)
    distance = pd.Series(distance, rows.index, dtype=float)
    nearest = distance == distance.groupby(rows[by]).transform("min")
    rows, also = rows[nearest], also[nearest]
    # Of several trainings that are equally like the others, the first is taken.
    one = also == also.groupby(rows[by]).transform("first")
    # A classifier without pre-training, such as SIC, has other parameters and is no variant.
    return rows[one].assign(also=also[one].where(rows["objective"][one] != "", ""))


def _distance(value: Any, usual: Any) -> float:
    """1 for a parameter that differs, and a little more for a number that differs more."""
    sizes = [one for one in (value, usual) if isinstance(one, Real) and one > 0]
    return 1 + (abs(np.log(sizes[0] / sizes[1])) / 1000 if len(sizes) == 2 else 0)


def effect(
    rows: pd.DataFrame,
    by: str,
    reference: Any,
    predictions: Callable[[FinishedRun], pd.DataFrame] = methodcaller("predictions"),
) -> pd.DataFrame:
    """Macro-F1 for each value of a setting, over all seeds.

    Args:
        rows: experiments that differ only in the setting and the seed.
        by: name of the setting.
        reference: value that the others are compared with.
        predictions: reads the predictions of a run; by default those for the test songs.

    Returns:
        One row per value: the setting, ``seeds``, ``macro_f1`` with its interval (``low``,
        ``high``), and the paired ``difference`` to the reference with its interval; NaN without a
        reference. If `same_training` found further differences, ``also`` names them.

    Raises:
        ValueError: if the runs have different test segments.
    """
    parts = {value: part.drop_duplicates("seed") for value, part in rows.groupby(by, sort=True)}
    groups = {value: [predictions(run) for run in part["run"]] for value, part in parts.items()}
    found = []
    for value, tables in groups.items():
        low, high = bootstrap_interval(tables)
        compared = (np.nan,) * 3
        if value != reference and reference in groups:
            compared = paired_difference(tables, groups[reference])
        found.append({
            by: value,
            "seeds": len(tables),
            "macro_f1": np.mean(
                [scores(one["instrument"], one["predicted"])["macro_f1"] for one in tables]
            ),
            "low": low,
            "high": high,
            **dict(zip(DIFFERENCE, compared, strict=True)),
            "also": parts[value]["also"].iloc[0] if "also" in rows else "",
        })  # fmt: skip
    numbers = ["macro_f1", "low", "high", *DIFFERENCE]
    table = pd.DataFrame(found, columns=[by, "seeds", *numbers, "also"])
    table = table.astype(dict.fromkeys(numbers, float))
    return table if (table["also"] != "").any() else table.drop(columns="also")


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
    also = f" Its runs also differ in: {best['also']}." if best.get("also") else ""
    return (
        f"Among the alternatives to {reference} ({own:.3f}), {name} {value} scores highest: "
        f"macro-F1 {best['macro_f1']:.3f}, {abs(best['difference']):.3f} {word} (95 % interval of "
        f"the difference {best['difference_low']:+.3f} to {best['difference_high']:+.3f}, "
        f"{significance(best['difference_low'], best['difference_high'])}).{also}"
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
