"""The ResNet of the paper, for piano rolls and mel-spectrograms."""

from collections.abc import Sequence

from torch import Tensor, nn

from camil.encoders.hub import Encoder

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # depth -> blocks per stage


class ResNet(Encoder):
    """A ResNet from an image of any size to an embedding (section III-E of the CAMIL paper).

    A 7x7 convolution with stride 2, batch normalization, ReLU and a 3x3 max-pool with stride 2;
    four stages of residual blocks with 1, 2, 4 and 8 times ``width`` filters; global average
    pooling; a fully connected layer. Modules are named as in torchvision's ResNet.

    Args:
        width: filters of the stem and of the first stage; 64 in the paper.
        depth: number of layers, 10, 18 or 34. The paper does not state it; 18 is the smallest that
            He et al. (2016) describe.
        embedding: size of the embedding.
        channels: input channels.
        normalize: L2-normalize the embeddings, which gives a margin a scale: no distance
            exceeds 2.
        strides: stride of the first block of each stage. The paper states "a stride of 2" for each;
            (1, 2, 2, 2) is the ResNet of He et al.

    Shape:
        images: ``(batch, channels, height, width)``. Returns ``(batch, embedding)``.

    Raises:
        ValueError: if an argument is invalid, or the input has another shape.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 18,
        embedding: int = 128,
        channels: int = 1,
        normalize: bool = False,
        strides: Sequence[int] = (2, 2, 2, 2),
    ):
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth must be one of {', '.join(map(str, BLOCKS))}, got {depth}")
        if min(width, embedding, channels) < 1:
            raise ValueError(
                "width, embedding and channels must be at least 1, "
                f"got {width}, {embedding} and {channels}"
            )
        if len(strides) != 4 or min(strides) < 1:
            raise ValueError(f"strides must be four numbers of at least 1, got {tuple(strides)}")
        self.config = {
            "width": width,
            "depth": depth,
            "embedding": embedding,
            "channels": channels,
            "normalize": normalize,
            "strides": list(strides),
        }
        self.conv1 = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        blocks = BLOCKS[depth]
        self.layer1 = _stage(width, width, blocks[0], strides[0])
        self.layer2 = _stage(width, 2 * width, blocks[1], strides[1])
        self.layer3 = _stage(2 * width, 4 * width, blocks[2], strides[2])
        self.layer4 = _stage(4 * width, 8 * width, blocks[3], strides[3])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, embedding)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != self.config["channels"]:
            raise ValueError(
                f"{type(self).__name__} takes (batch, {self.config['channels']}, height, width), "
                f"got {tuple(images.shape)}"
            )
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (batch, width, h / 4, w / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (batch, 8 width, h', w')
        x = self.fc(self.avgpool(x).flatten(1))  # (batch, embedding)
        return nn.functional.normalize(x, dim=1) if self.config["normalize"] else x


class MIDIEncoder(ResNet):
    """f_M of the paper: from piano rolls, 84 pitches by 192 steps, to embeddings.

    The arguments are those of `ResNet`; ``channels`` is 2 if rolls have an onset channel.

    Shape:
        images: ``(batch, channels, 84, 192)`` float32, as `camil.piano_roll` draws them. Returns
        ``(batch, embedding)``.

    Example:
        >>> encoder = MIDIEncoder.from_pretrained("runs/demo/camil-frozen-seed0/model")
        >>> encoder(torch.from_numpy(piano_roll(segment))[None, None])  # (1, 128)
    """

    modality = "midi"
    input_shape = (84, 192)


class AudioEncoder(ResNet):
    """f_A of the paper: from mel-spectrograms, 128 bins by 282 frames, to embeddings.

    The arguments are those of `ResNet`.

    Shape:
        images: ``(batch, 1, 128, 282)`` float32, as `camil.Corpus.mels` returns them. Returns
        ``(batch, embedding)``.

    Example:
        >>> encoder = load_encoder("runs/demo/camil-seed0/audio_encoder.safetensors")
        >>> encoder(Corpus("corpora/demo").mels(torch.arange(8)))  # (8, 128)
    """

    modality = "audio"
    input_shape = (128, 282)


def _stage(inputs: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    """Residual blocks of one size; the first one downsamples."""
    # Importing torchvision takes one second, which labelling with CAMIL+ does not need.
    from torchvision.models.resnet import BasicBlock, conv1x1

    shortcut = None
    if stride != 1 or inputs != filters:
        shortcut = nn.Sequential(conv1x1(inputs, filters, stride), nn.BatchNorm2d(filters))
    first = BasicBlock(inputs, filters, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(filters, filters) for _ in range(blocks - 1)))
