"""The device to train on, and the processes that train along on theirs.

One process needs none of this. Where `torchrun` has started several, each runs the same program;
`choose_device` joins them through Lightning Fabric. Every process then sees the same batches and
the same random choices, computes its share of each batch with `spread`, and gets everybody's
embeddings, so that any loss over the whole batch is the loss of one process.
"""

import os
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_fabric = None  # of Lightning, once several processes have been joined


def choose_device(device: str) -> torch.device:
    """The device to train on; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: if the device is not there.
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
                f"device = {device!r} cannot be used here ({reason}); try auto."
            ) from None
        chosen = torch.device(device)
    if processes() > 1:
        return _join(chosen.type)
    return chosen


def processes() -> int:
    """How many processes train together, as `torchrun` tells it; usually one."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_first() -> bool:
    """Whether this is the process that writes files and talks; true where it is the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def _join(kind: str) -> torch.device:
    global _fabric
    if _fabric is None:
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.strategies import DDPStrategy
        except ModuleNotFoundError:  # the whole of Lightning is installed instead
            from lightning.fabric import Fabric
            from lightning.fabric.strategies import DDPStrategy

        class Started(DDPStrategy):
            # Where there is anything left to launch, Fabric refuses to work in a notebook.
            launcher = None

        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes()))
        nodes = processes() // here
        _fabric = Fabric(accelerator=kind, strategy=Started(), devices=here, num_nodes=nodes)
        _fabric.launch()
    return _fabric.device


def share(length: int) -> slice:
    """The part of a batch that this process computes."""
    each, rank = length // processes(), int(os.environ.get("RANK", 0))
    return slice(rank * each, (rank + 1) * each) if _fabric else slice(length)


def spread(network: nn.Module, draw: Callable[..., Tensor], *batch: Tensor) -> Tensor:
    """A network's outputs for a batch, each process computing its share.

    Gradients flow back to the process that computed an output.

    Args:
        draw: makes the network's inputs, `Corpus.rolls` or `Corpus.mels`.
        batch: what `draw` takes, one entry a segment: rows, and seeds where it augments.

    Returns:
        `(rows, outputs)`, all of them on every process.
    """
    if _fabric is None:
        return network(draw(*batch))
    part = share(len(batch[0]))
    own = network(draw(*(values[part] for values in batch)))
    return _fabric.all_gather(own.float(), sync_grads=True).flatten(0, 1)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """After `backward`: give every process the gradient of the loss over the whole batch."""
    if _fabric is None:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    # In one piece: a message for each of some hundred tensors would take longer than the sum.
    flat = _fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def from_first(value: Any) -> Any:
    """What the first process has, on every process."""
    return value if _fabric is None else _fabric.broadcast(value)


def synchronize(model: nn.Module) -> None:
    """Let batch normalisation see the whole batch, not a process's share of it; in place."""
    if _fabric is None:
        return
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                convert = nn.SyncBatchNorm.convert_sync_batchnorm
                on_gpu = child.weight.is_cuda
                setattr(module, name, convert(child) if on_gpu else _WholeBatchNorm.of(child))


class _WholeBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over all processes' shares; torch's own refuses the CPU."""

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
    """bfloat16 where the processor multiplies it fast, else no change."""
    fast = device.type == "cuda" or (
        device.type == "cpu"
        and getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


@contextmanager
def repeatable(device: torch.device):
    """On the CPU, sums in a fixed order: the same training gives the same bits.

    On a GPU, where it would cost speed, nothing is changed.
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
