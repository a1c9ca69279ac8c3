"""Hardware limits at the encoders' shapes: convolutions alone, and memory copies."""

import time
from collections.abc import Callable
from functools import partial

import torch

from camil.encoders.resnet import AudioEncoder, MIDIEncoder


def bandwidth(device, size, corpus):
    """Memory bandwidth of a copy, in TB/s, read and written: the limit of unfused layers."""
    values = torch.zeros(size["batch"] * 2**20, device=device)
    into = torch.empty_like(values)
    spent = seconds_of(partial(into.copy_, values), device)
    return {"terabytes_per_second": 2 * values.nbytes / spent / 1e12}


def convolution_limit(device, size, corpus):
    """Throughput of each convolution alone, forward and backward, in bfloat16.

    cuDNN benchmarks its algorithms, so that the result is an upper limit.
    """
    flop = seconds = 0.0
    torch.backends.cudnn.benchmark = True
    for kind in (MIDIEncoder, AudioEncoder):
        encoder = kind(size["width"]).to(device, torch.bfloat16, memory_format=torch.channels_last)
        for layer, shape in _convolutions(encoder, size["batch"], device):
            x = torch.randn(shape, device=device, dtype=torch.bfloat16)
            x = x.to(memory_format=torch.channels_last).requires_grad_(shape[1] > 1)
            gradient = torch.randn_like(layer(x))
            spent = seconds_of(partial(_forward_and_backward, layer, x, gradient), device)
            passes = 3 if shape[1] > 1 else 2  # the first layer's input needs no gradient
            flop += passes * 2 * gradient.numel() * layer.weight[0].numel()
            seconds += spent
    torch.backends.cudnn.benchmark = False
    return {"bf16_convolution_tflops": flop / seconds / 1e12, "seconds_a_step": seconds}


def _forward_and_backward(layer, x, gradient):
    layer(x).backward(gradient)


def _convolutions(encoder, batch, device):
    found = []
    layers = [layer for layer in encoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [
        layer.register_forward_hook(lambda layer, x, _: found.append((layer, tuple(x[0].shape))))
        for layer in layers
    ]
    image = torch.zeros(batch, 1, *encoder.input_shape, device=device, dtype=torch.bfloat16)
    with torch.no_grad():
        encoder(image)
    for hook in hooks:
        hook.remove()
    return found


def seconds_of(work: Callable[[], object], device, repeats: int = 10) -> float:
    """Mean seconds of ``work`` over ``repeats`` calls, after up to three calls to warm up."""

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(min(repeats, 3)):
        work()
    wait()
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return (time.perf_counter() - begun) / repeats
