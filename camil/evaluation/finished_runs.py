"""Read finished runs: record, scores, predictions and training history."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from camil.midi.instruments import InstrumentTable
from camil.workbook.checksums import changed_files
from camil.workbook.files import read_json
from camil.workbook.runs import recorded_instruments

SCORES = ("metrics.json", "predictions.parquet")


@dataclass
class FinishedRun:
    """The folder of a finished run.

    Attributes:
        folder: folder of the run.
        record: content of ``run.json``.
        metrics: content of ``metrics.json``; empty for a run without predictions.
    """

    folder: Path
    record: dict[str, Any]
    metrics: dict[str, Any]

    def predictions(self) -> pd.DataFrame:
        """The table of predictions for the test songs, see `camil.evaluation.metrics`."""
        return pd.read_parquet(self.folder / "predictions.parquet")

    def history(self) -> pd.DataFrame:
        """One row per epoch; empty for a run that was not trained step by step."""
        path = self.folder / "history.jsonl"
        return pd.read_json(path, lines=True) if path.is_file() else pd.DataFrame()

    @property
    def instruments(self) -> InstrumentTable:
        """The classes; the paper's families for a run that records none."""
        return recorded_instruments(self.record)

    @property
    def name_without_seed(self) -> str:
        """The name of the folder, which all its seeds have in common."""
        return self.folder.name.removesuffix(f"-seed{self.record['parameters']['seed']}")

    @property
    def title(self) -> str:
        """Condition and share of the training songs, of a run with predictions, for a figure."""
        condition, share = self.metrics["condition"], self.record["parameters"]["train_fraction"]
        return condition if share == 1 else f"{condition}, {share:.0%}"

    @property
    def steps(self) -> int | None:
        """Optimizer steps of the training; None where nothing was trained step by step.

        An epoch leaves out the rows that do not fill a batch. CAMIL+ counts songs per batch.
        """
        parameters, batch = self.record["parameters"], self.record["parameters"].get("batch_size")
        if not batch or parameters.get("freeze"):
            return None
        rows = self.record.get("songs") or self.record.get("segments") or 0
        epochs = len(self.history()) or parameters["epochs"]
        return max(rows // batch, 1) * epochs if rows else None

    def summary(self) -> dict[str, Any]:
        """Provenance of the run, as one table row."""
        record = self.record
        return {
            "run": self.folder.name,
            "condition": self.metrics.get("condition", ""),
            "source": record["corpus"]["source"],
            "corpus": record["corpus"]["sha256"][:12],
            "seed": record["parameters"]["seed"],
            "commit": record["commit"],
            "device": record["device"],
            "seconds": record["seconds"],
        }


def open_run(folder: Path | str) -> FinishedRun:
    """Read one finished run.

    Raises:
        FileNotFoundError: if the folder contains no finished run.
        ValueError: if its scores or predictions were changed after the run had finished.
    """
    folder = Path(folder)
    record, metrics = read_json(folder / "run.json"), folder / "metrics.json"
    if changed := changed_files(folder, record.get("files"), SCORES):
        raise ValueError(
            f"{folder}: {' and '.join(changed)} changed after the run had finished, so its scores "
            "cannot be trusted. Delete the folder and make the run again, for example with "
            "`make figures`."
        )
    return FinishedRun(folder, record, read_json(metrics) if metrics.is_file() else {})


def runs_in(folders: str) -> list[FinishedRun]:
    """All finished runs in folders of runs; of two runs with one name, the first is returned.

    Args:
        folders: separated by commas; empty ones are ignored.
    """
    found: dict[str, FinishedRun] = {}
    for folder in filter(None, (name.strip() for name in folders.split(","))):
        for record in sorted(Path(folder).glob("*/run.json")):
            if record.parent.name not in found:
                found[record.parent.name] = open_run(record.parent)
    return list(found.values())


def find_runs(runs: str) -> list[FinishedRun]:
    """The finished runs in a folder of runs, or in run folders separated by commas.

    Raises:
        ValueError: if a listed folder contains no finished run, or no run has predictions.
    """
    folders = [Path(folder.strip()) for folder in runs.split(",")]
    if len(folders) == 1 and not (folders[0] / "run.json").is_file():
        found = runs_in(runs)
    else:
        missing = [str(folder) for folder in folders if not (folder / "run.json").is_file()]
        if missing:
            raise ValueError(f"runs names folders without a finished run: {', '.join(missing)}.")
        found = [open_run(folder) for folder in folders]
    if not any(run.metrics for run in found):
        raise ValueError(
            f"runs = {runs!r} contains no run of 03_classify; run that notebook first."
        )
    return found


def instruments_of_runs(runs: Sequence[FinishedRun]) -> InstrumentTable:
    """The instrument table that runs have in common.

    Raises:
        ValueError: if runs have different tables, with a run of each.
    """
    by_table = {run.instruments: run.folder.name for run in runs}
    if len(by_table) > 1:
        tables = "; ".join(f"{name}: {', '.join(table.names)}" for table, name in by_table.items())
        raise ValueError(f"The runs classify different instruments ({tables}); show them apart.")
    return next(iter(by_table))


def require_one_corpus(runs: Sequence[FinishedRun]) -> None:
    """Check that runs can be compared: that all were made from one corpus.

    Raises:
        ValueError: if the corpora differ; the message names them and a run of each.
    """
    of_corpus = {run.record["corpus"]["sha256"][:8]: run.folder.name for run in runs}
    if len(of_corpus) > 1:
        found = ", ".join(f"{checksum} (such as {name})" for checksum, name in of_corpus.items())
        raise ValueError(
            f"The runs were made from {len(of_corpus)} different corpora: {found}. Their scores "
            "are not comparable. Name the runs of one corpus in `runs`, or set mix_corpora to True."
        )


def provenance_note(runs: Sequence[FinishedRun]) -> str:
    """The line under a figure or table: source and checksum of each corpus, seeds and commits."""
    checksums: dict[str, list[str]] = {}
    for run in runs:
        of_source = checksums.setdefault(run.record["corpus"]["source"], [])
        if (checksum := run.record["corpus"]["sha256"][:8]) not in of_source:
            of_source.append(checksum)
    data = ", ".join(_data(source, found) for source, found in checksums.items())
    seeds = sorted({run.record["parameters"]["seed"] for run in runs})
    commits = sorted({run.record["commit"] for run in runs})
    return (
        f"{data}; split by song; seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}; commit {', '.join(commits)}"
    )


def _data(source: str, checksums: list[str]) -> str:
    name = "Demonstration corpus composed by CAMIL, not real music"
    return f"{name if source == 'demo' else f'Corpus: {source}'} ({', '.join(checksums)})"
