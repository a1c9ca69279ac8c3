"""The paper's ResNet for piano rolls and mel-spectrograms, and a linear head to classify with it.

Encoders are kept as safetensors files that say in their header how to rebuild the network, so
loading one never runs code from the file.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, conv1x1

from camil.tensorfiles import fitting, read_tensors, write_tensors

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # depth -> blocks of each stage


class Encoder(nn.Module, PyTorchModelHubMixin, library_name="camil"):
    """A ResNet from an image of any size to an embedding (section III-E of the CAMIL paper).

    A 7x7 convolution with stride 2, batch normalisation, ReLU and a 3x3 max-pool with stride 2;
    four stages of residual blocks with 1, 2, 4 and 8 times ``width`` filters; global average pool;
    a fully connected layer. The parts have the names of torchvision's ResNet.

    Args:
        width: filters of the stem and of the first stage; 64 in the paper.
        depth: layers with weights, 10, 18 or 34. The paper does not say; 18 is the smallest that
            He et al. (2016) describe.
        embedding: size of the embedding.
        channels: channels of the input.
        normalize: put embeddings on the unit sphere, which gives a margin a scale: no distance
            exceeds 2.
        strides: of the first block of each stage. The paper says "a stride of 2" for each;
            (1, 2, 2, 2) is the ResNet of He et al.

    Shape:
        input: ``(batch, channels, height, width)``; returns ``(batch, embedding)``.

    Raises:
        ValueError: if an argument cannot be built, or the input has another shape.
    """

    file_of_run = "encoder.safetensors"

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
        # All that is needed to build this encoder again, as JSON knows it.
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

    def _save_pretrained(self, save_directory: Path) -> None:
        save_encoder(save_directory / SAFETENSORS_SINGLE_FILE, self)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options) -> "Encoder":
        """An encoder from a folder, or from the Hugging Face Hub by its id.

        Args:
            pretrained_model_name_or_path: what `save_pretrained` or a run has left, or `user/name`.
            options: of `huggingface_hub.ModelHubMixin`, `revision` or `local_files_only` say.

        Returns:
            The encoder, on the CPU and in evaluation mode.

        Raises:
            FileNotFoundError: if there is no such folder and the Hub gives no such encoder.
            ValueError: if the file is damaged or holds an encoder of another kind.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **options)
        except (EntryNotFoundError, HfHubHTTPError, HFValidationError) as error:
            reason = str(error).strip().splitlines()[0]
            raise FileNotFoundError(
                f"there is no folder {pretrained_model_name_or_path}, and the Hugging Face Hub "
                f"gives no encoder of that name ({reason}): check the path or the id, or train a "
                "run that writes it"
            ) from None

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **source) -> "Encoder":
        """An encoder from a folder, of `save_pretrained` or of a run, or from the Hub."""
        folder = Path(model_id)
        if folder.is_dir():
            files = (folder / SAFETENSORS_SINGLE_FILE, folder / cls.file_of_run)
            path = next((file for file in files if file.is_file()), files[0])
        else:
            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            given = {name: source[name] for name in known if name in source}
            path = Path(hf_hub_download(model_id, SAFETENSORS_SINGLE_FILE, **given))
        encoder = load_encoder(path)
        if not isinstance(encoder, cls):
            raise ValueError(f"{path} holds a {type(encoder).__name__}, not a {cls.__name__}")
        return encoder

    def generate_model_card(self, text: str | None = None) -> ModelCard:
        """The card that `save_pretrained` writes; `camil.sharing.model_card` makes a full one."""
        return ModelCard(text or f"---\nlibrary_name: camil\n---\n# {type(self).__name__}\n")


class MIDIEncoder(Encoder):
    """f_M of the paper: from piano rolls, 84 pitches by 192 steps, to embeddings.

    Its arguments are those of `Encoder`; `width` is 64 in the paper and 16 in the demo, and
    `channels` is 2 where rolls show onsets as well.

    Shape:
        input: ``(batch, channels, 84, 192)`` of float32, as `piano_roll` draws them; returns
        ``(batch, embedding)``.

    Example:
        >>> encoder = MIDIEncoder.from_pretrained("runs/demo/camil-frozen-seed0/model")
        >>> encoder(torch.from_numpy(piano_roll(segment))[None, None])  # (1, 128)
    """

    input_shape = (84, 192)
    file_of_run = "encoder.safetensors"


class AudioEncoder(Encoder):
    """f_A of the paper: from mel-spectrograms, 128 bins by 282 frames, to embeddings.

    Its arguments are those of `Encoder`; `width` is 64 in the paper and 16 in the demo.

    Shape:
        input: ``(batch, 1, 128, 282)`` of float32, as `Corpus.mels` and
        `camil.audio.MelSpectrogram` give them; returns ``(batch, embedding)``.

    Example:
        >>> encoder = load_encoder("runs/demo/camil-seed0/audio_encoder.safetensors")
        >>> encoder(Corpus("corpora/demo").mels(torch.arange(8)))  # (8, 128)
    """

    input_shape = (128, 282)
    file_of_run = "audio_encoder.safetensors"


class Classifier(nn.Module):
    """A linear layer on an encoder's embedding, one output a class.

    Args:
        encoder: the encoder, shared and not copied.
        classes: names of the classes, in the order of the outputs.
        velocity: whether its rolls show how loud a note is.

    Attributes:
        temperature: what the logits of a segment are divided by to make its probabilities mean what
            they say; see `camil.calibration`.
        track_temperature: the same for the votes of a track's segments.

    Shape:
        input: as the encoder's; returns logits ``(batch, classes)``.

    Raises:
        ValueError: if there are fewer than two classes or a name occurs twice.
    """

    def __init__(self, encoder: Encoder, classes: Sequence[str], velocity: bool = False):
        super().__init__()
        self.velocity, self.temperature, self.track_temperature = velocity, 1.0, 1.0
        self.classes = tuple(classes)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must be two or more different names, got {self.classes}")
        self.encoder = encoder
        self.head = nn.Linear(encoder.config["embedding"], len(self.classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))


def save_encoder(path: str | Path, encoder: Encoder) -> None:
    """Write an encoder so that `load_encoder` gives it back; the file appears whole or not at all.

    Raises:
        FileNotFoundError: if the folder does not exist.
    """
    write_tensors(Path(path), encoder.state_dict(), "encoder", _description(encoder))


def load_encoder(path: str | Path, kind: type[Encoder] = Encoder) -> Encoder:
    """Read an encoder, on the CPU and in evaluation mode.

    Args:
        kind: what it must be, `MIDIEncoder` or `AudioEncoder`; by default either.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is not an encoder of CAMIL or not of this kind.
    """
    tensors, description = read_tensors(Path(path), "encoder")
    encoder = _rebuilt(Path(path), tensors, lambda: _encoder_from(description))
    if not isinstance(encoder, kind):
        raise ValueError(f"{path} holds a {type(encoder).__name__}, not a {kind.__name__}")
    return encoder


def save_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a classifier with its encoder and class names, as `save_encoder` does."""
    description = {
        "encoder": _description(classifier.encoder),
        "classes": classifier.classes,
        "velocity": classifier.velocity,
        "temperature": classifier.temperature,
        "track_temperature": classifier.track_temperature,
    }
    write_tensors(Path(path), classifier.state_dict(), "classifier", description)


def load_classifier(path: str | Path) -> Classifier:
    """Read a classifier, on the CPU and in evaluation mode; errors as of `load_encoder`."""
    tensors, description = read_tensors(Path(path), "classifier")
    classifier = _rebuilt(
        Path(path),
        tensors,
        lambda: Classifier(_encoder_from(description["encoder"]), description["classes"]),
    )
    # Classifiers that were written before these were known are taken as they are.
    for name in ("velocity", "temperature", "track_temperature"):
        setattr(classifier, name, description.get(name, getattr(classifier, name)))
    return classifier


def _stage(inputs: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    """Residual blocks of one size, the first of which downsamples."""
    shortcut = None
    if stride != 1 or inputs != filters:
        shortcut = nn.Sequential(conv1x1(inputs, filters, stride), nn.BatchNorm2d(filters))
    first = BasicBlock(inputs, filters, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(filters, filters) for _ in range(blocks - 1)))


def _description(encoder: Encoder) -> dict:
    return {"class": type(encoder).__name__, "config": encoder.config}


def _encoder_from(description: dict) -> Encoder:
    return _kinds(Encoder)[description["class"]](**description["config"])


def _kinds(top: type[Encoder]) -> dict[str, type[Encoder]]:
    """A class and all below it, by name: an encoder of one's own is read back like the others."""
    kinds = {top.__name__: top}
    for below in top.__subclasses__():
        kinds |= _kinds(below)
    return kinds


def _rebuilt(path: Path, tensors: dict[str, Tensor], build) -> nn.Module:
    with fitting(path):
        # Without memory behind it, and so without drawing initial weights: loading changes no
        # random state and a header cannot ask for more memory than the file's tensors take.
        with torch.device("meta"):
            module = build()
        module.load_state_dict(tensors, assign=True)
    return module.eval()
