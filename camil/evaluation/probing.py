"""Frozen MIDI encoders of finished runs, and the linear probe: a logistic regression."""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from camil.corpus.corpus import Corpus
from camil.encoders.hub import Encoder, load_encoder
from camil.training.embed import embed
from camil.workbook.files import read_json

REGULARIZATION = (0.001, 0.01, 0.1, 1.0)  # scikit-learn's C, an inverse strength
NEVER = -1e4  # bias of a class without a label, which is then never predicted


def linear_probe(
    embeddings: Tensor, labels: Tensor, validation: Tensor, validation_labels: Tensor, classes: int
) -> nn.Linear:
    """Fit a multinomial logistic regression; its strength is chosen on the validation songs.

    Args:
        embeddings, labels: training segments.
        validation, validation_labels: embeddings and labels of the validation segments.
        classes: number of outputs; a class that does not occur in ``labels`` is never predicted.

    Shape:
        embeddings, validation: ``(rows, embedding)``. labels, validation_labels: ``(rows,)`` int64.

    Returns:
        A linear layer on unscaled embeddings, on their device: the standardization that helps the
        fit is folded into its weights.
    """
    scaler = StandardScaler().fit(embeddings.cpu().double().numpy())
    train, held_out = (scaler.transform(x.cpu().double().numpy()) for x in (embeddings, validation))
    target, held_out_target = labels.cpu().numpy(), validation_labels.cpu().numpy()
    fits = [LogisticRegression(C=c, max_iter=1000).fit(train, target) for c in REGULARIZATION]
    score = [f1_score(held_out_target, fit.predict(held_out), average="macro") for fit in fits]
    best = fits[int(np.argmax(score))]
    # scikit-learn has one row of weights for two classes, and one per class from three on.
    weight = best.coef_ if len(best.classes_) > 2 else np.concatenate([-best.coef_, best.coef_]) / 2
    bias = best.intercept_ if len(best.classes_) > 2 else np.r_[-1, 1] * best.intercept_ / 2
    head = nn.Linear(embeddings.shape[1], classes)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(NEVER)
        weight = weight / scaler.scale_
        head.weight[best.classes_] = torch.from_numpy(weight).float()
        head.bias[best.classes_] = torch.from_numpy(bias - weight @ scaler.mean_).float()
    return head.to(embeddings.device)


def never_predict_absent(head: nn.Linear, labels: Tensor) -> None:
    """Lower the bias of the classes without a label so far that they are never predicted.

    Their probability is 0, so training does not change their weights. `linear_probe` does the same.

    Args:
        labels: ``(rows,)`` int64, all labels of the training.
    """
    present = torch.bincount(labels, minlength=head.out_features) > 0
    with torch.no_grad():
        head.bias[~present] = NEVER


class FrozenEncoders:
    """The encoders of some runs; each embeds the corpus once, when it is first needed.

    Args:
        data: the corpus that the runs were made from.
    """

    def __init__(self, data: Corpus):
        self.data = data
        self._embeddings: dict[str, Tensor] = {}

    def load(self, run: Path | str) -> Encoder:
        """The MIDI encoder of a run, on the device of the corpus.

        Raises:
            FileNotFoundError: if the folder contains no finished run.
            ValueError: if the run was made from another corpus or with other piano rolls.
        """
        record = read_json(Path(run) / "run.json")
        if record["corpus"]["sha256"] != self.data.identity["sha256"]:
            raise ValueError(
                f"{run} was trained on another corpus ({record['corpus']['folder']}), perhaps on "
                f"test songs of {self.data.folder}; name runs of {self.data.folder}."
            )
        stated = {name: record["parameters"].get(name, False) for name in ("onsets", "velocity")}
        if stated != {"onsets": self.data.onsets, "velocity": self.data.velocity}:
            raise ValueError(
                f"{run} reads piano rolls with {stated}, unlike the first run; compare runs with "
                "the same piano rolls."
            )
        path = Path(run) / "encoder.safetensors"
        return load_encoder(path, modality="midi").to(self.data.device)

    def embeddings(self, run: Path | str) -> Tensor:
        """``(segments, embedding)`` of all segments of the corpus; raises as `load` does."""
        if str(run) not in self._embeddings:
            every_row = torch.arange(len(self.data), device=self.data.device)
            self._embeddings[str(run)] = embed(self.load(run), self.data.rolls, every_row)
        return self._embeddings[str(run)]
