"""Apply a network to many rows of a corpus."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from camil.encoders.precision import single_precision

# Segments embedded at once. On a CPU more take memory and are no faster.
EMBEDDED_AT_ONCE = {"cpu": 64}


@torch.no_grad()
def embed(encoder: nn.Module, draw: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """What a network makes of some rows, without gradients, in eval mode and full precision.

    Args:
        draw: `Corpus.rolls` or `Corpus.mels`.

    Returns:
        `(rows, outputs)` on the device of the encoder.
    """
    was_training = encoder.training
    encoder.eval().to(memory_format=torch.channels_last)
    device = next(encoder.parameters()).device
    parts = rows.split(EMBEDDED_AT_ONCE.get(device.type, 512))
    with single_precision():
        outputs = [encoder(draw(part)) for part in parts]
    encoder.train(was_training)
    return torch.cat(outputs)
