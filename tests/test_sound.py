"""Sound without labels: pairs of one track, clusters, and notes that name their cluster."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from notebook_runs import run_notebook
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from camil.corpus import Corpus
from camil.encoders import load_classifier, load_encoder
from camil.encoders.resnet import AudioEncoder
from camil.losses import InfoNCE
from camil.midi.instruments import INSTRUMENTS
from camil.samplers import SameTrack
from camil.training.clusters import cluster_classifier
from camil.training.embed import embed
from camil.training.sound import SoundPretraining
from camil.workbook.files import read_json
from camil.workbook.parameters import ParameterError

TRACKS = torch.tensor([7, 2, 7, 5, 2, 7, 9])  # unsorted, with gaps; 5 and 9 occur once


def test_partners_are_the_other_segments_of_the_track():
    rows = torch.arange(len(TRACKS)).repeat(200)
    partners = SameTrack(TRACKS)(rows, torch.Generator().manual_seed(0))
    found = set(zip(rows.tolist(), partners.tolist(), strict=True))
    names = TRACKS.tolist()
    pairs = {(i, j) for i in range(7) for j in range(7) if i != j and names[i] == names[j]}
    assert found == pairs | {(3, 3), (6, 6)}


def test_partners_are_uniform():
    rows = torch.zeros(9000, dtype=torch.int64)
    partners = SameTrack(torch.zeros(10))(rows, torch.Generator().manual_seed(1))
    assert chisquare(torch.bincount(partners, minlength=10)[1:]).pvalue > 1e-3


def test_mask_leaves_out_segments_of_the_same_track():
    rows = torch.tensor([4, 0, 1, 5])
    expected = [[TRACKS[i] != TRACKS[j] for j in rows] for i in rows]
    assert SameTrack(TRACKS).different(rows).tolist() == expected


def test_tracks_of_a_corpus_number_its_pairs_of_song_and_track(tiny_corpus):
    data = Corpus(tiny_corpus)
    table = data.table.assign(number=data.tracks.numpy())
    assert (table.groupby(["song", "track"])["number"].nunique() == 1).all()
    assert table["number"].nunique() == len(table.groupby(["song", "track"]))


def test_step_is_infonce_between_segments_and_partners_without_their_own_track(tiny_corpus):
    data = Corpus(tiny_corpus)
    torch.manual_seed(0)
    encoder = AudioEncoder(4, 10, 8, normalize=True).eval()
    method = SoundPretraining(data, encoder, InfoNCE(0.1))
    rows = data.rows("train")[:24]
    partners = SameTrack(data.tracks)(rows, torch.Generator().manual_seed(3))
    anchors = embed(encoder, data.mels, rows).double().numpy()
    others = embed(encoder, data.mels, partners).double().numpy()
    names = (data.table["song"] + data.table["track"]).to_numpy()[rows]
    similar = np.exp(anchors @ others.T / 0.1)
    count = (names[:, None] != names) | np.eye(24, dtype=bool)
    own = similar.diagonal()
    to_partner = -np.log(own / (similar * count).sum(axis=1)).mean()
    to_anchor = -np.log(own / (similar * count).sum(axis=0)).mean()
    found = method.step(rows, torch.Generator().manual_seed(3)).item()
    assert found == pytest.approx((to_partner + to_anchor) / 2, rel=2e-2)  # bfloat16


def test_cluster_classifier_names_the_centre_of_largest_cosine():
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(8)[:3]
    sizes = (50, 30, 20)
    points = torch.cat([c + 0.1 * torch.randn(n, 8, generator=generator)
                        for c, n in zip(centres, sizes, strict=True)])  # fmt: skip
    encoder = AudioEncoder(2, 10, 8, normalize=True)
    classifier = cluster_classifier(encoder, points, 3, seed=0)
    assert classifier.classes == ("cluster 1", "cluster 2", "cluster 3")
    named = classifier.head(torch.nn.functional.normalize(points)).argmax(1)
    assert named.tolist() == [0] * 50 + [1] * 30 + [2] * 20  # the most frequent first
    nearest = cdist(points, classifier.head.weight.detach(), "cosine").argmin(axis=1)
    assert (named.numpy() == nearest).all()


def test_more_clusters_than_segments_is_an_error():
    with pytest.raises(ValueError, match="2 segments cannot form 3 clusters"):
        cluster_classifier(AudioEncoder(2, 10, 8), torch.rand(2, 8), 3, seed=0)


@pytest.fixture(scope="module")
def permuted(tiny_corpus, tmp_path_factory):
    """The tiny corpus with its labels permuted among the segments."""
    folder = tmp_path_factory.mktemp("permuted") / "corpus"
    shutil.copytree(tiny_corpus, folder)
    table = pq.read_table(folder / "segments.parquet").to_pandas()
    order = np.random.default_rng(0).permutation(len(table))
    assert (table["instrument"].to_numpy() != table["instrument"].to_numpy()[order]).mean() > 0.7
    for column in ("instrument", "program"):
        table[column] = table[column].to_numpy()[order]
    table.to_parquet(folder / "segments.parquet", index=False)
    return folder


def chain(corpus, folder):
    """Sound alone, then the notes that learn from its clusters or from its encoder."""
    sound, clusters, encoder = folder / "sound", folder / "clusters", folder / "encoder"
    run_notebook("02c_sound", corpus=str(corpus), run=str(sound), clusters=6)
    given = {"corpus": str(corpus), "pretrained_audio": str(sound)}
    run_notebook("02_pretrain", run=str(clusters), objective="distill-clusters", **given)
    run_notebook("02_pretrain", run=str(encoder), negatives="random", **given)
    return sound, clusters, encoder


@pytest.fixture(scope="module")
def trained(tiny_corpus, tmp_path_factory):
    return chain(tiny_corpus, tmp_path_factory.mktemp("chain"))


def test_permuted_labels_give_the_same_bits(trained, permuted, tmp_path):
    for ours, theirs in zip(trained, chain(permuted, tmp_path), strict=True):
        for file in sorted(ours.glob("*coder.safetensors")) + sorted(ours.glob("classifier.*")):
            one, other = (load(file), load(theirs / file.name))
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one), file


def test_notes_learn_from_a_frozen_audio_encoder(trained):
    sound, _, encoder = trained
    kept, before = load(encoder / "audio_encoder.safetensors"), load(sound / "encoder.safetensors")
    assert all(torch.equal(kept[name], before[name]) for name in before)


def load(file):
    kind = load_classifier if file.stem == "classifier" else load_encoder
    return kind(file).state_dict()


def test_encoder_without_labels_can_be_probed_and_fine_tuned(trained, tiny_corpus, tmp_path):
    sound, clusters, encoder = trained
    for name, pretrained, negatives, given in (
        ("sound", sound, "", {"modality": "audio", "freeze": True}),
        ("clusters", clusters, "", {"freeze": True}),
        ("tuned", clusters, "", {}),
        ("encoder", encoder, "random", {"freeze": True}),
    ):
        run, given = tmp_path / name, given | {"pretrained": str(pretrained)}
        run_notebook("03_classify", corpus=str(tiny_corpus), run=str(run), **given)
        predictions = pd.read_parquet(run / "predictions.parquet")
        assert set(predictions["predicted"]) <= set(INSTRUMENTS)
        assert read_json(run / "metrics.json")["negatives"] == negatives


def test_clusters_are_no_labels_for_distillation(trained, tiny_corpus, tmp_path):
    with pytest.raises(ParameterError, match=r"cluster 1, .*Use distill-clusters"):
        run_notebook("02_pretrain", corpus=str(tiny_corpus), run=str(tmp_path),
                     objective="distill", pretrained_audio=str(trained[0]))  # fmt: skip


def test_left_out_programs_are_in_no_training_batch(tiny_corpus, tmp_path):
    data = Corpus(tiny_corpus)
    kept = data.leave_out(data.rows("train"), [33, 0])
    program = data.table["program"].to_numpy()
    expected = [row for row in data.rows("train").tolist() if program[row] not in (0, 33)]
    assert kept.tolist() == expected
    assert len(expected) < len(data.rows("train"))
    ran = run_notebook("02_pretrain", corpus=str(tiny_corpus), run=str(tmp_path / "run"),
                       leave_out_programs=[33, 0], negatives="class")  # fmt: skip
    assert ran["train"].tolist() == expected
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["parameters"]["leave_out_programs"] == [33, 0]
