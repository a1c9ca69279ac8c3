"""Answers of ``09_questions`` as sentences, computed from tables of scores.

An answer that begins with "No answer" names the runs or corpora that are missing.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from camil.corpus.corpus import Corpus
from camil.evaluation.comparisons import REFERENCE, alike
from camil.evaluation.metrics import paired_difference
from camil.evaluation.new_instruments import ALL, FAMILY, LEFT_OUT, NOTES, SEEN, SIC
from camil.evaluation.program_scores import CHANCE as CHANCE_OF_PROGRAMS
from camil.evaluation.retrieval import CHANCE, DIRECTIONS


def class_minus_random(experiments: pd.DataFrame, **settings: Any) -> pd.DataFrame:
    """Difference in macro-F1 between class-based and random negatives, per share of songs.

    Args:
        experiments: the experiments, from `camil.evaluation.comparisons.experiments`.
        settings: value of each setting that both kinds of negatives have in common.

    Returns:
        One row per share of the training songs, of pre-training and classifier alike, for which
        both kinds exist: ``train_fraction`` and
        the paired ``difference`` with its 95 % interval (``low``, ``high``).
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
        f"{100 * share:g} %: {better:+.3f} ({low:+.3f} to {high:+.3f})"
        for share, better, low, high in differences.to_numpy()
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


def unsupervised_answer(measured: pd.DataFrame, against_sic: pd.DataFrame) -> str:
    """The best pre-training without labels on validation songs, beside Table I's and SIC.

    Args:
        measured: the result of `camil.evaluation.comparisons.effect` by ``setting`` with
            `REFERENCE` as the reference, of the pre-trainings without labels.
        against_sic: the same of these and SIC, with "SIC" as the reference.
    """
    others = measured[measured["difference"].notna()]
    if others.empty:
        return (
            "No answer yet: Unsupervised CAMIL, or another pre-training without labels, is missing."
        )
    own = measured.set_index("setting")["macro_f1"][REFERENCE]
    best = others.loc[others["macro_f1"].idxmax()]
    sentence = (
        f"On validation songs, Unsupervised CAMIL has macro-F1 {own:.3f}; of {len(others)} other "
        f"settings without labels, {best['setting']} scores highest with {best['macro_f1']:.3f}, a "
        f"difference of {best['difference']:+.3f} ({best['difference_low']:+.3f} to "
        f"{best['difference_high']:+.3f})"
    )
    compared = against_sic.set_index("setting")
    if "SIC" in compared.index:
        gap = compared.loc[best["setting"]]
        sentence += (
            f"; SIC has {compared.loc['SIC', 'macro_f1']:.3f}, and the difference to it is "
            f"{gap['difference']:+.3f} ({gap['difference_low']:+.3f} to "
            f"{gap['difference_high']:+.3f})"
        )
    return f"{sentence}."


def new_instruments_answer(scored: pd.DataFrame) -> str:
    """How often a program that no training pair had is recognized by its sound, and alternatives.

    Args:
        scored: results of `camil.evaluation.program_scores.scored`, with the name of each ``run``.
    """
    if scored.empty:
        return "No answer yet: a run of 02_pretrain with leave_out_programs is missing."
    few = scored[scored["among"] == LEFT_OUT].set_index(["run", "method"])
    run = few["top-1"].xs(NOTES, level="method").idxmax()
    of_run = few.loc[run]
    own, family = of_run.loc[NOTES], of_run.loc[FAMILY]
    sentence = (
        f"After {run}, the notes of a part are nearest to its own one of "
        f"{own['candidates']:.0f} reference sounds, whose programs no training pair had, in "
        f"{own['top-1']:.1%} of the cases ({own['top-1 low']:.1%} to {own['top-1 high']:.1%}, "
        f"averaged over programs; {of_run.loc[CHANCE_OF_PROGRAMS, 'top-1']:.1%} by chance); by the "
        f"sound of the rest of the family it is {family['top-1']:.1%}"
    )
    if SIC in of_run.index:
        sentence += (
            f", and by the family that SIC predicts, which has seen these programs, "
            f"{of_run.loc[SIC, 'top-1']:.1%}"
        )
    if SEEN in of_run.index:
        sentence += (
            f"; a pre-training that had their pairs comes to {of_run.loc[SEEN, 'top-1']:.1%}"
        )
    every = scored[(scored["among"] == ALL) & (scored["run"] == run)].set_index("method")
    every, random = every.loc[NOTES], every.loc[CHANCE_OF_PROGRAMS]
    return (
        f"{sentence}. Among all {every['candidates']:.0f} programs it is {every['top-1']:.1%} "
        f"({random['top-1']:.1%} by chance)."
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
