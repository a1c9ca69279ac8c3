"""Progress of loops: a tqdm bar in an interactive notebook, otherwise a line every ten seconds."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm as auto_tqdm
from tqdm.std import tqdm

from camil.training.devices import is_first

SECONDS = 10  # between two lines


class _Measured:
    """A tqdm class with one more field for its format: ``measured``, evaluated when displayed."""

    measured: Callable[[Mapping[str, Any]], str] = staticmethod(lambda state: "")

    @property
    def format_dict(self) -> dict[str, Any]:
        state = super().format_dict
        return state | {"measured": self.measured(state)}


class ProgressBar(_Measured, auto_tqdm):
    """The bar of an interactive notebook. It wraps if the output is narrow."""

    def __init__(self, **options: Any):
        bar = (
            "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{measured}]"
        )
        options["bar_format"] = bar
        super().__init__(mininterval=1, dynamic_ncols=True, **options)


class ProgressLines(_Measured, tqdm):
    """A bar that prints a new line per refresh, for log files and unattended notebooks.

    A bar that overwrites itself fills a log with carriage returns, and Papermill records one output
    per refresh.
    """

    monitor_interval = 0  # no thread that refreshes slow bars

    def __init__(self, **options: Any):
        super().__init__(
            file=sys.stdout, mininterval=SECONDS, maxinterval=math.inf, miniters=1, smoothing=0,
            delay=1e-9,  # no line before the first step
            **options,
        )  # fmt: skip

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        self.fp.write(f"{msg or self}\n")
        self.fp.flush()

    def close(self) -> None:
        """Finish without a last line."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)


def each(items: Sequence, unit: str) -> Iterator:
    """Iterate over items and show the progress.

    Args:
        unit: name of an item.
    """
    yield from _bar(f"{unit} {{n_fmt}}/{{total_fmt}}", iterable=items, unit=unit)


class Progress:
    """Progress of a training: epoch, step, loss, speed, latest validation scores and time left.

    Args:
        steps: number of steps of the whole training.
        done: number of these that an earlier process has finished.
        batch_size: rows per step.
        history: entries of the finished epochs.
        unit: name of the rows, in the plural.
        tensorboard: folder for TensorBoard files; None writes none.
    """

    def __init__(
        self,
        steps: int,
        done: int,
        batch_size: int,
        history: list[dict[str, float]],
        unit: str = "segments",
        tensorboard: Path | None = None,
    ):
        self.batch_size, self.unit = batch_size, unit
        self.loss: Tensor | None = None
        self.scores = history[-1] if history else {}
        line = "{desc}step {n_fmt}/{total_fmt}{measured}"
        self.bar = _bar(line, total=steps, initial=done, unit="step")
        self.bar.measured = self._measured
        self.writer = _writer(tensorboard, done) if tensorboard and is_first() else None

    def step(self, epoch: int, loss: Tensor) -> None:
        """Count a step. The loss is read only when it is shown, because reading waits for a GPU."""
        self.loss = loss
        self.bar.set_description_str(f"epoch {epoch}, ", refresh=False)
        if self.bar.update() and self.writer:
            speed = self._speed(self.bar.format_dict)
            self.writer.add_scalar("loss", loss.item(), self.bar.n)
            self.writer.add_scalar(f"{self.unit}_per_second", speed, self.bar.n)

    def epoch(self, scores: dict[str, Any]) -> None:
        """Show an epoch's entry of the history."""
        self.scores = scores
        if self.writer:
            for name in scores.keys() - {"epoch"}:
                self.writer.add_scalar(name, scores[name], self.bar.n)
            self.writer.flush()
        if isinstance(self.bar, ProgressLines) and is_first():
            print(f"epoch {scores['epoch']}: {_text(scores)}", flush=True)

    def close(self) -> None:
        """Finish the bar and the TensorBoard files."""
        self.bar.close()
        if self.writer:
            self.writer.close()

    def _measured(self, state: Mapping[str, Any]) -> str:
        """Loss and speed; in a bar, which is not followed by lines, also the latest scores."""
        if self.loss is None:
            return ""
        found = f"loss {self.loss.item():.4f}, {self._speed(state):.0f} {self.unit}/s"
        if isinstance(self.bar, ProgressLines):
            return f": {found}"
        shown = {name: value for name, value in self.scores.items() if "validation" in name}
        return ", ".join(["", found, *([_text(shown)] if shown else [])])

    def _speed(self, state: Mapping[str, Any]) -> float:
        steps = state["n"] - state["initial"]
        return steps * self.batch_size / max(state["elapsed"], 1e-9)


def watched() -> bool:
    """Whether the code runs in an interactive notebook.

    JupyterLab and VS Code allow a cell to ask for input, Papermill and nbconvert do not.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    request = getattr(shell, "get_parent", dict)().get("content", {})
    return request.get("allow_stdin", False) and is_first()


def _bar(line: str, **options: Any) -> tqdm:
    """A bar, or lines with this format followed by the time left; silent in other processes."""
    if watched():
        return ProgressBar(**options)
    line += ", {remaining_s:.0f} s left"
    return ProgressLines(bar_format=line, disable=not is_first(), **options)


def _text(scores: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "epoch")


def _writer(folder: Path, done: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            "tensorboard = true needs the package tensorboard; install it or set tensorboard = "
            "false."
        ) from None
    return SummaryWriter(str(folder), purge_step=done + 1)
