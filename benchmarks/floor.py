"""Operations and bytes of a training step, counted before anything is timed."""

import torch
from torch import nn

from camil.encoders import AudioEncoder, Encoder, MIDIEncoder


def multiplications(encoder: Encoder) -> int:
    """Multiply-adds of convolutions and linear layers for one image, by running them on nothing."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()

    hooks = [layer.register_forward_hook(count) for layer in encoder.modules()]
    with torch.no_grad():
        encoder.eval()(torch.zeros(1, encoder.config["channels"], *encoder.input_shape))
    for hook in hooks:
        hook.remove()
    return total


def activations(encoder: Encoder) -> int:
    """Values that the layers of one image write in the forward pass."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d):
            total += output.numel()

    hooks = [layer.register_forward_hook(count) for layer in encoder.modules()]
    with torch.no_grad():
        encoder.eval()(torch.zeros(1, encoder.config["channels"], *encoder.input_shape))
    for hook in hooks:
        hook.remove()
    return total


def floor(width: int, depth: int = 18, bytes_each: int = 2) -> dict[str, float]:
    """What training on one pair takes at least.

    Operations: a multiply-add is two, and the backward pass takes the forward pass twice over, once
    for the inputs' and once for the weights' gradients. Bytes: every layer's output is written and
    read in the forward pass and again (value and gradient) in the backward pass, which is what
    unfused layers do; the inputs are the notes (8 bytes each) and the mel in half precision.
    """
    encoders = [kind(width, depth) for kind in (MIDIEncoder, AudioEncoder)]
    forward = sum(multiplications(encoder) for encoder in encoders)
    written = sum(activations(encoder) for encoder in encoders)
    return {
        "gflop_per_pair": 2 * 3 * forward / 1e9,
        "activation_megabytes_per_pair": 5 * written * bytes_each / 1e6,
        "input_kilobytes_per_pair_here": (128 * 282 * 2 + 20 * 8) / 1e3,
        "input_kilobytes_per_pair_usual": (128 * 282 + 84 * 192) * 4 / 1e3,
        "megabytes_of_weights": sum(p.numel() for e in encoders for p in e.parameters()) * 4 / 1e6,
    }
