"""A run: the folder of one trained thing, with what it was made from."""

import hashlib
import time
from pathlib import Path
from typing import Any

from camil.encoders.hub import read_tensors
from camil.workbook.files import write_json
from camil.workbook.provenance import commit, versions

CHECKPOINT = "checkpoint.safetensors"


class Run:
    """Where one training leaves its files, and the record of how it was made.

    `run.json` is written last, by `finish`: a folder without it holds an unfinished run.

    Args:
        folder: made if it is not there.
        parameters: the notebook's parameters.
        corpus: `Corpus.identity` of the data.

    Attributes:
        settings: what makes a training this training and no other, for `fit`: parameters, data and
            the weights of the runs it builds on.
    """

    def __init__(self, folder: Path | str, parameters: dict[str, Any], corpus: dict[str, str]):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # What an earlier run has left here must not be taken for this one's.
        for name in ("run.json", "metrics.json", "predictions.parquet", "history.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
        self.record = {"parameters": parameters, "corpus": corpus, "commit": commit()}
        below = {name: parameters.get(name) for name in ("pretrained", "pretrained_audio")}
        weights = {f"weights of {name}": weights_of(run) for name, run in below.items() if run}
        self.settings = parameters | corpus | weights
        self._started = time.perf_counter()

    def finish(self, device: Any, **more: Any) -> dict[str, Any]:
        """Write `run.json`; `more` is added to the record, which is returned.

        `seconds` is the time of all parts of a training that was killed and gone on with; only
        what was done after a part's last checkpoint, and so done again, counts once. The
        checkpoint has served then and is deleted.
        """
        seconds = time.perf_counter() - self._started + seconds_before(self.folder)
        self.record |= {"device": str(device), "seconds": round(seconds, 1), **more}
        self.record["versions"] = versions()
        write_json(self.folder / "run.json", self.record)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return self.record


def weights_of(folder: Path | str) -> str:
    """A checksum of the networks that a run has left."""
    files = sorted(Path(folder).glob("*.safetensors"))
    kept = [file for file in files if file.name != CHECKPOINT]
    return hashlib.sha256(b"".join(file.read_bytes() for file in kept)).hexdigest()


def seconds_before(folder: Path) -> float:
    """What the earlier parts took of the training whose checkpoint is in a folder; else 0."""
    try:
        description = read_tensors(folder / CHECKPOINT, "checkpoint")[1]
    except (FileNotFoundError, ValueError):  # none, or none that a training has gone on with
        return 0.0
    return description.get("seconds", {}).get("before", 0.0)
