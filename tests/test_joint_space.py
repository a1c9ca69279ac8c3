"""Tests of the UMAP layout."""

import numpy as np
import pytest

from camil.evaluation.joint_space import umap_points


def test_umap_is_deterministic_per_seed_and_separates_clusters():
    generator = np.random.default_rng(0)
    embeddings = np.concatenate([generator.normal(centre, 0.1, (20, 8)) for centre in (0, 5)])
    points = umap_points(embeddings, seed=3)
    assert points.shape == (40, 2)
    np.testing.assert_array_equal(points, umap_points(embeddings, seed=3))
    first, second = points[:20], points[20:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > spread
    assert umap_points(embeddings[:4]).shape == (4, 2)
    with pytest.raises(ValueError, match="at least 4"):
        umap_points(embeddings[:3])
    with pytest.raises(ValueError, match="not finite"):
        umap_points(embeddings * np.nan)
