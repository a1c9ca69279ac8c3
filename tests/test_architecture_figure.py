"""Tests of Fig. 1: the layers that are found and drawn."""

import pytest
import torch
from matplotlib.text import Text
from torchvision.models.resnet import BasicBlock, ResNet

from camil import figures
from camil.encoders.resnet import AudioEncoder, MIDIEncoder

TIMES = "\N{MULTIPLICATION SIGN}"


def halved(size: int, kernel: int) -> int:
    """Output size of a convolution or pooling of stride 2 and padding (kernel - 1) / 2."""
    return (size + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1


@pytest.mark.parametrize(
    ("encoder", "height", "width"), [(MIDIEncoder, 84, 192), (AudioEncoder, 128, 282)]
)
def test_fig_1_layer_shapes_match_the_convolution_formula(encoder, height, width):
    expected = []
    for channels, kernel in ((8, 7), (8, 3), (8, 3), (16, 3), (32, 3), (64, 3)):
        height, width = halved(height, kernel), halved(width, kernel)
        expected.append((channels, height, width))
    expected += [(64,), (24,)]

    found = figures.layers(encoder(width=8, embedding=24))

    assert [layer.shape for layer in found] == expected
    figure = figures.architecture(MIDIEncoder(8, embedding=24), AudioEncoder(8, embedding=24))
    drawn = [text.get_text() for text in figure.findobj(Text)]
    for shape in expected:
        assert TIMES.join(map(str, shape)) in drawn


def test_fig_1_accepts_a_torchvision_resnet():
    model = ResNet(BasicBlock, [3, 4, 6, 3], num_classes=10)  # ResNet-34: stage 1 has stride 1
    found = figures.layers(model, input_shape=(224, 224))
    assert [layer.shape for layer in found] == [
        (64, 112, 112), (64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7),
        (512,), (10,),
    ]  # fmt: skip
    blocks = [layer.detail.split("\n") for layer in found if layer.kind == "stage"]
    assert blocks == [
        ["3 blocks", "stride 1"], ["4 blocks", "stride 2"], ["6 blocks", "stride 2"],
        ["3 blocks", "stride 2"],
    ]  # fmt: skip


def test_fig_1_does_not_change_the_model():
    encoder = MIDIEncoder(width=4).train()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    figures.layers(encoder)
    assert encoder.training
    assert not any(module._forward_hooks for module in encoder.modules())
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]), name  # batch statistics too


def test_fig_1_rejects_models_without_input_shape_or_convolution():
    with pytest.raises(ValueError, match="input_shape"):
        figures.layers(ResNet(BasicBlock, [1, 1, 1, 1]))
    with pytest.raises(ValueError, match="no convolution"):
        figures.layers(torch.nn.Linear(3, 4), input_shape=(1, 3))
