"""Finished runs with synthetic predictions, or with untrained networks."""

import json

import numpy as np
import pandas as pd
import torch

from camil.encoders.classifier import Classifier, save_classifier
from camil.encoders.hub import save_encoder
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.evaluation.finished_runs import FinishedRun
from camil.midi.instruments import INSTRUMENTS

CLASSES = ("Piano", "Bass", "Pipe")
PRETRAINED = {
    "objective": "contrastive", "negatives": "class", "pretrained_audio": "", "train_audio": False,
    "margin": 1.0, "embedding": 128, "train_fraction": 1.0, "shuffled": False,
}  # fmt: skip


def leave(folder, name, seed=0, right=None, **parameters):
    """Write a finished run; of 03_classify if `right`, the share of correct labels, is given."""
    run = folder / f"{name}-seed{seed}"
    run.mkdir(parents=True)
    for key in ("pretrained", "pretrained_audio"):
        if parameters.get(key):
            parameters[key] = f"elsewhere/{parameters[key]}-seed{seed}"
    record = {"parameters": parameters | {"seed": seed}, "corpus": {"folder": "corpora/real"}}
    (run / "run.json").write_text(json.dumps(record))
    if right is None:
        return None
    random = np.random.default_rng([seed, int(100 * right)])
    true = np.array(CLASSES)[np.arange(120) % 3]
    wrong = np.array(CLASSES)[random.integers(3, size=120)]
    table = pd.DataFrame({
        "song": [f"song-{i % 12}" for i in range(120)],
        "track": [f"{i % 12}-{i % 3}" for i in range(120)],
        "start_beat": np.arange(120) * 8.0,
        "instrument": true,
        "predicted": np.where(random.random(120) < right, true, wrong),
    })  # fmt: skip
    table.to_parquet(run / "predictions.parquet")
    metrics = {"condition": parameters.get("condition", name)}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return table


def classify(folder, name, pretrained="", seed=0, right=0.5, freeze=True, modality="midi", **more):
    given = {"modality": modality, "pretrained": pretrained, "freeze": freeze, "embedding": 128}
    return leave(folder, name, seed, right, **given | {"train_fraction": 1.0} | more)


def untrained_pair(folder, corpus, name, seed=0, **changed):
    """A run of 02_pretrain with two untrained encoders."""
    run = folder / f"{name}-seed{seed}"
    run.mkdir()
    torch.manual_seed(seed)
    save_encoder(run / "encoder.safetensors", MIDIEncoder(4, 10, 8, normalize=True))
    save_encoder(run / "audio_encoder.safetensors", AudioEncoder(4, 10, 8, normalize=True))
    made = PRETRAINED | {"negatives": "random", "seed": seed} | changed
    return FinishedRun(run, {"parameters": made, "corpus": {"folder": str(corpus)}}, {})


def untrained_classifier(folder, corpus, modality="midi", seed=0):
    """A run of 03_classify with an untrained classifier."""
    run = folder / f"{modality}-seed{seed}"
    run.mkdir()
    torch.manual_seed(seed)
    encoder = {"midi": MIDIEncoder, "audio": AudioEncoder}[modality](4, 10, 8)
    save_classifier(run / "classifier.safetensors", Classifier(encoder, INSTRUMENTS))
    record = {"parameters": {"seed": seed}, "corpus": {"folder": str(corpus)}}
    return FinishedRun(run, record, {"condition": modality})
