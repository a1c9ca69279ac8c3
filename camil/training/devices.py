"""Devices, mixed precision, and data-parallel training.

A single process needs only `choose_device`, `autocast` and `repeatable`. If `torchrun` has started
several processes, each runs the same program, and `choose_device` connects them through Lightning
Fabric. All processes then have the same batches and random choices. Each computes its share of a
batch with `spread` and receives the embeddings of all others, so a loss over the whole batch equals
the loss of a single process.
"""

import os
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_fabric = None  # the Lightning Fabric, after several processes have been connected


def choose_device(device: str) -> torch.device:
    """The device to train on; ``auto`` selects CUDA, Apple's MPS or the CPU, in this order.

    Raises:
        ValueError: if the device is not available.
    """
    if device == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        chosen = found or torch.device("cpu")
    else:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"device = {device!r} is not available ({reason}); use auto."
            ) from None
        chosen = torch.device(device)
    if processes() > 1:
        return _join(chosen.type)
    return chosen


def processes() -> int:
    """Number of processes started by ``torchrun``; otherwise 1."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_first() -> bool:
    """Whether this is the process that writes files and messages, or the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def _join(kind: str) -> torch.device:
    global _fabric
    if _fabric is None:
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.strategies import DDPStrategy
        except ModuleNotFoundError:  # the package lightning is installed instead
            from lightning.fabric import Fabric
            from lightning.fabric.strategies import DDPStrategy

        class Started(DDPStrategy):
            # Fabric raises if it launches processes from a notebook; torchrun has started them.
            launcher = None

        local = int(os.environ.get("LOCAL_WORLD_SIZE", processes()))
        nodes = processes() // local
        _fabric = Fabric(accelerator=kind, strategy=Started(), devices=local, num_nodes=nodes)
        _fabric.launch()
    return _fabric.device


def share(length: int) -> slice:
    """The part of a batch of this length that this process computes."""
    each, rank = length // processes(), int(os.environ.get("RANK", 0))
    return slice(rank * each, (rank + 1) * each) if _fabric else slice(length)


def spread(network: nn.Module, draw: Callable[..., Tensor], *batch: Tensor) -> Tensor:
    """Outputs of a network for a batch, each process computing its share.

    Gradients flow back to the process that computed an output.

    Args:
        draw: makes the network's inputs, for example `Corpus.rolls` or `Corpus.mels`.
        batch: arguments of `draw`, each ``(rows,)``: rows, and seeds if it augments.

    Returns:
        ``(rows, outputs)``, all rows on every process.
    """
    if _fabric is None:
        return network(draw(*batch))
    part = share(len(batch[0]))
    own = network(draw(*(values[part] for values in batch)))
    return _fabric.all_gather(own.float(), sync_grads=True).flatten(0, 1)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Average the gradients over all processes, after ``backward``."""
    if _fabric is None:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    # In one tensor, because a hundred messages take longer than the sum.
    flat = _fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def from_first(value: Any) -> Any:
    """The value of the first process, on every process."""
    return value if _fabric is None else _fabric.broadcast(value)


def synchronize(model: nn.Module) -> None:
    """Compute batch normalization over the whole batch instead of a process's share.

    The network is changed in place.
    """
    if _fabric is None:
        return
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                convert = nn.SyncBatchNorm.convert_sync_batchnorm
                on_gpu = child.weight.is_cuda
                setattr(module, name, convert(child) if on_gpu else _WholeBatchNorm.of(child))


class _WholeBatchNorm(nn.BatchNorm2d):
    """Batch normalization over the shares of all processes; torch's own needs a GPU."""

    @classmethod
    def of(cls, other: nn.BatchNorm2d) -> "_WholeBatchNorm":
        made = cls(other.num_features, other.eps, other.momentum).to(other.weight.device)
        made.weight, made.bias = other.weight, other.bias
        made.load_state_dict(other.state_dict())
        return made

    def forward(self, images: Tensor) -> Tensor:  # (share, channels, height, width)
        if not self.training:
            return super().forward(images)
        x = images.float()
        mean = _mean_of_all(x.mean((0, 2, 3)))
        variance = _mean_of_all((x - mean[:, None, None]).square().mean((0, 2, 3)))
        with torch.no_grad():
            count = processes() * x.numel() / x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        x = (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        return x.to(images.dtype)


def _mean_of_all(value: Tensor) -> Tensor:
    return _fabric.all_gather(value, sync_grads=True).mean(0)


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision in bfloat16 on hardware with fast bfloat16 products, otherwise none."""
    fast = device.type == "cuda" or (
        device.type == "cpu"
        and getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


@contextmanager
def repeatable(device: torch.device):
    """Context of deterministic algorithms on the CPU: equal trainings give identical weights.

    On a GPU nothing is changed, because deterministic algorithms are slower.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    try:
        if device.type == "cpu":
            torch.use_deterministic_algorithms(True)
            torch.utils.deterministic.fill_uninitialized_memory = False
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled
