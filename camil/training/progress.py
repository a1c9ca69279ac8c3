"""How a training is going: a bar in JupyterLab, a line now and then in a log file."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from camil.training.devices import is_first

SECONDS = 10  # between two lines


def each(items: Sequence, unit: str) -> Iterator:
    """Go through some items, telling how far one is.

    Args:
        unit: what an item is called.
    """
    if watched():
        yield from tqdm(items, unit=unit)
        return
    started = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - reported >= SECONDS and is_first():
            reported = now
            left = (now - started) / done * (len(items) - done)
            print(f"{unit} {done}/{len(items)}, {left:.0f} s left", flush=True)


class Progress:
    """Tell epoch, step, loss, rate, the latest validation scores and the time left.

    Args:
        steps: in the whole training.
        done: of these, by an earlier run.
        batch_size: segments a step.
        history: of the epochs done.
        tensorboard: a folder for TensorBoard's files, if it is to be used.
    """

    def __init__(
        self,
        steps: int,
        done: int,
        batch_size: int,
        history: list[dict[str, float]],
        tensorboard: Path | None = None,
    ):
        self.steps, self.done, self.first, self.batch_size = steps, done, done, batch_size
        self.started = self.reported = time.monotonic()
        self.scores = _told(history[-1]) if history else ""
        self.bar = tqdm(total=steps, initial=done, unit="step") if watched() else None
        self.writer = _writer(tensorboard, done) if tensorboard and is_first() else None

    def step(self, epoch: int, loss: Tensor) -> None:
        """After each step; the loss is only looked at when it is told."""
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        now = time.monotonic()
        if now - self.reported < (1 if self.bar is not None else SECONDS):
            return
        self.reported = now
        rate = (self.done - self.first) / (now - self.started)
        told = f"loss {loss.item():.4f}, {rate * self.batch_size:.0f} segments/s"
        if self.writer:
            self.writer.add_scalar("loss", loss.item(), self.done)
            self.writer.add_scalar("segments_per_second", rate * self.batch_size, self.done)
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}")
            self.bar.set_postfix_str(", ".join(filter(None, [told, self.scores])))
        elif is_first():
            left = (self.steps - self.done) / rate
            step = f"epoch {epoch}, step {self.done}/{self.steps}"
            print(f"{step}: {told}, {left:.0f} s left", flush=True)

    def epoch(self, scores: dict[str, Any]) -> None:
        """After each epoch, with its line of the history."""
        self.scores = _told(scores)
        if self.writer:
            for name in scores.keys() - {"epoch"}:
                self.writer.add_scalar(name, scores[name], self.done)
            self.writer.flush()
        if self.bar is None and is_first():
            print(f"epoch {scores['epoch']}: {self.scores}", flush=True)

    def close(self) -> None:
        """The training is over."""
        if self.bar is not None:
            self.bar.close()
        if self.writer:
            self.writer.close()


def _told(scores: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "epoch")


def watched() -> bool:
    """Whether somebody looks on: JupyterLab and VS Code let a cell ask back, Papermill does not."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    asked = getattr(shell, "get_parent", dict)().get("content", {})
    return asked.get("allow_stdin", False) and is_first()


def _writer(folder: Path, done: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            "tensorboard = true needs the package tensorboard; install it or leave it out."
        ) from None
    return SummaryWriter(str(folder), purge_step=done + 1)
