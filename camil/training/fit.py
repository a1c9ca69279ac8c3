"""The one training loop. Pre-training, classifying and fine-tuning are steps given to it."""

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


# The share of `learning_rate` at a share of the training, both from 0 to 1.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "warmup": lambda done: min(done / 0.05, (1 + math.cos(math.pi * (done - 0.05) / 0.95)) / 2),
    "constant": lambda done: 1.0,
}


LOOK_EVERY = 50  # steps


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
) -> list[dict[str, float]]:
    """Train with Adam and keep the weights of the epoch that does best on validation songs.

    What is random in an epoch comes from a generator seeded by `(seed, epoch)`; its state is kept
    in the checkpoint with everything else that changes, so a run that was killed at any step goes
    on from its last checkpoint as if nothing had happened: on the CPU with the same bits.
    `history.jsonl` gets a line an epoch.

    Args:
        model: all that is trained, also a loss with weights of its own and what else has a state;
            left with the best epoch's weights, in eval mode.
        step: the loss of a batch, given its rows (on the CPU) and a generator for its random
            choices. With several processes each calls it with the whole batch; `spread` shares
            the work.
        rows: `(rows,)`, what there is to train on.
        evaluate: scores on the validation songs.
        best: the score that decides; an F1 is to be high, a loss low.
        folder: the run's folder.
        settings: what makes this run this run; a checkpoint of other settings is left aside.
        schedule: of the learning rate: `cosine` falls to 0, `warmup` rises over the first
            twentieth and then does the same, `constant` stays.
        patience: stop after so many epochs without a better score; 0 never does.
        weights: `(rows,)`, how often each row is drawn relative to the others; without, each once
            an epoch.
        prefetch: told the rows of the coming batch, to begin reading them.
        checkpoint_seconds: between two checkpoints; each epoch ends with one as well.
        tensorboard: write loss and scores for TensorBoard, into the run's folder.

    Returns:
        The history: one dict an epoch.

    Raises:
        FloatingPointError: if the loss is not finite, naming epoch, step and rows, which
            `diverged.json` lists.
        ValueError: if there is a checkpoint that is damaged or not of CAMIL.
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
    progress = Progress(epochs * per_epoch, done, size, state.history, log)
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
    """The steps of an epoch, or of what is left of it."""

    step: Step
    state: State
    checkpoint: Checkpoint
    progress: Progress
    rate: Callable[[int, int], float]
    prefetch: Callable[[Tensor], None] | None
    checkpoint_seconds: float

    def run(self, plan: Sequence[Tensor]) -> float:
        """Train on the batches of an epoch that are not done yet; returns the epoch's mean loss."""
        losses, looked = self.state.losses, len(self.state.losses)
        saved = time.monotonic()
        for number in range(len(losses), len(plan)):
            if self.prefetch and number + 1 < len(plan):
                coming = plan[number + 1]
                self.prefetch(coming[share(len(coming))])
            losses.append(self.advance(plan[number]))
            last = number + 1 == len(plan)
            due = time.monotonic() - saved >= self.checkpoint_seconds and not last
            # Looking at a loss makes a GPU wait, so there it is done now and then.
            if due or last or not losses[-1].is_cuda or number % LOOK_EVERY == 0:
                self.look(plan, looked)
                looked = len(losses)
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

    def look(self, plan: Sequence[Tensor], first: int) -> None:
        """See that no loss from the step `first` on is NaN or infinite."""
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
            f"rows {str(where['rows'][:8])[1:-1]}, ... of segments.parquet (all of them are in "
            f"{self.checkpoint.path.with_name('diverged.json')}); try a smaller learning_rate."
        )


def best_epoch(history: list[dict[str, float]], best: str) -> int:
    """The first epoch that reaches the best score, an F1 being high and a loss low; 0 of none."""
    sign = 1 if best.endswith("f1") else -1
    scores = [sign * line[best] for line in history]
    scores = [-math.inf if math.isnan(score) else score for score in scores]
    return scores.index(max(scores)) + 1 if scores else 0


def _batch_size(rows: int, wanted: int) -> int:
    """As many as asked for, or all there are; a multiple of the processes that share them."""
    size = min(wanted, rows) // processes() * processes()
    if size == 0 or (wanted <= rows and size != wanted):
        raise ValueError(
            f"A batch of {wanted} cannot be shared by {processes()} processes; "
            "take a multiple of that for batch_size."
        )
    return size


def _plan(
    rows: Tensor, size: int, weights: Tensor | None, seed: int, state: State
) -> Sequence[Tensor]:
    """The batches of the state's epoch, shuffled, on the CPU; the few rows left over are left out.

    Leaves the generator where the epoch's next step finds it.
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
