"""A run: the folder of one trained thing, with what it was made from."""

import hashlib
import json
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("camil", "torch", "torchvision", "numpy", "librosa", "pretty_midi", "scikit-learn")


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path | str, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: if the file is not JSON, naming it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}); make it anew.") from None


def commit() -> str:
    """The git commit of the code, `-dirty` behind it if it has changed since; or `unknown`."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        # What a run leaves, figures among it, does not change what the next one computes, and what
        # a profile says is among the run's parameters.
        changed = _git("status", "--porcelain", "--", "camil", "notebooks", "Snakefile")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


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
        from camil.checkpoints import CHECKPOINT, seconds_before  # torch is here already

        seconds = time.perf_counter() - self._started + seconds_before(self.folder)
        self.record |= {"device": str(device), "seconds": round(seconds, 1), **more}
        self.record["versions"] = versions()
        write_json(self.folder / "run.json", self.record)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return self.record


def weights_of(folder: Path | str) -> str:
    """A checksum of the networks that a run has left."""
    files = sorted(Path(folder).glob("*.safetensors"))
    kept = [file for file in files if file.name != "checkpoint.safetensors"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in kept)).hexdigest()
