"""Linear probe: a logistic regression on frozen embeddings."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

REGULARIZATION = (0.001, 0.01, 0.1, 1.0)  # scikit-learn's C, an inverse strength


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
        head.bias.fill_(-1e4)
        weight = weight / scaler.scale_
        head.weight[best.classes_] = torch.from_numpy(weight).float()
        head.bias[best.classes_] = torch.from_numpy(bias - weight @ scaler.mean_).float()
    return head.to(embeddings.device)
