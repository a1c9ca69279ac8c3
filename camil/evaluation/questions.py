"""Answers of ``09_questions`` as sentences, computed from tables of scores.

An answer that begins with "No answer" names the runs or corpora that are missing.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from camil.corpus.corpus import Corpus
from camil.evaluation.comparisons import alike
from camil.evaluation.metrics import paired_difference


def class_minus_random(experiments: pd.DataFrame, **settings: Any) -> pd.DataFrame:
    """Difference in macro-F1 between class-based and random negatives, per share of songs.

    Args:
        experiments: the experiments, from `camil.evaluation.comparisons.experiments`.
        settings: value of each setting that both kinds of negatives have in common.

    Returns:
        One row per share of the training songs for which both kinds exist: ``train_fraction`` and
        the paired ``difference`` with its 95 % interval (``low``, ``high``).
    """
    rows = []
    for share in sorted(experiments["train_fraction"].unique()):
        at = settings | {"train_fraction": share}
        groups = [
            alike(experiments, **at | {"negatives": kind})["run"] for kind in ("class", "random")
        ]
        if all(len(group) for group in groups):
            own, other = ([run.predictions() for run in group] for group in groups)
            rows.append((share, *paired_difference(own, other)))
    return pd.DataFrame(rows, columns=["train_fraction", "difference", "low", "high"])


def shrinking_answer(differences: pd.DataFrame) -> str:
    """The differences of `class_minus_random` in one sentence."""
    if differences.empty:
        return "No answer yet: runs of both kinds of negatives from scratch are missing."
    texts = [
        f"{100 * share:g} %: {better:+.3f} ({low:+.3f} to {high:+.3f})"
        for share, better, low, high in differences.to_numpy()
    ]
    start = "Class-based minus random negatives, by share of the training songs: "
    return f"{start}{'; '.join(texts)}."


def unseen_answer(scores: pd.DataFrame, trained_on: str, unseen: str) -> str:
    """Macro-F1 of audio classifiers on timbres that are not in any training data.

    Args:
        scores: one row per classifier and corpus: ``classifier``, ``tested on`` (the name of the
            corpus' folder) and ``macro-F1``.
        trained_on: folder of the corpus that the classifiers were trained on.
        unseen: folder of the corpus in other timbres; empty if there is none.
    """
    folders = filter(None, dict.fromkeys((trained_on, unseen)))
    timbres = [set(Corpus(folder).table["timbre"]) for folder in folders]
    if len(timbres) == 2 and (common := sorted(timbres[0] & timbres[1])):
        return f"No answer: {', '.join(common)} was part of the training data."
    if len(timbres) < 2 or scores.empty:
        return "No answer yet: the corpus unseen, or an audio classifier, is missing."
    is_new = scores["tested on"] == Path(unseen).name
    pairs = scores[~is_new].merge(scores[is_new], on="classifier", suffixes=(" known", " unseen"))
    texts = [
        f"{name} {new:.3f} ({own:.3f} on its own)"
        for name, own, new in pairs[["classifier", "macro-F1 known", "macro-F1 unseen"]].to_numpy()
    ]
    return f"Macro-F1 on unseen timbres: {'; '.join(texts)}."


def retrieval_answer(searched: pd.DataFrame) -> str:
    """The run with the highest mean reciprocal rank.

    Args:
        searched: one row per run and corpus: ``run`` and the result of
            `camil.evaluation.corpus_shift.retrieval_on`.
    """
    if searched.empty:
        return "No answer yet: runs of 02_pretrain with an audio encoder are missing."
    best = searched.loc[searched["MRR"].idxmax()]
    return (
        f"Retrieval among {best['segments']} segments is best after {best['run']}: the own sound "
        f"is nearest in {best['R@1']:.1%} of the cases ({1 / best['segments']:.1%} by chance) and "
        f"among the ten nearest in {best['R@10']:.1%}; MRR {best['MRR']:.3f}."
    )


def confusions_answer(pairs: pd.DataFrame, correlation: float) -> str:
    """The most frequent confusion by notes, and the correlation with confusions by sound.

    Args:
        pairs, correlation: the result of `camil.evaluation.comparisons.common_confusions`.
    """
    top = pairs.iloc[0]
    return (
        f"The most frequent confusion by notes is {top['instrument']} predicted as "
        f"{top['predicted as']}, {top['by notes']:.0%}; by sound it is {top['by sound']:.0%}. The "
        f"rank correlation over all pairs is {correlation:.2f}."
    )


def bass_answer(bass: pd.DataFrame, main: str, moved: str) -> str:
    """Macro-F1 of SIC on Bass as written and as moved, by the Bass of its training songs.

    Args:
        bass: one row per classifier and corpus: ``trained on``, ``Bass of the test songs`` ("as
            written" or "moved") and ``macro-F1``.
        main: name of the corpus with Bass as written.
        moved: name of the corpus with moved Bass.
    """
    if bass.empty:
        return "No answer yet: the corpus moved, or a run of SIC, is missing."
    f1 = bass.set_index(["trained on", "Bass of the test songs"])["macro-F1"]
    sentence = (
        f"Trained on Bass as written, SIC has macro-F1 {f1[main, 'as written']:.3f} there and "
        f"{f1[main, 'moved']:.3f} on moved Bass"
    )
    if (moved, "moved") in f1:
        sentence += (
            f"; trained on moved Bass, it has {f1[moved, 'moved']:.3f} there and "
            f"{f1[moved, 'as written']:.3f} on Bass as written"
        )
    return f"{sentence}."
