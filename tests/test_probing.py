"""The linear probe against scikit-learn's logistic regression."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from camil.evaluation.probing import REGULARIZATION, linear_probe


def blobs(classes: int, seed: int = 0):
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=300)
    points = random.normal(size=(300, 6)) * [1, 5, 0.1, 1, 1, 1] + labels[:, None] + 3
    return torch.from_numpy(points).float(), torch.from_numpy(labels)


def test_probe_equals_scikit_learns_classifier_with_the_scaling_folded_in():
    points, labels = blobs(4)
    head = linear_probe(points, labels, points, labels, classes=4)
    ours = head(points).softmax(1).detach().numpy()
    references = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        .fit(points.numpy(), labels.numpy())
        .predict_proba(points.numpy())
        for c in REGULARIZATION
    ]
    assert min(np.abs(ours - one).max() for one in references) < 1e-3


def test_two_classes_and_unused_classes_are_supported():
    points, labels = blobs(2)
    labels = torch.where(labels == 0, 2, 5)
    head = linear_probe(points, labels, points, labels, classes=8)
    probabilities = head(points).softmax(1).detach()
    reference = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        .fit(points.numpy(), labels.numpy())
        .predict_proba(points.numpy())[:, 1]
        for c in REGULARIZATION
    ]
    assert min(np.abs(probabilities[:, 5].numpy() - one).max() for one in reference) < 1e-3
    assert probabilities[:, [0, 1, 3, 4, 6, 7]].max() < 1e-6
