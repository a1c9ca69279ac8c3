"""Clusters of embeddings, as a classifier that names the cluster of an input."""

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import normalize

from camil.encoders import Classifier
from camil.encoders.hub import Encoder

SHARPNESS = 10.0  # factor of the cosines in the classifier's outputs; their order is independent


def cluster_classifier(
    encoder: Encoder, embeddings: Tensor, clusters: int, seed: int
) -> Classifier:
    """Cluster embeddings by k-means on the unit sphere.

    Args:
        encoder: the encoder whose embeddings are clustered; it must return them on the unit sphere.
        embeddings: ``(segments, embedding)``.
        clusters: number of clusters.
        seed: random seed of the initial centres.

    Returns:
        A classifier with one class per cluster, the most frequent first. Its weights are the
        directions of the centres, so the most probable class is the centre of largest cosine.

    Raises:
        ValueError: if there are fewer embeddings than clusters.
    """
    if len(embeddings) < clusters:
        raise ValueError(
            f"{len(embeddings)} segments cannot form {clusters} clusters; choose fewer, or use "
            "more songs"
        )
    points = normalize(embeddings.float()).cpu().numpy()
    found = KMeans(clusters, n_init=1, random_state=seed).fit(points)
    by_size = torch.bincount(torch.from_numpy(found.labels_).long(), minlength=clusters)
    order = by_size.argsort(descending=True, stable=True)
    centres = normalize(torch.from_numpy(found.cluster_centers_).float())[order]
    classifier = Classifier(encoder, [f"cluster {number}" for number in range(1, clusters + 1)])
    with torch.no_grad():
        classifier.head.weight.copy_(SHARPNESS * centres)
        classifier.head.bias.zero_()
    return classifier.to(embeddings.device)
