"""The histories of the trainings behind the paper's conditions."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from camil.evaluation.conditions import Condition, conditions
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.table1 import PAPER


def paper_histories(runs: Sequence[FinishedRun]) -> dict[str, pd.DataFrame]:
    """Training histories of one seed, the lowest, by condition and share of the training songs.

    A condition with a frozen encoder stands for the pre-training of this encoder, any other one for
    its own training. Only conditions of the paper are returned, since losses of other objectives
    cannot be compared with theirs.

    Args:
        runs: runs of all kinds.

    Returns:
        Tables as of `FinishedRun.history`, by `FinishedRun.title`; those without an epoch are left
        out.
    """
    pretrainings = {run.folder.name: run for run in runs if not run.metrics}
    found = {}
    for condition in filter(_is_of_paper, conditions(runs)):
        run = min(condition.runs, key=lambda run: run.record["parameters"]["seed"])
        parameters = run.record["parameters"]
        pretrained = Path(parameters.get("pretrained", "")).name
        trained = pretrainings.get(pretrained) if parameters.get("freeze") else run
        if trained and len(trained.history()):
            found[run.title] = trained.history()
    return found


def _is_of_paper(condition: Condition) -> bool:
    return any(condition.matches(name) for name, _ in PAPER)
