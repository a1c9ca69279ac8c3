"""Apply a network to rows of a corpus."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from camil.encoders.precision import single_precision

# Segments per batch. On a CPU, larger batches need more memory and are not faster.
BATCH_SIZE = {"cpu": 64}


@torch.no_grad()
def embed(encoder: nn.Module, draw: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Outputs of a network, without gradients, in evaluation mode and full precision.

    Args:
        encoder: the network; its mode is restored.
        draw: makes the network's inputs from rows, for example `Corpus.rolls` or `Corpus.mels`.
        rows: ``(rows,)`` int64.

    Returns:
        ``(rows, outputs)`` on the device of the network.
    """
    was_training = encoder.training
    encoder.eval().to(memory_format=torch.channels_last)
    device = next(encoder.parameters()).device
    parts = rows.split(BATCH_SIZE.get(device.type, 512))
    with single_precision():
        outputs = [encoder(draw(part)) for part in parts]
    encoder.train(was_training)
    return torch.cat(outputs)
