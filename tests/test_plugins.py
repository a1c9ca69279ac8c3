"""A source, a loss and an encoder from outside the package, found by their entry points."""

import subprocess
import sys

import pytest
from notebook_runs import environment_with_package, execute

from camil.workbook.files import read_json

TOY = '''
"""A module with a user-defined source, objective and encoder."""

from pathlib import Path

import numpy as np
import torch

from camil.encoders import Encoder, EncoderPair
from camil.losses import Objective
from camil.midi import INSTRUMENTS, Segment
from camil.midi.instruments import FAMILIES
from camil.sources.protocol import Song, TrackSegments


class Scales:
    """Songs in which each instrument plays a scale in its own register."""

    name, reads_folder, sample_rate, instruments = "scales", False, 16000, FAMILIES

    def __init__(self, folder, songs=12):
        self.size = songs

    def songs(self):
        return [Song(f"song-{i:02d}", Path("none"), f"song-{i:02d}") for i in range(self.size)]

    def read(self, song):
        return [self._track(number, name, song) for number, name in enumerate(INSTRUMENTS)]

    def _track(self, number, name, song):
        pitch = 30 + 8 * number + np.arange(8)
        step = np.arange(8) * 24
        notes = pitch, step, np.full(8, 20), np.full(8, 90)
        segments = [Segment(8.0 * i, 8.0 * i + 8, 4.0 * i, 4.0 * i + 4, 120.0, *notes)
                    for i in range(2)]
        tone = np.sin(np.arange(64000) * (0.02 + 0.02 * number)).astype(np.float32)
        return TrackSegments(f"{number:02d}-{name}", name, 0, "sine", segments, lambda _: tone)

    def sketch(self, song):
        return []

    def description(self):
        return {"songs": self.size, "licence": "MIT"}


class SquaredDistance(Objective):
    """Mean squared distance of notes and sound, with a learnt scale."""

    def __init__(self, margin=1.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(margin))

    def on_batch(self, midi, audio, batch):
        return (midi - audio).square().sum(1).mean() + self.scale.square() / len(batch)


class _Pooled(Encoder):
    def __init__(self, width=4, depth=10, embedding=8, channels=1, normalize=False):
        super().__init__()
        self.config = {"width": width, "depth": depth, "embedding": embedding,
                       "channels": channels, "normalize": normalize}
        self.fc = torch.nn.Linear(channels * self.input_shape[0], embedding)

    def forward(self, images):
        x = self.fc(images.mean(3).flatten(1))
        return torch.nn.functional.normalize(x, dim=1) if self.config["normalize"] else x


class PooledMIDI(_Pooled):
    modality, input_shape = "midi", (84, 192)


class PooledAudio(_Pooled):
    modality, input_shape = "audio", (128, 282)


POOLED = EncoderPair(PooledMIDI, PooledAudio)
'''
ENTRY_POINTS = """
[camil.sources]
scales = toy_camil:Scales
[camil.losses]
squared = toy_camil:SquaredDistance
[camil.encoders]
pooled = toy_camil:POOLED
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Environment variables with which Python finds the toy package as if it were installed."""
    folder = tmp_path_factory.mktemp("toy")
    return environment_with_package(folder, "toy-camil", TOY, ENTRY_POINTS)


def test_notebooks_run_with_a_source_a_loss_and_an_encoder_from_outside(tmp_path, environment):
    corpus, joint, run = (str(tmp_path / name) for name in ("corpus", "joint", "run"))
    made = {"dataset": "scales", "corpus": corpus, "songs": 12, "figure": f"{tmp_path}/segment"}
    execute("01_preprocess", tmp_path, made, environment)
    assert read_json(f"{corpus}/corpus.json")["source"]["name"] == "scales"
    sizes = {"encoder": "pooled", "epochs": 1, "batch_size": 16, "embedding": 8, "device": "cpu"}
    trained = {"corpus": corpus, "run": joint, "objective": "squared"} | sizes
    execute("02_pretrain", tmp_path, trained, environment)
    assert read_json(f"{joint}/run.json")["parameters"]["objective"] == "squared"
    frozen = {"corpus": corpus, "run": run, "pretrained": joint, "freeze": True}
    execute("03_classify", tmp_path, frozen, environment)
    metrics = read_json(f"{run}/metrics.json")
    assert metrics["macro_f1"] > 0.9  # each instrument has its own register


def test_supervised_classifier_trains_with_an_encoder_from_outside(tmp_path, environment):
    corpus, run = str(tmp_path / "corpus"), str(tmp_path / "sic")
    made = {"dataset": "scales", "corpus": corpus, "songs": 12, "figure": f"{tmp_path}/segment"}
    execute("01_preprocess", tmp_path, made | {"audio": False}, environment)
    sizes = {"encoder": "pooled", "epochs": 1, "batch_size": 16, "embedding": 8, "device": "cpu"}
    execute("03_classify", tmp_path, {"corpus": corpus, "run": run} | sizes, environment)
    assert read_json(f"{run}/run.json")["parameters"]["encoder"] == "pooled"


def test_encoder_from_outside_is_loaded_in_a_process_that_has_not_imported_it(
    tmp_path, environment
):
    script = (
        "from camil.encoders import ENCODERS, load_encoder, save_encoder\n"
        "save_encoder('encoder.safetensors', ENCODERS['pooled'].midi())"
    )
    for code in (script, "from camil import load_encoder; load_encoder('encoder.safetensors')"):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
