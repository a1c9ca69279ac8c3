"""Operation and byte counts of one training step, derived from the architecture.

Per pair of a roll and a spectrogram, for two encoders of 18 layers and activations of two bytes:

| width | forward and backward | activations written and read | weights | input |
|--:|--:|--:|--:|--:|
| 16 | 0.22 GFLOP | 10.4 MB | 6 MB | 72 kB (as arrays of float32: 209 kB) |
| 64 | 3.09 GFLOP | 41.6 MB | 90 MB | 72 kB |

At width 64, a processor below about 75 operations per byte of memory bandwidth is bound by
computation; one above (an H200: about 200) is bound by memory. The input is about a hundredth of
the bytes that the layers move.
"""

import torch
from torch import nn

from camil.encoders.resnet import AudioEncoder, Encoder, MIDIEncoder


def multiplications(encoder: Encoder) -> dict[str, int]:
    """Multiply-adds per image, by name of the convolution or linear layer."""
    return {
        name: values * layer.weight[0].numel()
        for name, layer, values in _written(encoder, nn.Conv2d | nn.Linear)
    }


def activations(encoder: Encoder) -> int:
    """Number of values that the layers write in the forward pass of one image."""
    kinds = nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d
    return sum(values for _, _, values in _written(encoder, kinds))


def _written(encoder: Encoder, kinds) -> list[tuple[str, nn.Module, int]]:
    """Name, layer and output size of each layer, found by encoding an empty image."""
    found = []

    def note(name):
        return lambda layer, _, output: found.append((name, layer, output.numel()))

    layers = [(name, layer) for name, layer in encoder.named_modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers]
    with torch.no_grad():
        encoder.eval()(torch.zeros(1, encoder.config["channels"], *encoder.input_shape))
    for hook in hooks:
        hook.remove()
    return found


def minimum_cost(width: int, depth: int = 18, bytes_each: int = 2) -> dict[str, float]:
    """Lower bounds on the cost of training on one pair.

    Operations: a multiply-add counts as two. The backward pass costs twice the forward pass, once
    for the gradients of the inputs and once for those of the weights; the first layer's input has
    no gradient. Bytes: unfused layers write and read each output in the forward pass, and its value
    and gradient again in the backward pass. The inputs are notes (8 bytes each) and a mel in half
    precision.
    """
    encoders = [kind(width, depth) for kind in (MIDIEncoder, AudioEncoder)]
    counts = [multiplications(encoder) for encoder in encoders]
    passes = sum(3 * sum(count.values()) - count["conv1"] for count in counts)
    written = sum(activations(encoder) for encoder in encoders)
    return {
        "gflop_per_pair": 2 * passes / 1e9,
        "activation_megabytes_per_pair": 5 * written * bytes_each / 1e6,
        "input_kilobytes_per_pair": (128 * 282 * 2 + 20 * 8) / 1e3,
        "input_kilobytes_per_pair_arrays": (128 * 282 + 84 * 192) * 4 / 1e3,
        "megabytes_of_weights": sum(p.numel() for e in encoders for p in e.parameters()) * 4 / 1e6,
    }
