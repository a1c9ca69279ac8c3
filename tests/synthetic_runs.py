"""Finished runs with synthetic predictions."""

import json

import numpy as np
import pandas as pd

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
