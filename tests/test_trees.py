"""Trees as tensors, against scikit-learn; and their features, against those of the corpus."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import log_softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from camil.corpus.songs import Songs
from camil.encoders.song import LEVELS, SongEncoder
from camil.encoders.song_ensemble import SongEnsemble, load_songs, save_songs
from camil.encoders.trees import features_of
from camil.midi.instruments import INSTRUMENTS
from camil.training.trees import as_tensors, fit_trees


def data(rows=600, features=6, classes=4, seed=0):
    """Features with missing values and with ties, and labels that depend on them."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, features)).round(1).astype(np.float32)
    labels = (values[:, 0] > 0) + 2 * (values[:, 1] + 0.3 * values[:, 2] > 0.2)
    values[generator.random(values.shape) < 0.15] = np.nan
    return values, labels % classes


@pytest.fixture(scope="module")
def fitted():
    values, labels = data()
    return HistGradientBoostingClassifier(max_iter=12, random_state=0).fit(values, labels)


def test_trees_return_the_probabilities_of_sklearn(fitted):
    values, _ = data(2500, seed=1)  # more than one pass of rows
    found = as_tensors(fitted, np.zeros(4))(torch.from_numpy(values))
    np.testing.assert_allclose(found.exp().numpy(), fitted.predict_proba(values), atol=1e-6)


def test_logit_adjustment_is_subtracted_from_the_scores(fitted):
    values, labels = data(50, seed=2)
    log_prior = 0.3 * np.log(np.bincount(labels) / len(labels))
    found = as_tensors(fitted, log_prior)(torch.from_numpy(values))
    expected = log_softmax(np.log(fitted.predict_proba(values)) - log_prior, axis=1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_values_at_thresholds_fall_to_the_same_side():
    """Neighbouring float32 values whose middle is no float32."""
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    values = np.repeat([low, high, np.float32(3)], 40)[:, None]
    labels = np.repeat([0, 1, 2], 40)
    classifier = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5).fit(values, labels)
    found = as_tensors(classifier, np.zeros(3))(torch.from_numpy(values))
    assert (found.argmax(1).numpy() == classifier.predict(values)).all()
    np.testing.assert_allclose(found.exp().numpy(), classifier.predict_proba(values), atol=1e-6)


def test_class_without_training_rows_is_never_predicted():
    values, labels = data(classes=4)
    classifier = HistGradientBoostingClassifier(max_iter=3).fit(values, labels * 2)
    found = as_tensors(classifier, np.zeros(8))(torch.from_numpy(values)).exp()
    assert found[:, 1::2].max() < 1e-6
    expected = classifier.predict_proba(values)
    np.testing.assert_allclose(found[:, ::2].numpy(), expected, atol=1e-6)


def test_two_classes_are_refused():
    values, labels = data(classes=2)
    classifier = HistGradientBoostingClassifier(max_iter=1).fit(values, labels)
    with pytest.raises(ValueError, match="three or more"):
        as_tensors(classifier, np.zeros(2))


def test_ensemble_averages_networks_and_trees_and_survives_its_file(tiny_corpus, tmp_path):
    songs = Songs(pq.read_table(tiny_corpus / "segments.parquet"))
    batch = songs.batch(torch.arange(6))
    torch.manual_seed(0)
    network = SongEncoder(INSTRUMENTS, width=8, size=16, programs=True).eval()
    trees = {}
    for level in LEVELS:
        features = features_of(batch, level)
        labels = torch.arange(len(features)) % len(INSTRUMENTS)
        trees[level] = fit_trees(features, labels, len(INSTRUMENTS), strength=0.3, rounds=2)
    with torch.no_grad():
        alone = SongEnsemble([network], 4)(batch)
        ensemble = SongEnsemble([network], 4, trees=trees).eval()
        for level, joint, of_network in zip(LEVELS, ensemble(batch), alone, strict=True):
            of_trees = trees[level](features_of(batch, level))
            expected = log_softmax(((of_network + of_trees) / 2).numpy(), axis=1)
            np.testing.assert_allclose(joint.numpy(), expected, atol=1e-5)
        save_songs(tmp_path / "songs.safetensors", ensemble)
        loaded = load_songs(tmp_path / "songs.safetensors")
        for name, buffer in trees["song"].named_buffers():
            assert torch.equal(loaded.trees["song"].get_buffer(name), buffer)
        np.testing.assert_allclose(loaded(batch).song, ensemble(batch).song, atol=0.02)  # half
        embedded = [network.embed(batch)]
        programs = ensemble.programs(embedded).exp().sum(1)
    np.testing.assert_allclose(programs, 1, atol=1e-5)


def test_song_features_are_those_of_the_table(tiny_corpus):
    """Columns in the documented order, and the order of tracks counted by hand."""
    songs = Songs(pq.read_table(tiny_corpus / "segments.parquet"))
    batch = songs.batch(torch.arange(3))
    found = features_of(batch, "song")
    assert found.shape == (len(batch.song), 177)
    counts = torch.bincount(batch.song).tolist()
    order = [[i / max(n - 1, 1), i, n] for n in counts for i in range(n)]
    np.testing.assert_allclose(found[:, -3:], order, atol=1e-6)
    np.testing.assert_array_equal(found[:, :105], batch.of_track)
