"""Operations and bytes of a training step, counted before anything is timed.

For a pair of a roll and a spectrogram, both encoders with 18 layers, activations of two bytes:

| width | forward and backward | activations written and read | weights | the pair itself |
|--:|--:|--:|--:|--:|
| 16 | 0.22 GFLOP | 10.4 MB | 6 MB | 72 kB (as arrays of float32: 209 kB) |
| 64 | 3.09 GFLOP | 41.6 MB | 90 MB | 72 kB |

So a processor that does less than some 75 operations in the time it moves a byte computes for most
of a step at width 64, one that does more (an H200: about 200) waits for its memory, and what is
drawn or read for a pair is a hundredth of what its layers move.
"""

import torch
from torch import nn

from camil.encoders.resnet import AudioEncoder, Encoder, MIDIEncoder


def multiplications(encoder: Encoder) -> dict[str, int]:
    """Multiply-adds of each convolution and linear layer for one image."""
    return {
        name: values * layer.weight[0].numel()
        for name, layer, values in _written(encoder, nn.Conv2d | nn.Linear)
    }


def activations(encoder: Encoder) -> int:
    """Values that the layers of one image write in the forward pass."""
    kinds = nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d
    return sum(values for _, _, values in _written(encoder, kinds))


def _written(encoder: Encoder, kinds) -> list[tuple[str, nn.Module, int]]:
    """Name, layer and number of values of each output, by running the encoder on nothing."""
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


def floor(width: int, depth: int = 18, bytes_each: int = 2) -> dict[str, float]:
    """What training on one pair takes at least.

    Operations: a multiply-add is two, and the backward pass takes the forward pass twice over, once
    for the inputs' and once for the weights' gradients; the first layer's input needs none. Bytes:
    every layer's output is written and read in the forward pass and again (value and gradient) in
    the backward pass, which is what unfused layers do; the inputs are the notes (8 bytes each) and
    the mel in half precision.
    """
    encoders = [kind(width, depth) for kind in (MIDIEncoder, AudioEncoder)]
    counts = [multiplications(encoder) for encoder in encoders]
    passes = sum(3 * sum(count.values()) - count["conv1"] for count in counts)
    written = sum(activations(encoder) for encoder in encoders)
    return {
        "gflop_per_pair": 2 * passes / 1e9,
        "activation_megabytes_per_pair": 5 * written * bytes_each / 1e6,
        "input_kilobytes_per_pair_here": (128 * 282 * 2 + 20 * 8) / 1e3,
        "input_kilobytes_per_pair_usual": (128 * 282 + 84 * 192) * 4 / 1e3,
        "megabytes_of_weights": sum(p.numel() for e in encoders for p in e.parameters()) * 4 / 1e6,
    }
