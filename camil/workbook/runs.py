"""Run folders: the files of one training or evaluation, with the record of how they were made."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from camil.encoders.hub import read_tensors
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.workbook.checksums import changed_files, checksums
from camil.workbook.files import read_json, write_json
from camil.workbook.provenance import code_checksum, commit, versions
from camil.workbook.rooms import RUN

CHECKPOINT = "checkpoint.safetensors"
# Parameters that change the computation or display of a run, but not its results.
NOT_OF_THE_RUN = ("device", "tensorboard")


class Run:
    """The folder of one training or evaluation.

    `finish` writes ``run.json`` last: a folder without it holds an unfinished run. A folder with a
    finished run of the same parameters, corpus, instruments, weights and code is left as it is,
    and `finished` is True; otherwise, also if its files were changed since, the results of an
    earlier run are deleted.

    Args:
        folder: created if missing.
        parameters: all parameters of the notebook.
        corpus: `Corpus.identity` of the data.
        instruments: the classes, `Corpus.instruments`.

    Attributes:
        finished: whether the folder already contains this run, so that the notebook shows it
            instead of computing it again. False if several processes train together.
        record: content of ``run.json``.
        settings: identifies a training for `fit`: its parameters, data and the weights of the runs
            that it starts from.
    """

    def __init__(
        self,
        folder: Path | str,
        parameters: dict[str, Any],
        corpus: dict[str, str],
        instruments: InstrumentTable = FAMILIES,
    ):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        below = {name: parameters.get(name) for name in ("pretrained", "pretrained_audio")}
        weights = {f"weights of {name}": weights_of(run) for name, run in below.items() if run}
        self.settings = parameters | corpus | weights
        self.record = {
            "parameters": parameters,
            "corpus": corpus,
            "instruments": instruments.to_json(),
            "weights": weights,
            "code": code_checksum(RUN),
            "commit": commit(),
        }
        self.finished = self._is_there()
        if self.finished:
            print(
                f"{folder} already contains this run, made with the same parameters, corpus and "
                "code; it is shown. To compute it again, delete the folder."
            )
            self.record = read_json(self.folder / "run.json")
        else:
            for name in ("run.json", "metrics.json", "predictions.parquet", "history.jsonl"):
                (self.folder / name).unlink(missing_ok=True)
        self._started = time.perf_counter()

    def finish(self, device: Any, **more: Any) -> dict[str, Any]:
        """Write ``run.json`` and delete the checkpoint; does nothing if the run was `finished`.

        ``seconds`` is the time of all parts of an interrupted training. Steps after a part's last
        checkpoint, which were repeated, count once.

        Args:
            device: device of the computations.
            more: further entries of the record.

        Returns:
            The record.
        """
        if self.finished:
            return self.record
        seconds = time.perf_counter() - self._started + seconds_before(self.folder)
        self.record |= {"device": str(device), "seconds": round(seconds, 1), **more}
        self.record["versions"] = versions()
        self.record["files"] = checksums(self.folder, leave_out=(CHECKPOINT, "run.json"))
        write_json(self.folder / "run.json", self.record)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return self.record

    def history(self) -> list[dict[str, float]]:
        """The entries of ``history.jsonl``, one per epoch."""
        lines = (self.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _is_there(self) -> bool:
        path = self.folder / "run.json"
        if int(os.environ.get("WORLD_SIZE", 1)) > 1 or not path.is_file():
            return False
        try:
            record = read_json(path)
        except ValueError:  # damaged, like a run whose files were changed
            return False
        files = record.get("files")
        if not isinstance(files, dict) or changed_files(self.folder, files):
            return False
        return _identity(record) == _identity(json.loads(json.dumps(self.record)))


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    """The entries of a record that decide the results of a run."""
    parameters = record["parameters"]
    kept = {name: value for name, value in parameters.items() if name not in NOT_OF_THE_RUN}
    corpus = {name: value for name, value in record["corpus"].items() if name != "folder"}
    rest = {name: record.get(name) for name in ("instruments", "weights", "code")}
    return {"parameters": kept, "corpus": corpus} | rest


def recorded_instruments(record: dict[str, Any]) -> InstrumentTable:
    """The instrument table of a run's record; `FAMILIES` if the record has none."""
    content = record.get("instruments")
    return InstrumentTable.from_json(content) if content else FAMILIES


def weights_of(folder: Path | str) -> str:
    """SHA-256 of the networks in a run's folder."""
    files = sorted(Path(folder).glob("*.safetensors"))
    kept = [file for file in files if file.name != CHECKPOINT]
    return hashlib.sha256(b"".join(file.read_bytes() for file in kept)).hexdigest()


def seconds_before(folder: Path) -> float:
    """Seconds of the earlier parts of the training whose checkpoint is in a folder; else 0."""
    try:
        description = read_tensors(folder / CHECKPOINT, "checkpoint")[1]
    except (FileNotFoundError, ValueError):  # no checkpoint, or not a readable one
        return 0.0
    return description.get("seconds", {}).get("before", 0.0)
