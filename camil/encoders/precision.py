"""Numerical precision of inference."""

from contextlib import contextmanager

import torch


@contextmanager
def single_precision():
    """Disable TF32 in convolutions on a GPU: its rounding depends on the batch size."""
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = False
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
