"""Fig. 1: the two encoders and the contrastive loss, drawn from the networks themselves."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from camil.figures.style import PAGE, styled

FILLS = {
    "convolution": "#C6DBEF",
    "pooling": "#E6E6E6",
    "stage": "#6BAED6",
    "linear": "#2B5C8A",
}
HEIGHT, SPACING = 3.45, 0.625  # inches: of the figure, and between layers


class Layer(NamedTuple):
    """A layer of an encoder, with two lines of detail and the shape of its output."""

    kind: str  # a key of FILLS
    name: str
    detail: str
    shape: tuple[int, ...]  # (channels, height, width) or (features,)


def layers(encoder, input_shape: tuple[int, int] | None = None) -> list[Layer]:
    """Layers of an encoder with their output shapes, measured in a forward pass.

    Convolutions, poolings and linear layers count one each. Residual blocks are joined into
    stages; a stage begins with the first block and with every block that has a projection.

    Args:
        encoder: a network from ``(1, channels, height, width)`` to ``(1, embedding)``.
        input_shape: height and width of the input; by default ``encoder.input_shape``.

    Raises:
        ValueError: if the channels or the shape of the input are unknown.
    """
    input_shape = input_shape or getattr(encoder, "input_shape", None)
    if input_shape is None:
        raise ValueError("The encoder has no input_shape; give the height and width of its input.")
    blocks = BasicBlock, Bottleneck
    steps = (*blocks, nn.Conv2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Linear)
    in_blocks = {m for b in encoder.modules() if isinstance(b, blocks) for m in b.modules()} - {
        b for b in encoder.modules() if isinstance(b, blocks)
    }
    seen: list[tuple[nn.Module, tuple[int, ...]]] = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: seen.append((m, tuple(out.shape[1:]))))
        for module in encoder.modules()
        if isinstance(module, steps) and module not in in_blocks
    ]
    first = next((m for m in encoder.modules() if isinstance(m, nn.Conv2d)), None)
    channels = first.in_channels if first else getattr(encoder, "config", {}).get("channels")
    if channels is None:
        raise ValueError(
            f"{type(encoder).__name__} has no convolution and states no channels in its config, so "
            "Fig. 1 cannot show it."
        )
    training = encoder.training
    try:
        with torch.no_grad():
            weight = next(encoder.parameters())
            image = torch.zeros(1, channels, *input_shape[-2:]).to(weight)
            encoder.eval()(image)
    finally:
        encoder.train(training)
        for hook in hooks:
            hook.remove()
    return _joined(seen, blocks)


def _joined(seen: list, blocks: tuple) -> list[Layer]:
    """Layers from the outputs that the hooks recorded, with residual blocks joined into stages."""
    found: list[Layer] = []
    stage = size = stride = 0
    for module, shape in seen:
        if isinstance(module, blocks):
            if not stage or module.downsample is not None:
                stage, size, stride = stage + 1, 0, module.stride
            else:
                found.pop()  # replaced by the longer stage
            size += 1
            plural = "s" * (size > 1)
            detail = f"{size} block{plural}\nstride {stride}"
            found.append(Layer("stage", f"stage {stage}", detail, shape))
            continue
        kind = type(module).__name__
        if kind == "Conv2d":
            kernel, step = module.kernel_size, module.stride[0]
            layer = Layer("convolution", f"conv {_size(kernel)}", f"BN, ReLU\nstride {step}", shape)
        elif kind == "MaxPool2d":
            k = module.kernel_size
            layer = Layer("pooling", "max pool", f"{_size((k, k))}\nstride {module.stride}", shape)
        elif kind == "AdaptiveAvgPool2d":
            layer = Layer("pooling", "avg pool", "global", shape[:1])
        else:
            layer = Layer("linear", "linear", "embedding", shape)
        found.append(layer)
    return found


@styled
def architecture(midi_encoder, audio_encoder) -> Figure:
    """Fig. 1: both encoders layer by layer with their output shapes, and the contrastive loss.

    The drawn height and depth are proportional to the square root of an output's height and width,
    the thickness to the logarithm of its channels. Both encoders run once on an empty input.

    Args:
        midi_encoder, audio_encoder: networks with an ``input_shape``, as in `camil.encoders`.

    Raises:
        ValueError: under the conditions of `layers`.
    """
    figure = plt.figure(figsize=(PAGE, HEIGHT), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, PAGE), ylim=(0, HEIGHT))
    axes.axis("off")
    rows = (
        ("MIDI encoder", r"$f_\mathrm{M}$", midi_encoder, "piano roll", _piano_roll()),
        ("Audio encoder", r"$f_\mathrm{A}$", audio_encoder, "log-mel", _mel()),
    )
    ends = []
    for y, (name, symbol, encoder, kind, picture) in zip((2.67, 0.96), rows, strict=True):
        parameters = sum(p.numel() for p in encoder.parameters())
        axes.text(0.08, y + 0.64, f"{name} {symbol}", fontsize=8.5, fontweight="bold", va="center")
        axes.text(
            1.42, y + 0.64, f"{_short(parameters)} parameters", fontsize=6.5, color="0.35",
            va="center",
        )  # fmt: skip
        x = _input(axes, y, encoder.input_shape, kind, picture)
        found = layers(encoder)
        spacing = min(SPACING, 4.98 / len(found))  # a deeper encoder has the same width
        for layer in found:
            _arrow(axes, (x, y), (x + 0.1, y))
            _layer(axes, x + 0.07, y, spacing, layer)
            x += spacing
        ends.append((x - 0.05, y))
    _loss(axes, ends)
    return figure


def _short(count: int) -> str:
    """A number of parameters with a metric prefix: 11.2 M, 705 k."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)


def _size(shape: tuple[int, ...]) -> str:
    return "\N{MULTIPLICATION SIGN}".join(map(str, shape))


def _input(axes: Axes, y: float, shape: tuple, kind: str, picture: np.ndarray) -> float:
    """Draw the input in its own proportions; returns its right edge."""
    width, height = 0.62, 0.62 * shape[0] / shape[1]
    box = (0.08, 0.08 + width, y - height / 2, y + height / 2)
    axes.imshow(picture, extent=box, aspect="auto", origin="lower", cmap="Greys", zorder=2)
    axes.set(xlim=(0, PAGE), ylim=(0, HEIGHT))
    corners = [(box[0], box[2]), (box[1], box[2]), (box[1], box[3]), (box[0], box[3])]
    axes.add_patch(Polygon(corners, fill=False, edgecolor="0.2", linewidth=0.6, zorder=3))
    _caption(axes, 0.39, y, kind, "", _size(shape))
    return box[1]


def _layer(axes: Axes, x: float, y: float, spacing: float, layer: Layer) -> None:
    """Draw a layer's output as a cuboid, with name, shape and detail below."""
    channels, height, width = (*layer.shape, 1, 1)[:3]
    h, d = 0.075 * np.sqrt(height), 0.018 * np.sqrt(width)
    w = 0.028 * np.log2(channels + 1)
    if len(layer.shape) == 1:  # a vector is drawn upright
        w, h, d = 0.07, 0.075 * np.log2(channels + 1), 0.04
    left, fill = x + (spacing - w - d) / 2, FILLS[layer.kind]
    bottom, lean = y - (h + 0.6 * d) / 2, 0.6 * d
    front = [(left, bottom), (left + w, bottom), (left + w, bottom + h), (left, bottom + h)]
    top = [front[3], front[2], (left + w + d, bottom + h + lean), (left + d, bottom + h + lean)]
    side = [front[1], (left + w + d, bottom + lean), top[2], front[2]]
    for face, shade in ((front, 1.0), (top, 1.12), (side, 0.82)):
        colour = np.clip(np.array(plt.matplotlib.colors.to_rgb(fill)) * shade, 0, 1)
        axes.add_patch(Polygon(face, facecolor=colour, edgecolor="0.2", linewidth=0.5, zorder=3))
    _caption(axes, x + spacing / 2, y, layer.name, layer.detail, _size(layer.shape))


def _caption(axes: Axes, x: float, y: float, name: str, detail: str, size: str) -> None:
    axes.text(x, y - 0.44, name, ha="center", va="top", fontsize=6.5, fontweight="bold")
    axes.text(x, y - 0.56, size, ha="center", va="top", fontsize=6.5)
    axes.text(x, y - 0.69, detail, ha="center", va="top", fontsize=6, color="0.35", linespacing=1.1)


def _loss(axes: Axes, ends: list[tuple[float, float]]) -> None:
    """Draw both embeddings and the loss of their distance at the right edge."""
    x, middle = PAGE - 0.58, HEIGHT / 2
    box = FancyBboxPatch(
        (x - 0.46, middle - 0.3), 0.94, 0.6, boxstyle="round,pad=0.03,rounding_size=0.06",
        facecolor="#FFF6E0", edgecolor="0.2", linewidth=0.6, zorder=3,
    )  # fmt: skip
    axes.add_patch(box)
    axes.text(x + 0.01, middle + 0.19, "contrastive loss", ha="center", va="center", fontsize=7,
              fontweight="bold", zorder=4)  # fmt: skip
    distance = r"$d=\Vert h_\mathrm{MIDI}-h_\mathrm{Audio}\Vert_2$"
    axes.text(x + 0.01, middle - 0.01, distance, ha="center", va="center", fontsize=6, zorder=4)
    axes.text(x + 0.01, middle - 0.2, "equation (4)", ha="center", va="center", fontsize=6,
              color="0.35", zorder=4)  # fmt: skip
    for (end, y), name in zip(ends, ("MIDI", "Audio"), strict=True):
        up = 1 if y > middle else -1
        axes.plot([end, x], [y, y], color="0.2", linewidth=0.8)
        _arrow(axes, (x, y), (x, middle + up * 0.33))
        label = rf"$h_\mathrm{{{name}}}$"
        axes.text(x + 0.06, y - up * 0.2, label, ha="left", va="center", fontsize=8.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=5, linewidth=0.8, color="0.2",
            shrinkA=0, shrinkB=0, zorder=2,
        )
    )  # fmt: skip


def _piano_roll() -> np.ndarray:
    """A schematic piano roll, not from data."""
    picture = np.zeros((28, 64))
    tune = ((0, 14), (8, 17), (16, 21), (24, 19), (32, 17), (40, 16), (48, 14), (56, 12))
    for step, pitch in tune:
        picture[pitch, step : step + 7] = 1
        picture[pitch - 9, step // 16 * 16 : step // 16 * 16 + 15] = 0.85
    return picture


def _mel() -> np.ndarray:
    """A schematic mel-spectrogram of the same notes, with decaying overtones; not from data."""
    picture = np.full((58, 128), 0.12)
    time = np.arange(16)
    tune = (14, 17, 21, 19, 17, 16, 14, 12)
    for note, pitch in enumerate(tune):
        for overtone in range(1, 7):
            row = int(pitch * 0.55 + 15 * np.log2(overtone))
            level = 0.95 * 0.8 ** (overtone - 1) * np.exp(-time / 12)
            picture[row, note * 16 : note * 16 + 16] += level
            picture[row + 1, note * 16 : note * 16 + 16] += 0.5 * level
    return picture.clip(0, 1)
