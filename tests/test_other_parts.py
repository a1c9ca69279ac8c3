"""Parts of no instrument: labels, probabilities and scores, against counts and pairs."""

import numpy as np
import pytest
import torch

from camil.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.song import SongEncoder
from camil.encoders.song_ensemble import SongEnsemble
from camil.evaluation.song_study import other_probabilities, other_scores
from camil.labelling.networks import SongLabeller
from camil.midi.instruments import FAMILIES
from camil.midi.score import read_midi


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return Corpus(tiny_corpus)


@pytest.fixture(scope="module")
def ensemble():
    table = FAMILIES.without("Strings")
    torch.manual_seed(0)
    network = SongEncoder(table.names, width=8, size=16, programs=True)
    network.log_prior.copy_(torch.randn(128))
    return SongEnsemble([network], 2, table.to_json(), other=True).eval()


def test_table_without_a_class_keeps_the_order_and_frees_its_programs():
    table = FAMILIES.without("Strings")
    assert table.names == tuple(name for name in FAMILIES.names if name != "Strings")
    assert table.other_programs == [*range(8, 16), *range(40, 56), *range(80, 128)]
    assert FAMILIES.without("") == FAMILIES
    with pytest.raises(ValueError, match="'Harp' is not a class"):
        FAMILIES.without("Harp")


def test_labels_without_a_class_name_the_same_classes(corpus):
    table, labels = corpus.without("Piano")
    named = [table.names[index] if index >= 0 else "Piano" for index in labels.tolist()]
    assert named == corpus.table["instrument"].tolist()


def test_probability_is_the_sum_over_the_programs_of_no_class(tiny_corpus, ensemble):
    songs = Songs.of_corpus(tiny_corpus)
    found, tracks = other_probabilities(ensemble, songs, torch.arange(5))
    batch = songs.batch(torch.arange(5))
    member = ensemble.members[0]
    with torch.no_grad():
        embedded = member.embed(batch).song
    logits = member.programs["song"](embedded).detach().double() + member.log_prior.double()
    inside = [program for one in FAMILIES.without("Strings") for program in one.programs]
    expected = 1 - logits.softmax(1)[:, inside].sum(1)
    assert torch.equal(tracks, batch.tracks)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_scores_match_counted_pairs(tiny_corpus, corpus, ensemble):
    songs = Songs.of_corpus(tiny_corpus)
    _, labels = corpus.without("Strings")
    labels = labels[songs.first_segments()]
    chosen = torch.arange(8)
    probabilities, tracks = other_probabilities(ensemble, songs, chosen)
    found = other_scores(ensemble, songs, chosen, labels)
    is_other = (labels[tracks] < 0).tolist()
    pairs = [
        (p > q) + 0.5 * (p == q)
        for p, of_none in zip(probabilities.tolist(), is_other, strict=True)
        for q, of_none_too in zip(probabilities.tolist(), is_other, strict=True)
        if of_none and not of_none_too
    ]
    assert found["tracks"] == sum(is_other)
    assert found["auc"] == pytest.approx(np.mean(pairs))
    answered = [p >= 0.5 for p in probabilities.tolist()]
    both = [a and b for a, b in zip(answered, is_other, strict=True)]
    assert found["recall"] == pytest.approx(sum(both) / sum(is_other))


def test_labeller_returns_programs_and_the_probability_of_no_class(tiny_corpus, ensemble):
    score = read_midi(sorted((tiny_corpus / "midi").glob("*.mid"))[0])
    pitched = [track for track in score.tracks if not track.is_drum]
    readings = SongLabeller(ensemble)(pitched, score)
    for reading in readings:
        assert reading.programs.sum() == pytest.approx(1)
        strings = reading.programs[40:56].sum()
        assert reading.other == pytest.approx(
            strings + reading.programs[8:16].sum() + reading.programs[80:].sum()
        )
        assert reading.track.sum() == pytest.approx(1)


def test_labeller_without_such_training_says_nothing_of_other_parts(tiny_corpus):
    ensemble = SongEnsemble([SongEncoder(FAMILIES.names, 8, 8)], 2).eval()
    score = read_midi(sorted((tiny_corpus / "midi").glob("*.mid"))[0])
    pitched = [track for track in score.tracks if not track.is_drum]
    for reading in SongLabeller(ensemble)(pitched, score):
        assert np.isnan(reading.other)
        assert reading.programs is None
