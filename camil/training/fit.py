"""Training loop of pre-training, classification and fine-tuning."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camil.training.checkpoints import Checkpoint, State
from camil.training.devices import (
    autocast,
    average_gradients,
    processes,
    repeatable,
    share,
    synchronize,
)
from camil.training.progress import Progress
from camil.workbook.files import write_json

Step = Callable[[Tensor, torch.Generator], Tensor]


# Factor of the learning rate as a function of the finished share of the training, from 0 to 1.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "warmup": lambda done: min(done / 0.05, (1 + math.cos(math.pi * (done - 0.05) / 0.95)) / 2),
    "constant": lambda done: 1.0,
}


CHECK_EVERY = 50  # steps between two checks of the loss on a GPU


def fit(
    model: nn.Module,
    step: Step,
    rows: Tensor,
    evaluate: Callable[[], dict[str, float]],
    best: str,
    *,
    folder: Path | str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    settings: dict[str, Any],
    schedule: str = "cosine",
    patience: int = 0,
    weights: Tensor | None = None,
    prefetch: Callable[[Tensor], None] | None = None,
    checkpoint_seconds: float = 60.0,
    tensorboard: bool = False,
    unit: str = "segments",
) -> list[dict[str, float]]:
    """Train with Adam and keep the weights of the epoch with the best validation score.

    All random choices of an epoch come from a generator seeded by ``(seed, epoch)``. The checkpoint
    contains its state and everything else that changes, so a run that is killed at any step resumes
    from its last checkpoint and ends with the same weights, on the CPU bit for bit.
    ``history.jsonl`` gets one line per epoch.

    Args:
        model: everything that is trained or has a state, including losses with parameters. It is
            left in evaluation mode with the weights of the best epoch.
        step: loss of a batch, given its rows (on the CPU) and a generator for random choices. With
            several processes, each calls it with the whole batch; `spread` divides the work.
        rows: ``(rows,)`` int64, the training rows.
        evaluate: scores on the validation songs.
        best: name of the score that selects the epoch: an F1 is maximized, a loss minimized.
        folder: folder of the run.
        epochs: number of epochs.
        batch_size: rows per step.
        learning_rate: highest learning rate of the schedule.
        seed: random seed of batches and random choices.
        settings: the parameters that identify the run; a checkpoint with other settings is not
            used.
        schedule: learning-rate schedule: ``cosine`` falls to 0, ``warmup`` rises over the first
            twentieth of the training and then falls like ``cosine``, ``constant`` does not change.
        patience: number of epochs without a better score after which training stops; 0 never stops.
        weights: ``(rows,)``, relative frequency at which each row is drawn; None draws each row
            once per epoch.
        prefetch: called with the rows of the next batch, to start reading them.
        checkpoint_seconds: time between two checkpoints; there is also one after each epoch.
        tensorboard: write loss and scores for TensorBoard into the folder of the run.
        unit: name of the rows in progress messages.

    Returns:
        The history: one dict per epoch.

    Raises:
        FloatingPointError: if the loss is not finite, with epoch, step and rows; ``diverged.json``
            lists all rows.
        ValueError: if the checkpoint is damaged or of another program, or the batch size is not a
            multiple of the number of processes.
    """
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)
    synchronize(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, learning_rate, fused=device.type in ("cpu", "cuda"))
    state = State(model, optimizer, torch.Generator())
    settings = settings | {"epochs": epochs, "seed": seed, "schedule": schedule}
    checkpoint = Checkpoint(Path(folder), state, settings)
    checkpoint.resume()
    size = _batch_size(len(rows), batch_size)
    per_epoch = len(rows) // size
    done = state.epoch * per_epoch + len(state.losses)
    log = Path(folder) / "tensorboard" if tensorboard else None
    progress = Progress(epochs * per_epoch, done, size, state.history, unit, log)
    rate = partial(_rate, SCHEDULES[schedule], learning_rate, epochs, per_epoch)
    epoch = _Epoch(step, state, checkpoint, progress, rate, prefetch, checkpoint_seconds)
    with repeatable(device):
        while state.epoch < epochs and not _out_of_patience(state.history, best, patience):
            model.train()
            train_loss = epoch.run(_plan(rows, size, weights, seed, state))
            model.eval()
            line = {"epoch": state.epoch + 1, "train_loss": train_loss} | evaluate()
            state.finish_epoch(
                line, is_best=best_epoch([*state.history, line], best) == line["epoch"]
            )
            checkpoint.save()
            progress.epoch(line)
    progress.close()
    model.load_state_dict(state.best)
    model.eval()
    return state.history


@dataclass
class _Epoch:
    """The steps of an epoch that are not finished."""

    step: Step
    state: State
    checkpoint: Checkpoint
    progress: Progress
    rate: Callable[[int, int], float]
    prefetch: Callable[[Tensor], None] | None
    checkpoint_seconds: float

    def run(self, plan: Sequence[Tensor]) -> float:
        """Train on the remaining batches of an epoch; returns the mean loss of the whole epoch."""
        losses, checked = self.state.losses, len(self.state.losses)
        saved = time.monotonic()
        for number in range(len(losses), len(plan)):
            if self.prefetch and number + 1 < len(plan):
                coming = plan[number + 1]
                self.prefetch(coming[share(len(coming))])
            losses.append(self.advance(plan[number]))
            last = number + 1 == len(plan)
            due = time.monotonic() - saved >= self.checkpoint_seconds and not last
            # Reading a loss waits for the GPU, so there it is checked only every few steps.
            if due or last or not losses[-1].is_cuda or number % CHECK_EVERY == 0:
                self.require_finite(plan, checked)
                checked = len(losses)
            self.progress.step(self.state.epoch + 1, losses[-1])
            if due:
                self.checkpoint.save()
                saved = time.monotonic()
        return torch.stack(losses).float().mean().item()

    def advance(self, batch: Tensor) -> Tensor:
        """One step of the optimizer; returns the batch's loss."""
        optimizer = self.state.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self.rate(self.state.epoch, len(self.state.losses))
        with autocast(optimizer.param_groups[0]["params"][0].device):
            loss = self.step(batch, self.state.generator)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(optimizer.param_groups[0]["params"])
        optimizer.step()
        return loss.detach()

    def require_finite(self, plan: Sequence[Tensor], first: int) -> None:
        """Raise FloatingPointError if a loss from step `first` on is NaN or infinite."""
        values = torch.stack(self.state.losses[first:]).float()
        bad = (~values.isfinite()).nonzero().flatten().tolist()
        if not bad:
            return
        number = first + bad[0]
        where = {
            "epoch": self.state.epoch + 1,
            "step": number + 1,
            "loss": str(values[bad[0]].item()),
            "rows": plan[number].tolist(),
        }
        write_json(self.checkpoint.path.with_name("diverged.json"), where)
        raise FloatingPointError(
            f"The loss is {where['loss']} at step {where['step']} of epoch {where['epoch']}, on "
            f"rows {str(where['rows'][:8])[1:-1]}, ... of segments.parquet (the complete list is "
            f"in {self.checkpoint.path.with_name('diverged.json')}); use a smaller learning_rate."
        )


def best_epoch(history: list[dict[str, float]], best: str) -> int:
    """The first epoch, counted from 1, with the highest F1 or lowest loss; 0 without epochs."""
    sign = 1 if best.endswith("f1") else -1
    scores = [sign * line[best] for line in history]
    scores = [-math.inf if math.isnan(score) else score for score in scores]
    return scores.index(max(scores)) + 1 if scores else 0


def _batch_size(rows: int, wanted: int) -> int:
    """The batch size, at most all rows, and a multiple of the number of processes."""
    size = min(wanted, rows) // processes() * processes()
    if size == 0 or (wanted <= rows and size != wanted):
        raise ValueError(
            f"batch_size = {wanted} is not a multiple of the {processes()} processes that share "
            "a batch; use a multiple."
        )
    return size


def _plan(
    rows: Tensor, size: int, weights: Tensor | None, seed: int, state: State
) -> Sequence[Tensor]:
    """Shuffled batches of the current epoch, on the CPU; the incomplete last batch is dropped.

    The generator is left in the state in which the next step of the epoch needs it.
    """
    later = state.generator.get_state()
    state.generator.manual_seed(seed * 1_000_003 + state.epoch)
    if weights is None:
        order = torch.randperm(len(rows), generator=state.generator)
    else:
        order = torch.multinomial(weights.cpu(), len(rows), True, generator=state.generator)
    if state.losses:
        state.generator.set_state(later)
    return rows.cpu()[order[: len(rows) // size * size]].split(size)


def _rate(schedule, highest: float, epochs: int, per_epoch: int, epoch: int, number: int) -> float:
    return highest * schedule((epoch + number / per_epoch) / epochs)


def _out_of_patience(history: list[dict[str, float]], best: str, patience: int) -> bool:
    return bool(patience) and len(history) - best_epoch(history, best) >= patience
