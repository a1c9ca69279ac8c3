"""All that a training needs to go on as if nothing had happened, in one file."""

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camil.encoders.hub import is_finite, read_tensors, under, write_tensors
from camil.training.devices import from_first, is_first
from camil.workbook.files import write_text
from camil.workbook.runs import CHECKPOINT


@dataclass
class State:
    """Where a training stands.

    Attributes:
        epoch: whole epochs done.
        losses: of the steps done in the epoch under way.
        history: one dict a whole epoch.
        best: the model's weights after its best epoch.
        seconds: that earlier parts of the training took, each up to its last checkpoint.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    epoch: int = 0
    losses: list[Tensor] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def finish_epoch(self, line: dict[str, float], is_best: bool) -> None:
        """Add an epoch's line to the history; remember the weights if they are the best so far."""
        self.epoch += 1
        self.history.append(line)
        # Emptied, not replaced: the loop that appends to it holds the same list.
        self.losses.clear()
        if is_best:
            weights = self.model.state_dict()
            self.best = {name: value.cpu().clone() for name, value in weights.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the numbers that `history.jsonl` shows as well."""
        state = self.optimizer.state_dict()["state"]
        found = {
            f"optimizer.{index}.{name}": value
            for index, fields in state.items()
            for name, value in fields.items()
        }
        found |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        found |= {f"best.{name}": value for name, value in self.best.items()}
        found |= {"random.step": self.generator.get_state(), "random.cpu": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            found["random.cuda"] = torch.cuda.get_rng_state()
        if self.losses:
            found["losses"] = torch.stack(self.losses)
        return found

    def take_up(self, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
        """Go back to where `tensors` and `description` were taken."""
        self.epoch, self.history = description["epoch"], description["history"]
        self.seconds = description["seconds"]["altogether"]
        self.model.load_state_dict(under("model.", tensors))
        self.best = under("best.", tensors)
        # One by one, or they would be views that never let the whole go.
        self.losses = [loss.clone() for loss in tensors.get("losses", [])]
        self.generator.set_state(tensors["random.step"])
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self._give_optimizer(under("optimizer.", tensors))

    def _give_optimizer(self, tensors: dict[str, Tensor]) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, kind = name.split(".")
            like = parameters[int(index)]
            # In the memory order of its weight: fused optimizers walk both side by side.
            same = value.shape == like.shape and value.ndim == 4
            value = torch.empty_like(like).copy_(value) if same else value
            state.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


class Checkpoint:
    """The file that a training leaves now and then and begins from after it was killed.

    Args:
        folder: the run's folder; `history.jsonl` is kept there as well.
        state: what is kept.
        settings: what makes this training this training.
    """

    def __init__(self, folder: Path, state: State, settings: dict[str, Any]):
        self.path = folder / CHECKPOINT
        self.history_path = folder / "history.jsonl"
        self.state = state
        self.settings = json.loads(json.dumps(settings | {"source": _source_checksum()}))
        self._began = time.monotonic()
        if is_first():
            folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Take up what an equal training has left, if there is any.

        Raises:
            ValueError: if the checkpoint is damaged, or not one of CAMIL.
        """
        found = from_first(self._read() if is_first() else None)
        if found:
            self.state.take_up(*found)
            steps = len(self.state.losses)
            print(f"Going on after epoch {self.state.epoch} and {steps} steps of the next.")
            self.save()  # says now what the parts before took
        self._write_history()

    def _read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        if not self.path.is_file():
            return None
        try:
            tensors, description = read_tensors(self.path, "checkpoint")
        except ValueError as error:
            raise ValueError(f"{error}. Delete {self.path} to begin anew.") from error
        theirs = description["settings"]
        names = sorted(theirs.keys() | self.settings.keys())
        other = [name for name in names if theirs.get(name) != self.settings.get(name)]
        if other:
            print(f"Beginning anew: the checkpoint here differs in {', '.join(other)}.")
            return None
        return tensors, description

    def save(self) -> None:
        """Write the state, then the history that belongs to it.

        Raises:
            FloatingPointError: if a weight is not finite; the last checkpoint stays.
        """
        if not is_first():
            return
        state = self.state
        if not is_finite(state.model.state_dict()):
            raise FloatingPointError(
                f"A weight is not finite in epoch {state.epoch + 1} after step "
                f"{len(state.losses)}; try a smaller learning_rate."
            )
        description = {
            "settings": self.settings,
            "epoch": state.epoch,
            "history": state.history,
            "seconds": {
                "before": state.seconds,
                "altogether": state.seconds + time.monotonic() - self._began,
            },
        }
        write_tensors(self.path, state.tensors(), "checkpoint", description)
        self._write_history()

    def _write_history(self) -> None:
        lines = "".join(json.dumps(line) + "\n" for line in self.state.history)
        if is_first():
            write_text(self.history_path, lines)


def _source_checksum() -> str:
    """Changed code makes another run: a checkpoint of the old code must not go on with the new."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
