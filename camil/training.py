"""The one training loop. Pre-training, classifying and fine-tuning are steps given to it."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from camil.runs import write_text

Step = Callable[[Tensor, torch.Generator], Tensor]


def choose_device(device: str) -> torch.device:
    """The device to train on; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: if the device is not there.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device = {device!r} cannot be used here ({reason}); try auto.") from None
    return torch.device(device)


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
) -> list[dict[str, float]]:
    """Train with Adam and keep the weights of the epoch that does best on validation songs.

    The learning rate falls from `learning_rate` to 0 along a cosine. What is random in an epoch
    comes from a generator seeded by `(seed, epoch)`, so a run that was killed goes on from its
    last whole epoch as if nothing had happened. `history.jsonl` gets a line an epoch.

    Args:
        model: what is trained; left with the best epoch's weights, in eval mode.
        step: the loss of a batch, given its rows and a generator for its random choices.
        rows: `(rows,)`, what there is to train on.
        evaluate: scores on the validation songs.
        best: the score that decides; an F1 is to be high, a loss low.
        folder: the run's folder.
        settings: what makes this run this run; a checkpoint of other settings is left aside.

    Returns:
        The history: one dict an epoch.

    Raises:
        FloatingPointError: if the loss is not finite, naming epoch and step.
    """
    model.to(memory_format=torch.channels_last)  # convolutions on CPUs and tensor cores want it
    sign = 1 if best.endswith("f1") else -1
    checkpoint = Checkpoint(Path(folder), model, settings | {"epochs": epochs, "seed": seed})
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), learning_rate)
    history = checkpoint.resume(optimizer)
    per_epoch = max(len(rows) // batch_size, 1)
    progress = Progress(epochs * per_epoch, len(history) * per_epoch, min(batch_size, len(rows)))
    for epoch in range(len(history), epochs):
        model.train()
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        losses = []
        for number, batch in enumerate(batches(rows, batch_size, generator)):
            share = (epoch + number / per_epoch) / epochs
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * (1 + math.cos(math.pi * share)) / 2
            with autocast(rows.device):
                loss = step(batch, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            progress.step(epoch + 1, loss)
        train_loss = _finite_mean(losses, epoch)
        model.eval()
        history.append({"epoch": epoch + 1, "train_loss": train_loss} | evaluate())
        checkpoint.save(optimizer, history, is_best=_is_best(history, best, sign))
        progress.epoch(history[-1])
    checkpoint.restore_best()
    model.eval()
    return history


def batches(rows: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """All rows once, shuffled, in batches of equal size; the few left over wait for another epoch.

    Fewer rows than one batch are one batch.
    """
    size = min(batch_size, len(rows))
    order = torch.randperm(len(rows), generator=generator).to(rows.device)
    for start in range(0, len(rows) - size + 1, size):
        yield rows[order[start : start + size]]


@torch.no_grad()
def embed(encoder: nn.Module, draw: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """What a network makes of some rows, without gradients, in eval mode and full precision.

    Args:
        draw: `Corpus.rolls` or `Corpus.mels`.

    Returns:
        `(rows, outputs)` on the device of the rows.
    """
    was_training = encoder.training
    encoder.eval()
    outputs = [encoder(draw(part)) for part in rows.split(256)]
    encoder.train(was_training)
    return torch.cat(outputs)


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the processor multiplies it fast, else no change."""
    fast = device.type == "cuda" or (
        device.type == "cpu"
        and getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


class Progress:
    """A line every few seconds: epoch, step, loss, rate and time left, readable in a log file."""

    def __init__(self, steps: int, done: int, batch_size: int):
        self.steps, self.done, self.first, self.batch_size = steps, done, done, batch_size
        self.started = self.reported = time.monotonic()

    def step(self, epoch: int, loss: Tensor) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.reported >= 10:
            self.reported = now
            rate = (self.done - self.first) / (now - self.started)
            print(
                f"epoch {epoch}, step {self.done}/{self.steps}: loss {loss.item():.4f}, "
                f"{rate * self.batch_size:.0f} segments/s, "
                f"{(self.steps - self.done) / rate:.0f} s left",
                flush=True,
            )

    def epoch(self, scores: dict[str, float]) -> None:
        told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "epoch")
        print(f"epoch {scores['epoch']}: {told}", flush=True)


class Checkpoint:
    """The state of a training after each whole epoch: safetensors and a JSON header, atomically."""

    def __init__(self, folder: Path, model: nn.Module, settings: dict[str, Any]):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "checkpoint.safetensors"
        self.best_path = folder / "best.safetensors"
        self.history_path = folder / "history.jsonl"
        self.model = model
        self.key = json.dumps(settings | {"source": _source_checksum()}, sort_keys=True)

    def resume(self, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Take up what an equal run has left; returns its history, empty for a fresh start."""
        if not (self.path.is_file() and self.best_path.is_file()):
            return []
        try:
            with safe_open(self.path, "pt") as file:
                header = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except safetensors.SafetensorError as error:
            raise ValueError(
                f"{self.path} is damaged ({error}); delete it to begin anew."
            ) from None
        if header["key"] != self.key:
            return []
        history = json.loads(header["history"])
        self.model.load_state_dict(_under("model.", tensors))
        state = {}
        for name, value in _under("optimizer.", tensors).items():
            index, field = name.split(".")
            state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        print(f"Going on after epoch {len(history)}, which an earlier run has left.")
        return history

    def save(self, optimizer, history: list[dict[str, float]], is_best: bool) -> None:
        """Keep everything that the next epoch needs, and the weights if they are the best yet."""
        model = self.model.state_dict()
        if is_best:
            _save(model, self.best_path)
        tensors = {f"model.{name}": value for name, value in model.items()}
        for index, fields in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{field}": value for field, value in fields.items()}
        _save(tensors, self.path, {"key": self.key, "history": json.dumps(history)})
        write_text(self.history_path, "".join(json.dumps(line) + "\n" for line in history))

    def restore_best(self) -> None:
        """Give the model its best epoch's weights; the checkpoint has then served."""
        self.model.load_state_dict(safetensors.torch.load_file(self.best_path))
        self.path.unlink()
        self.best_path.unlink()


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    partial = path.with_name(path.name + ".partial")
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(tensors, partial, metadata)
    os.replace(partial, path)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }


def _source_checksum() -> str:
    """Changed code makes another run: a checkpoint of the old code must not go on with the new."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _finite_mean(losses: list[Tensor], epoch: int) -> float:
    values = torch.stack(losses).float()
    if not values.isfinite().all():
        number = int((~values.isfinite()).nonzero()[0])
        raise FloatingPointError(
            f"The loss is {values[number].item()} at step {number + 1} of epoch {epoch + 1}; "
            "try a smaller learning_rate."
        )
    return values.mean().item()


def _is_best(history: list[dict[str, float]], best: str, sign: int) -> bool:
    """Whether the last epoch is the first to reach the best score."""
    scores = [sign * line[best] for line in history]
    return scores[-1] == max(scores) and scores.index(scores[-1]) == len(scores) - 1
