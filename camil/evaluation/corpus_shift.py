"""Evaluate classifiers on validation songs, or on a corpus of other timbres or moved notes."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import load_classifier
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import predictions_table, scores
from camil.training.embed import embed


def predictions_on(
    run: FinishedRun, corpus: str | Path, device: str = "cpu", rows: str | Tensor = "test"
) -> pd.DataFrame:
    """Predict the instruments of a corpus' songs with a run's classifier.

    Args:
        run: a run of ``03_classify``.
        corpus: folder of a corpus.
        device: device of the computations.
        rows: a split, or ``(rows,)`` int64 segments.

    Returns:
        A table of predictions, see `camil.evaluation.metrics`.

    Raises:
        FileNotFoundError: if the folder contains no corpus, or the run no classifier.
        ValueError: if it is an audio classifier and the corpus has no audio.
    """
    classifier = load_classifier(run.folder / "classifier.safetensors").to(device)
    reads_notes = classifier.encoder.modality == "midi"
    onsets = reads_notes and classifier.encoder.config["channels"] == 2
    data = Corpus(corpus, device, onsets=onsets, velocity=classifier.velocity)
    chosen = data.rows(rows) if isinstance(rows, str) else rows.to(data.device)
    logits = embed(classifier, data.rolls if reads_notes else data.mels, chosen)
    probabilities = logits.cpu().double().softmax(1).numpy()
    return predictions_table(data.table.iloc[chosen.cpu()], probabilities, classifier.classes)


def scores_on(
    experiments: pd.DataFrame,
    corpora: Sequence[str],
    device: str = "cpu",
    classes: Sequence[str] = (),
) -> pd.DataFrame:
    """Scores of classifiers for the test songs of several corpora, averaged over seeds.

    Args:
        experiments: classifiers, from `camil.evaluation.comparisons.experiments`.
        corpora: folders of corpora in addition to the classifier's own; empty names are ignored.
        device: device of the computations.
        classes: instruments whose F1 is returned as well.

    Returns:
        One row per classifier and corpus: ``classifier`` (the condition), ``trained on`` and
        ``tested on`` (names of the corpora's folders), ``seeds``, ``macro-F1`` and ``F1 of ...``.
        A class that does not occur has NaN.
    """
    rows = []
    for one in experiments.to_dict("records"):
        run, own = one["run"], one["run"].record["corpus"]["folder"]
        for folder in dict.fromkeys(Path(name) for name in (own, *corpora) if name):
            is_own = folder == Path(own)
            found = run.predictions() if is_own else predictions_on(run, folder, device)
            result = scores(found["instrument"], found["predicted"])
            rows.append({
                "classifier": one["condition"],
                "trained on": one["corpus"],
                "tested on": folder.name,
                "seed": one["seed"],
                "macro-F1": result["macro_f1"],
                **{f"F1 of {name}": result["per_class_f1"].get(name) for name in classes},
            })  # fmt: skip
    names = ["classifier", "trained on", "tested on"]
    measured = ["macro-F1", *(f"F1 of {name}" for name in classes)]
    table = pd.DataFrame(rows, columns=[*names, "seed", *measured])
    groups = table.astype(dict.fromkeys(measured, float)).groupby(names, sort=False)
    means = groups[measured].mean().reset_index()
    means.insert(3, "seeds", groups["seed"].nunique().to_numpy())
    return means
