"""The ResNet of the paper, against torchvision where they coincide, and its files."""

import os

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn
from torch.autograd import gradcheck

from camil.encoders.classifier import Classifier, load_classifier, save_classifier
from camil.encoders.hub import load_encoder, save_encoder, write_tensors
from camil.encoders.resnet import AudioEncoder, MIDIEncoder, ResNet


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def images(batch, height=84, width=192):
    return torch.rand(batch, 1, height, width)


def stirred(module):
    """Give batch normalization random statistics, so that none is 0 or 1."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
    return module


@pytest.mark.parametrize("depth", [18, 34])
@pytest.mark.parametrize("training", [False, True])
def test_resnet_with_the_strides_of_he_et_al_equals_torchvision(depth, training):
    encoder = stirred(ResNet(depth=depth, embedding=32, strides=(1, 2, 2, 2))).train(training)
    reference = getattr(torchvision.models, f"resnet{depth}")(num_classes=32).train(training)
    reference.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    reference.load_state_dict(encoder.state_dict())  # the same names and shapes throughout
    x = images(2)
    # In training mode too: with the batch's statistics, and after updating the running ones.
    torch.testing.assert_close(encoder(x), reference(x))
    torch.testing.assert_close(encoder.bn1.running_var, reference.bn1.running_var)


def test_initial_weights_have_the_distribution_of_torchvision():
    ours = ResNet(strides=(1, 2, 2, 2)).state_dict()
    for name, theirs in torchvision.models.resnet18(num_classes=128).state_dict().items():
        if name.endswith("conv1.weight") or "downsample.0" in name:
            fan_out = theirs.shape[0] * theirs.shape[2] * theirs.shape[3]
            assert ours[name].std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
        elif "bn" in name:
            assert torch.equal(ours[name], theirs)


@pytest.mark.parametrize(
    ("encoder", "sizes"),
    [
        (MIDIEncoder, [(42, 96), (21, 48), (11, 24), (6, 12), (3, 6), (2, 3), (1, 1)]),
        (AudioEncoder, [(64, 141), (32, 71), (16, 36), (8, 18), (4, 9), (2, 5), (1, 1)]),
    ],
)
def test_every_stage_halves_the_image(encoder, sizes):
    encoder = encoder(width=4).eval()
    filters = [4, 4, 4, 8, 16, 32, 32]
    steps = ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"]
    seen = []
    for name in steps:
        getattr(encoder, name).register_forward_hook(lambda _, __, out: seen.append(out.shape))
    encoder(images(2, *encoder.input_shape))
    assert [tuple(shape) for shape in seen] == [
        (2, f, *size) for f, size in zip(filters, sizes, strict=True)
    ]


def test_default_filters_are_those_of_the_paper():
    encoder = ResNet()
    assert encoder.conv1.weight.shape == (64, 1, 7, 7)
    stages = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
    for stage, filters in zip(stages, (64, 128, 256, 512), strict=True):
        assert stage[0].stride == 2
        assert stage[1].stride == 1
        assert stage[-1].bn2.num_features == filters
    assert encoder.fc.weight.shape == (128, 512)


@pytest.mark.parametrize("depth", [10, 18, 34])
def test_depth_counts_layers_with_weights(depth):
    layers = [
        name
        for name, layer in ResNet(width=2, depth=depth).named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and "downsample" not in name
    ]
    assert len(layers) == depth


@pytest.mark.parametrize("size", [(84, 192), (128, 282), (1, 1), (7, 500)])
def test_images_of_any_size_give_one_embedding_each(size):
    assert ResNet(width=4, depth=10, embedding=6).eval()(images(3, *size)).shape == (3, 6)


def test_embedding_does_not_depend_on_the_batch():
    encoder = stirred(MIDIEncoder(width=8)).eval()
    x = images(5)
    with torch.inference_mode():
        together, alone = encoder(x), torch.cat([encoder(one[None]) for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_normalize_scales_embeddings_to_unit_length():
    plain = stirred(ResNet(width=4, embedding=16)).eval()
    on_sphere = ResNet(width=4, embedding=16, normalize=True).eval()
    on_sphere.load_state_dict(plain.state_dict())
    x = images(3)
    for embedding, unit in zip(plain(x), on_sphere(x), strict=True):
        length = sum(v**2 for v in embedding.tolist()) ** 0.5
        assert unit.tolist() == pytest.approx([v / length for v in embedding.tolist()], abs=1e-5)


def test_gradient_agrees_with_finite_differences():
    encoder = stirred(ResNet(width=2, depth=10, embedding=3, normalize=True)).double().eval()
    for module in list(encoder.modules()):  # at a kink finite differences are wrong
        if hasattr(module, "relu"):
            module.relu = nn.Softplus()
    x = torch.rand(2, 1, 9, 12, dtype=torch.float64, requires_grad=True)
    assert gradcheck(encoder, (x,), atol=1e-6)


def test_every_weight_receives_a_gradient():
    encoder = ResNet(width=4, depth=10)
    encoder(images(4)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 50}, "depth must be one of 10, 18, 34, got 50"),
        ({"width": 0}, "must be at least 1, got 0, 128 and 1"),
        ({"strides": (2, 2, 2)}, "strides must be four numbers"),
        ({"strides": (2, 2, 2, 0)}, "strides must be four numbers"),
    ],
)
def test_invalid_argument_raises(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**arguments)


@pytest.mark.parametrize("shape", [(84, 192), (1, 84, 192), (2, 3, 84, 192)])
def test_image_of_another_shape_raises(shape):
    with pytest.raises(ValueError, match=r"MIDIEncoder takes \(batch, 1, height, width\), got"):
        MIDIEncoder(width=4, depth=10)(torch.zeros(shape))


def test_classifier_is_a_linear_layer_on_the_embedding():
    encoder = stirred(MIDIEncoder(width=4, depth=10, embedding=5)).eval()
    classifier = Classifier(encoder, ["Guitar", "Piano", "Bass"]).eval()
    x = images(2)
    for embedding, logits in zip(encoder(x).tolist(), classifier(x).tolist(), strict=True):
        for k, logit in enumerate(logits):
            weights = classifier.head.weight[k].tolist()
            expected = sum(w * e for w, e in zip(weights, embedding, strict=True))
            assert logit == pytest.approx(expected + classifier.head.bias[k].item(), abs=1e-5)
    assert classifier.encoder is encoder


@pytest.mark.parametrize("classes", [[], ["Piano"], ["Piano", "Piano"]])
def test_classifier_requires_two_different_classes(classes):
    with pytest.raises(ValueError, match="two or more different names"):
        Classifier(MIDIEncoder(width=4, depth=10), classes)


@pytest.mark.parametrize("kind", [ResNet, MIDIEncoder, AudioEncoder])
def test_encoder_round_trips_through_its_file_without_changing_the_random_state(tmp_path, kind):
    arguments = {
        "width": 4,
        "depth": 10,
        "embedding": 6,
        "normalize": True,
        "strides": (1, 2, 1, 2),
    }
    encoder = stirred(kind(**arguments)).to(memory_format=torch.channels_last)
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    before = torch.get_rng_state()
    loaded = load_encoder(tmp_path / "encoder.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert type(loaded) is kind
    assert loaded.config == encoder.config
    assert not loaded.training
    x = images(2)
    torch.testing.assert_close(loaded(x), encoder.eval()(x))
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.parameters())
    assert os.listdir(tmp_path) == ["encoder.safetensors"]


def test_user_defined_encoder_round_trips_through_its_file(tmp_path):
    class Tall(MIDIEncoder):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self.conv1 = torch.nn.Conv2d(1, self.config["width"], (25, 7), 2, (12, 3), bias=False)

    encoder = Tall(width=4, depth=10).eval()
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    loaded = load_encoder(tmp_path / "encoder.safetensors", MIDIEncoder)
    rolls = torch.rand(2, 1, 84, 192)
    assert type(loaded) is Tall
    assert torch.equal(loaded(rolls), encoder(rolls))


def test_classifier_round_trips_through_its_file(tmp_path):
    classes = ("Guitar", "Piano", "Überflöte")
    classifier = Classifier(stirred(AudioEncoder(width=4, depth=10)), classes).eval()
    save_classifier(tmp_path / "classifier.safetensors", classifier)
    loaded = load_classifier(tmp_path / "classifier.safetensors")
    x = images(2, 128, 282)
    assert torch.equal(loaded(x), classifier(x))
    assert loaded.classes == classes
    assert type(loaded.encoder) is AudioEncoder


def test_loaded_encoder_can_be_trained(tmp_path):
    save_encoder(tmp_path / "e", ResNet(width=4, depth=10))
    loaded = load_encoder(tmp_path / "e").train()
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    before = loaded.conv1.weight.detach().clone()
    loaded(images(4)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(loaded.conv1.weight, before)


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, ResNet(width=4, depth=10))
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_encoder(path, ResNet(width=8, depth=10))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["encoder.safetensors"]


LOADERS = pytest.mark.parametrize("load", [load_encoder, load_classifier])


@LOADERS
def test_missing_file_raises_with_its_path(tmp_path, load):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors: check the path"):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="check the path"):
        load(tmp_path)


def test_missing_folder_raises_with_its_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"create the folder .*nowhere first"):
        save_encoder(tmp_path / "nowhere" / "e.safetensors", ResNet(width=4, depth=10))


@LOADERS
@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_truncated_file_raises(tmp_path, load, keep):
    whole, cut = tmp_path / "whole", tmp_path / "cut.safetensors"
    save_encoder(whole, ResNet(width=4, depth=10))
    data = whole.read_bytes()
    cut.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(ValueError, match=r"cut\.safetensors is damaged .* copy it again"):
        load(cut)


@LOADERS
def test_pickle_is_rejected_and_never_executed(tmp_path, load):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"weights": Trap()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt is damaged or not a safetensors file"):
        load(tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()


@LOADERS
@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_file_of_another_program_raises(tmp_path, load, metadata):
    path = tmp_path / "bert.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, metadata)
    with pytest.raises(ValueError, match=r"bert\.safetensors is a safetensors file of another"):
        load(path)


def test_loading_a_file_of_another_kind_raises(tmp_path):
    encoder = ResNet(width=4, depth=10)
    save_encoder(tmp_path / "e", encoder)
    save_classifier(tmp_path / "c", Classifier(encoder, "ab"))
    with pytest.raises(ValueError, match="is a CAMIL encoder, not a CAMIL classifier"):
        load_classifier(tmp_path / "e")
    with pytest.raises(ValueError, match="is a CAMIL classifier, not a CAMIL encoder"):
        load_encoder(tmp_path / "c")


@pytest.mark.parametrize(
    "description",
    [
        [],
        {},
        {"class": "Module", "config": {}},
        {"class": "ResNet", "config": {"colour": 3}},
        {"class": "ResNet", "config": {"width": "4"}},
        {"class": "ResNet", "config": {"width": 8, "depth": 10}},
        {"class": "ResNet", "config": {"width": 100_000, "depth": 10}},
    ],
)
def test_description_that_does_not_match_the_weights_raises(tmp_path, description):
    path = tmp_path / "odd.safetensors"
    write_tensors(path, ResNet(width=4, depth=10).state_dict(), "encoder", description)
    with pytest.raises(ValueError, match=r"odd\.safetensors .*train the run again"):
        load_encoder(path)
