"""Shape checks, precision and cosines shared by the losses."""

import torch
from torch import Tensor


def at_least_single(embedding: Tensor) -> Tensor:
    """Promote half precision to float32.

    Half precision loses small distances and overflows on the squares of large ones.
    """
    return embedding.to(torch.promote_types(embedding.dtype, torch.float32))


def on_sphere(embedding: Tensor) -> Tensor:
    """L2-normalize each embedding, in float32 or better; the zero vector stays zero."""
    # A larger eps than torch's default keeps the gradient at 0 bounded.
    return torch.nn.functional.normalize(at_least_single(embedding), dim=1, eps=1e-6)


def cosines(midi: Tensor, audio: Tensor) -> Tensor:
    """Cosine similarity of every MIDI ``i`` and audio ``j``, ``(batch, batch)``, in float32.

    Autocast would multiply in bfloat16, whose steps of 1/256 a low temperature would amplify.
    """
    with torch.autocast(midi.device.type, enabled=False):
        return on_sphere(midi) @ on_sphere(audio).T


def check_batch(midi: Tensor, audio: Tensor) -> None:
    """Check that both are ``(batch, embedding)`` and not empty.

    Raises:
        ValueError: if the shapes differ or there are no rows.
    """
    if midi.ndim != 2 or midi.shape != audio.shape or len(midi) == 0:
        raise ValueError(
            "midi and audio must both be (batch, embedding) and not empty, "
            f"got {tuple(midi.shape)} and {tuple(audio.shape)}"
        )


def check_allowed(allowed: Tensor | None, batch: int, device: torch.device) -> Tensor:
    """The mask of negatives, with the diagonal (the positives) removed.

    Args:
        allowed: ``(batch, batch)`` bool, row ``i`` the negatives of MIDI ``i``; None allows all.

    Raises:
        ValueError: if it has another shape or dtype.
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
    """The value, if it is positive and finite.

    Raises:
        ValueError: otherwise, with the name.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return value
