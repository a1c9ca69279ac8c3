"""UMAP layout of the joint embedding space."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camil.workbook.extras import optional

SMALLEST = 4  # points; UMAP needs at least as many
NEIGHBOURS = 15  # UMAP's n_neighbors; fewer where there are fewer points


def umap_points(embeddings: ArrayLike, seed: int = 0) -> NDArray[np.float32]:
    """Lay embeddings out in the plane with UMAP (McInnes, Healy & Melville, 2018).

    Distances are Euclidean, as in the contrastive loss. The first call of a process compiles
    numba code, which takes some seconds.

    Args:
        embeddings: embeddings of MIDI, audio or both.
        seed: random state of UMAP; the same seed gives the same points.

    Shape:
        embeddings: ``(points, embedding)``. Returns ``(points, 2)`` float32.

    Raises:
        ValueError: if there are fewer than 4 points or a value is not finite.
    """
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.ndim != 2 or len(embeddings) < SMALLEST:
        raise ValueError(
            f"UMAP needs (points, embedding) with at least {SMALLEST} points, "
            f"got {embeddings.shape}"
        )
    if not np.isfinite(embeddings).all():
        raise ValueError(
            "embeddings contain values that are not finite: the encoders have diverged"
        )
    umap = optional("umap", "The map of a joint space")  # importing numba takes seconds
    neighbours = min(NEIGHBOURS, len(embeddings) - 1)
    # A fixed seed requires one job. The spectral initialization fails on few points, PCA does not.
    reducer = umap.UMAP(n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
    return reducer.fit_transform(embeddings)
