"""Answers of ``09_questions`` as sentences, computed from tables of scores.

An answer that begins with "No answer" names the runs or corpora that are missing.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from camil.corpus.corpus import Corpus
from camil.evaluation.comparisons import alike
from camil.evaluation.markdown_tables import signed
from camil.evaluation.metrics import paired_difference
from camil.evaluation.new_instruments import ALL, CENTRED, FAMILY, LEFT_OUT, NOTES, SEEN, SIC
from camil.evaluation.retrieval import CHANCE, DIRECTIONS


def class_minus_random(experiments: pd.DataFrame, **settings: Any) -> pd.DataFrame:
    """Difference in macro-F1 between class-based and random negatives, per share of songs.

    Args:
        experiments: the experiments, from `camil.evaluation.comparisons.experiments`.
        settings: value of each setting that both kinds of negatives have in common.

    Returns:
        One row per share of the training songs, of pre-training and classifier alike, for which
        both kinds exist: ``train_fraction`` and the paired ``difference`` with its 95 % interval
        (``low``, ``high``).
    """
    rows = []
    for share in sorted(experiments["train_fraction"].unique()):
        at = settings | {"train_fraction": share, "pretrain_fraction": share}
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
        f"{100 * share:g} %: {signed(*difference)}" for share, *difference in differences.to_numpy()
    ]
    start = "Class-based minus random negatives, by share of the training songs: "
    return f"{start}{'; '.join(texts)}."


def unseen_answer(scores: pd.DataFrame, trained_on: str, unseen: str) -> str:
    """Macro-F1 of audio classifiers on timbres that are not in any training data.

    Args:
        scores: the result of `camil.evaluation.corpus_shift.scores_on`.
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
    """The run with the highest mean reciprocal rank from notes to sound, in both directions.

    Args:
        searched: the result of `camil.evaluation.retrieval.retrieval_table`.
    """
    if searched.empty:
        return "No answer yet: runs of 02_pretrain with an audio encoder are missing."
    trained = searched[searched["run"] != CHANCE]
    there, back = (trained[trained["direction"] == direction] for direction in DIRECTIONS)
    best = there.loc[there["MRR"].idxmax()]
    random = searched[(searched["run"] == CHANCE) & (searched["segments"] == best["segments"])]
    same = (back[["run", "tested on"]] == best[["run", "tested on"]]).all(axis=1)
    return (
        f"Retrieval among {best['segments']} segments is best after {best['run']} "
        f"({best['objective']}; audio encoder {best['audio']}): the own sound is nearest to the "
        f"notes in {best['R@1']:.1%} of the cases ({random['R@1'].iloc[0]:.1%} by chance) and "
        f"among the ten nearest in {best['R@10']:.1%}; MRR {best['MRR']:.3f} "
        f"({random['MRR'].iloc[0]:.3f} by chance), and {back[same]['MRR'].iloc[0]:.3f} from sound "
        "to notes."
    )


def new_instruments_answer(scored: pd.DataFrame) -> str:
    """How often a program that no training pair had is recognized by its sound, and alternatives.

    Args:
        scored: results of `camil.evaluation.program_scores.scored`, with the name of each ``run``.
    """
    if scored.empty:
        return "No answer yet: a run of 02_pretrain with leave_out_programs is missing."
    few = scored[scored["among"] == LEFT_OUT].set_index(["run", "method"])
    run = few["top-1"].xs(NOTES, level="method").idxmax()
    every = scored[(scored["among"] == ALL) & (scored["run"] == run)].set_index("method")
    few, count = few.loc[run], few.loc[(run, NOTES), "candidates"]
    low, high = few.loc[NOTES, ["top-1 low", "top-1 high"]]
    share = few["top-1"].map("{:.1%}".format)
    of_all = every["top-1"].map("{:.1%}".format)
    others = [
        text.format(share[method])
        for method, text in (
            (CENTRED, "{} with both modalities centred"),
            (FAMILY, "{} by the sound of the rest of the family"),
            (SIC, "{} by the family that SIC predicts, which has seen these programs"),
            (SEEN, "{} after a pre-training that had their pairs"),
        )
        if method in share
    ]
    return (
        f"After {run}, which had no pair of {count:.0f} programs, {share[NOTES]} of their parts "
        f"are recognized among the {count:.0f} by a reference sound ({low:.1%} to {high:.1%}, "
        f"averaged over programs; {share[CHANCE]} by chance), {', '.join(others)}. "
        f"Among all {every['candidates'].iloc[0]:.0f} programs it is {of_all[NOTES]} "
        f"({of_all[CHANCE]} by chance)."
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
        bass: the result of `camil.evaluation.corpus_shift.scores_on`.
        main: name of the corpus with Bass as written.
        moved: name of the corpus with moved Bass.
    """
    if bass.empty:
        return "No answer yet: the corpus moved, or a run of SIC, is missing."
    f1 = bass.set_index(["trained on", "tested on"])["macro-F1"]
    sentence = (
        f"Trained on Bass as written, SIC has macro-F1 {f1[main, main]:.3f} there and "
        f"{f1[main, moved]:.3f} on moved Bass"
    )
    if (moved, moved) in f1:
        sentence += (
            f"; trained on moved Bass, it has {f1[moved, moved]:.3f} there and "
            f"{f1[moved, main]:.3f} on Bass as written"
        )
    return f"{sentence}."
