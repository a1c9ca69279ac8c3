"""Classifiers trained on the labels of a share of the training songs.

A linear probe reads the frozen embeddings of an encoder that was pre-trained on all training songs;
SIC trains the same architecture from random weights, and gradient-boosted trees read hand-crafted
features. All receive exactly the same labelled segments. Tables of their scores are in
`camil.evaluation.label_shares`.
"""

import io
import json
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import Classifier
from camil.encoders.hub import Encoder
from camil.encoders.resnet import MIDIEncoder
from camil.evaluation.baselines import BoostedTrees
from camil.evaluation.class_bias import adjusted, best_strength
from camil.evaluation.comparisons import SIC
from camil.evaluation.label_result import Result
from camil.evaluation.metrics import KEYS, SMALLEST_PROBABILITY, scores
from camil.evaluation.probing import FrozenEncoders, linear_probe, never_predict_absent
from camil.evaluation.tuning import train_on_labels
from camil.midi.features import segment_features
from camil.training.embed import embed
from camil.training.fit import best_epoch, fit
from camil.workbook.files import read_json, write_text
from camil.workbook.provenance import code_checksum
from camil.workbook.rooms import RUN
from camil.workbook.runs import weights_of

GBT = "GBT on segments"
VALIDATION_SEGMENTS = 3000  # at most so many choose an epoch or the strength of a probe
BEST = "validation_macro_f1"
# Train on labelled rows, given folder and settings of `fit`; returns logits of the validation and
# test segments, ``(rows, classes)``, and the epoch that was kept.
Train = Callable[[Tensor, dict[str, Any]], tuple[Tensor, int]]


class FewLabels:
    """Train classifiers on few labels and predict the test segments.

    Each result is stored in a JSON file as soon as it is computed, with everything it depends on:
    data, weights, parameters and code. A study that was interrupted reads those that are there; an
    interrupted training resumes from its checkpoint.

    Args:
        data: the corpus; its augmentation is used in training.
        folder: folder of the stored results.
        width, depth: architecture of SIC, see `MIDIEncoder`; use those of the pre-trained encoder.
        batch_size: segments per step.
        learning_rate: highest learning rate of SIC.
        seed: random seed of weights and batches, to which the number of the draw is added.
        validation_segments: at most so many segments of the validation songs, evenly spaced, choose
            the epoch of SIC and the strength of the probe.

    Attributes:
        validation, test: ``(rows,)`` int64, the segments that choose and those that are predicted.
        frozen: the pre-trained encoders.
    """

    def __init__(
        self,
        data: Corpus,
        folder: Path | str,
        *,
        width: int = 16,
        depth: int = 18,
        batch_size: int = 64,
        learning_rate: float = 0.001,
        seed: int = 0,
        validation_segments: int = VALIDATION_SEGMENTS,
    ):
        self.data, self.folder = data, Path(folder)
        self.width, self.depth, self.seed = width, depth, seed
        self.training = {"batch_size": batch_size, "learning_rate": learning_rate}
        self.validation = evenly_spaced(data.rows("validation"), validation_segments)
        self.test = data.rows("test")
        self._read = torch.cat([self.validation, self.test])
        self.frozen = FrozenEncoders(data)
        self._settings = {
            "corpus": data.identity["sha256"],
            "rolls": [data.onsets, data.velocity, str(data.augmentation)],
            "validation_segments": len(self.validation),
            "code": code_checksum(RUN),
        }

    def labelled(self, share: float, draw: int) -> Tensor:
        """The labelled segments: those of a share of the training songs.

        With the same draw, a smaller share is a subset of a larger one.

        Returns:
            ``(rows,)`` int64, ascending.

        Raises:
            ValueError: if they contain fewer than two classes.
        """
        rows = self.data.rows("train", share, draw)
        self.data.require_labels(rows)
        return rows

    def sic(self, share: float, draw: int, epochs: int) -> Result:
        """Train SIC from random weights."""
        shape = {"width": self.width, "depth": self.depth}
        settings = self.training | {"epochs": epochs, "seed": self.seed + draw}

        def train(rows: Tensor, kept: dict[str, Any]) -> tuple[Tensor, int]:
            torch.manual_seed(self.seed + draw)
            encoder = MIDIEncoder(**shape, channels=1 + self.data.onsets)
            head = Classifier(encoder, self.data.instruments.names).head
            never_predict_absent(head, self.data.labels[rows].cpu())
            return self._trained(encoder, head, rows, settings | kept)

        return self._result(SIC, share, draw, settings | shape, train)

    def probe(self, condition: str, run: Path | str, share: float, draw: int) -> Result:
        """Fit a linear probe to the frozen embeddings of a run of ``02_pretrain``."""

        def train(rows: Tensor, _: dict[str, Any]) -> tuple[Tensor, int]:
            return self.fit_probe(run, rows)(self.frozen.embeddings(run)[self._read]), 0

        return self._result(condition, share, draw, {"weights": weights_of(run)}, train)

    def fine_tuned(
        self,
        condition: str,
        run: Path | str,
        share: float,
        draw: int,
        epochs: int,
        learning_rate: float,
    ) -> Result:
        """Train a pre-trained encoder and its linear layer further, starting from the probe."""
        settings = self.training | {"epochs": epochs, "seed": self.seed + draw}
        settings |= {"learning_rate": learning_rate}

        def train(rows: Tensor, kept: dict[str, Any]) -> tuple[Tensor, int]:
            head = self.fit_probe(run, rows)
            return self._trained(self.frozen.load(run), head, rows, settings | kept)

        return self._result(condition, share, draw, settings | {"weights": weights_of(run)}, train)

    def trees(self, share: float, draw: int) -> Result:
        """Fit gradient-boosted trees to hand-crafted features, as ``08_baselines`` does."""

        def train(rows: Tensor, _: dict[str, Any]) -> tuple[Tensor, int]:
            labels = self.data.labels.cpu().numpy()
            learn, held_out, read = (
                one.cpu().numpy() for one in (rows, self.validation, self._read)
            )
            trees = BoostedTrees(len(self.data.instruments), self.seed + draw)
            trees.fit(self._features[learn], labels[learn],
                      self._features[held_out], labels[held_out])  # fmt: skip
            probabilities = trees.probabilities(self._features[read])
            return torch.from_numpy(np.log(probabilities.clip(SMALLEST_PROBABILITY))), 0

        return self._result(GBT, share, draw, {"seed": self.seed + draw}, train)

    @cached_property
    def _features(self) -> np.ndarray:
        """``(segments, features)`` float64, hand-crafted."""
        table = pq.read_table(self.data.folder / "segments.parquet")
        return segment_features(table).to_numpy(float)

    def fit_probe(self, run: Path | str, labelled: Tensor) -> nn.Linear:
        """Fit a linear layer to the embeddings of the labelled segments."""
        embeddings, labels = self.frozen.embeddings(run), self.data.labels
        known = embeddings[labelled], labels[labelled]
        held_out = embeddings[self.validation], labels[self.validation]
        return linear_probe(*known, *held_out, classes=len(self.data.instruments))

    def predictions(self, result: Result, corrected: bool = False) -> pd.DataFrame:
        """A table of predictions of the test segments, see `camil.evaluation.metrics`.

        Args:
            result: a result of this study.
            corrected: the predictions after the correction of class bias.
        """
        table = self.data.table.iloc[self.test.cpu().numpy()][list(KEYS)].reset_index(drop=True)
        names = self.data.instruments.names
        indices = result.corrected if corrected else result.predicted
        return table.assign(predicted=[names[index] for index in indices])

    def _trained(
        self, encoder: Encoder, head: nn.Linear, rows: Tensor, options: dict[str, Any]
    ) -> tuple[Tensor, int]:
        """Train an encoder and a linear layer with options of `fit`; returns as `Train` does."""
        classifier = Classifier(encoder, self.data.instruments.names)
        classifier.head = head
        train = partial(fit, rows=rows, best=BEST, **options)
        # A line per result is printed instead of one per epoch, which history.jsonl contains.
        with redirect_stdout(io.StringIO()):
            history = train_on_labels(
                self.data, classifier.to(self.data.device), train, self.validation
            )
        return embed(classifier, self.data.rolls, self._read), best_epoch(history, BEST)

    def _result(
        self, condition: str, share: float, draw: int, settings: dict[str, Any], train: Train
    ) -> Result:
        """The stored result, or a new one."""
        name = re.sub(r"\W+", "-", condition.lower()) + f"-{share:g}-draw{draw}"
        path = self.folder / f"{name}.json"
        settings = self._settings | settings | {"train_fraction": share, "draw": draw}
        if path.is_file():
            stored = read_json(path)
            if stored["settings"] == settings and stored["result"]["condition"] == condition:
                result = Result(**stored["result"])
                print(f"{result} (stored)")
                return result
        rows = self.labelled(share, draw)
        logits, epoch = train(rows, {"folder": self.folder / name, "settings": settings})
        logits, labels = logits.detach().cpu().numpy(), self.data.labels.cpu()
        validation, test = np.split(logits, [len(self.validation)])
        counts = torch.bincount(labels[rows.cpu()], minlength=logits.shape[1]).numpy()
        strength = best_strength(validation, labels[self.validation.cpu()].numpy(), counts)
        true, predicted = labels[self.test.cpu()].numpy(), test.argmax(axis=1)
        corrected = adjusted(test, counts, strength).argmax(axis=1)
        about = self.data.table["song"].iloc[rows.cpu().numpy()]
        result = Result(
            condition=condition,
            train_fraction=share,
            draw=draw,
            songs=about.nunique(),
            segments=len(rows),
            absent=self.data.require_labels(rows),
            best_epoch=epoch,
            macro_f1=scores(true, predicted)["macro_f1"],
            predicted=predicted.tolist(),
            strength=strength,
            corrected_macro_f1=scores(true, corrected)["macro_f1"],
            corrected=corrected.tolist(),
        )
        write_text(path, json.dumps({"settings": settings, "result": asdict(result)}) + "\n")
        shutil.rmtree(self.folder / name, ignore_errors=True)  # the checkpoint
        print(result, flush=True)
        return result


def run_of(runs: str, draw: int) -> str:
    """The run of a draw: the only one, or the one with the number of the draw.

    Args:
        runs: run folders, separated by commas.

    Raises:
        ValueError: if there are several runs, but none with this number.
    """
    folders = [folder.strip() for folder in runs.split(",")]
    if len(folders) == 1:
        return folders[0]
    if draw >= len(folders):
        raise ValueError(f"draw {draw} has no run among {runs}; name one run, or one per draw.")
    return folders[draw]


def evenly_spaced(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spaced: each song keeps about its share of them.

    Args:
        rows: ``(rows,)``.
        most: number of rows to keep; all are kept if there are no more.
    """
    if len(rows) <= most:
        return rows
    return rows[torch.arange(most, device=rows.device) * len(rows) // most]
