"""What every loss asks of the embeddings it is given."""

import torch
from torch import Tensor


def at_least_single(embedding: Tensor) -> Tensor:
    """Half precision loses small distances and overflows on the squares of large ones."""
    return embedding.to(torch.promote_types(embedding.dtype, torch.float32))


def on_sphere(embedding: Tensor) -> Tensor:
    """The direction of each embedding, in single precision at least; of 0 it is 0."""
    # A larger eps than torch's own keeps the gradient at 0 within bounds.
    return torch.nn.functional.normalize(at_least_single(embedding), dim=1, eps=1e-6)


def cosines(midi: Tensor, audio: Tensor) -> Tensor:
    """The cosine of every MIDI ``i`` and audio ``j``, ``(batch, batch)``, never in half precision.

    Autocast would multiply in bfloat16, whose steps of 1/256 a low temperature makes large.
    """
    with torch.autocast(midi.device.type, enabled=False):
        return on_sphere(midi) @ on_sphere(audio).T


def check_batch(midi: Tensor, audio: Tensor) -> None:
    """See that row ``i`` of both can be one segment.

    Raises:
        ValueError: if the shapes differ or there are no rows.
    """
    if midi.ndim != 2 or midi.shape != audio.shape or len(midi) == 0:
        raise ValueError(
            "midi and audio must both be (batch, embedding) and not empty, "
            f"got {tuple(midi.shape)} and {tuple(audio.shape)}"
        )


def check_allowed(allowed: Tensor | None, batch: int, device: torch.device) -> Tensor:
    """Which audio is whose negative, and never its own.

    Args:
        allowed: `(batch, batch)` of bool, row ``i`` the negatives of MIDI ``i``; None is all.

    Raises:
        ValueError: if it is of another shape or type.
    """
    others = ~torch.eye(batch, dtype=torch.bool, device=device)
    if allowed is None:
        return others
    if allowed.shape != (batch, batch) or allowed.dtype != torch.bool:
        raise ValueError(
            f"allowed must be ({batch}, {batch}) of torch.bool, "
            f"got {tuple(allowed.shape)} of {allowed.dtype}"
        )
    return allowed.to(device) & others


def positive(value: float, name: str) -> float:
    """The value, if it is a positive number.

    Raises:
        ValueError: if it is not, naming it.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return value
