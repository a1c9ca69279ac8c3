"""Checkpoints: the complete state of a training in one file."""

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
from camil.workbook.provenance import code_checksum
from camil.workbook.runs import CHECKPOINT


@dataclass
class State:
    """State of a training.

    Attributes:
        epoch: number of finished epochs.
        losses: loss of each finished step of the current epoch.
        history: one dict per finished epoch.
        best: weights of the model after its best epoch.
        seconds: duration of earlier processes, each up to its last checkpoint.
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
        """Add an epoch's entry to the history, and keep the weights if they are the best so far."""
        self.epoch += 1
        self.history.append(line)
        # Emptied, not replaced: the training loop appends to the same list.
        self.losses.clear()
        if is_best:
            weights = self.model.state_dict()
            self.best = {name: value.cpu().clone() for name, value in weights.items()}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state."""
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

    def restore(self, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.epoch, self.history = description["epoch"], description["history"]
        self.seconds = description["seconds"]["altogether"]
        self.model.load_state_dict(under("model.", tensors))
        self.best = under("best.", tensors)
        # Cloned one by one, because views would keep the whole tensor in memory.
        self.losses = [loss.clone() for loss in tensors.get("losses", [])]
        self.generator.set_state(tensors["random.step"])
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self._restore_optimizer(under("optimizer.", tensors))

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, kind = name.split(".")
            like = parameters[int(index)]
            # In the memory format of its weight, which fused optimizers require.
            same = value.shape == like.shape and value.ndim == 4
            value = torch.empty_like(like).copy_(value) if same else value
            state.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


class Checkpoint:
    """The file from which a killed training resumes.

    Args:
        folder: folder of the run, which also contains ``history.jsonl``.
        state: the state to save and to restore.
        settings: the parameters that identify the training.
    """

    def __init__(self, folder: Path, state: State, settings: dict[str, Any]):
        self.path = folder / CHECKPOINT
        self.history_path = folder / "history.jsonl"
        self.state = state
        code = code_checksum(["."])  # a checkpoint is not resumed with changed code
        self.settings = json.loads(json.dumps(settings | {"source": code}))
        self._began = time.monotonic()
        if is_first():
            folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Restore the checkpoint of a training with the same settings and code, if there is one.

        Raises:
            ValueError: if the checkpoint is damaged or of another program.
        """
        found = from_first(self._read() if is_first() else None)
        if found:
            self.state.restore(*found)
            steps = len(self.state.losses)
            print(f"Resuming after epoch {self.state.epoch} and {steps} steps of the next.")
            self.save()  # writes the duration of the earlier processes
        self._write_history()

    def _read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        if not self.path.is_file():
            return None
        try:
            tensors, description = read_tensors(self.path, "checkpoint")
        except ValueError as error:
            raise ValueError(f"{error}. Delete {self.path} to start from scratch.") from error
        saved = description["settings"]
        names = sorted(saved.keys() | self.settings.keys())
        changed = [name for name in names if saved.get(name) != self.settings.get(name)]
        if changed:
            print(f"Starting from scratch: the checkpoint differs in {', '.join(changed)}.")
            return None
        return tensors, description

    def save(self) -> None:
        """Write the state, then its history.

        Raises:
            FloatingPointError: if a weight is not finite; the previous checkpoint is kept.
        """
        if not is_first():
            return
        state = self.state
        if not is_finite(state.model.state_dict()):
            raise FloatingPointError(
                f"A weight is not finite in epoch {state.epoch + 1} after step "
                f"{len(state.losses)}; use a smaller learning_rate."
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
