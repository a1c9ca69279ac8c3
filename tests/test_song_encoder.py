"""CAMIL+: invariances, saved files, labels and the training objective."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from camil.corpus.songs import Songs
from camil.encoders.song import LEVELS, Reading, SongEncoder, read_songs
from camil.encoders.song_ensemble import SongEnsemble, load_songs, save_songs
from camil.encoders.song_layers import PIECES, FeatureEncoding, pool
from camil.labelling.networks import load_labeller
from camil.losses.songs import SongLoss
from camil.midi.instruments import INSTRUMENTS
from camil.midi.score import read_midi

CPU = torch.device("cpu")


def encoder(songs, seed=0, **choices):
    torch.manual_seed(seed)
    network = SongEncoder(INSTRUMENTS, width=16, size=32, **choices)
    network.standardize(songs, torch.arange(12))
    return network.eval()


def shuffled_tracks(table):
    """The same songs, the tracks of each in another order."""
    rows = table.to_pandas().reset_index()
    parts = [part for _, part in rows.groupby(["song", "track"], sort=False)]
    parts.sort(key=lambda part: (part["song"].iloc[0], hash(part["track"].iloc[0][::-1])))
    return np.concatenate([part["index"].to_numpy() for part in parts])


def test_pooling_matches_slow_loops():
    values = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    group = torch.tensor([0] * 5 + [1] + [2] * 14)
    for number, row in enumerate(pool(values, group, 3)):
        mine = values[group == number].double().numpy()
        spread = np.sqrt(np.maximum(mine.var(axis=0), 1e-6))
        expected = np.r_[mine.mean(axis=0), mine.max(axis=0), spread, np.log(len(mine)) / 3]
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-5)


def piecewise(value, edges):
    """Gorishniy et al. (2022), equation 1, one piece at a time; moved to the middle and scaled."""
    encoded = []
    for low, high in itertools.pairwise(edges):
        share = min(max((value - low) / (high - low), 0), 1) if high > low else value >= high
        encoded.append((share - 0.5) * 1.5)
    return np.zeros(len(encoded)) if np.isnan(value) else encoded


def test_features_are_encoded_by_quantiles_of_the_training_songs(songs):
    network = encoder(songs)
    part = network.features["of_track"]
    known = songs.batch(torch.arange(12)).of_track.double().numpy()
    edges = np.nanquantile(known, np.linspace(0, 1, PIECES + 1), axis=0).T
    np.testing.assert_allclose(part.edges, edges, rtol=1e-4, atol=1e-4)
    features = songs.batch(torch.tensor([20])).of_track
    features[0, 5] = np.nan
    encoded = [
        np.concatenate([piecewise(*pair) for pair in zip(row, part.edges.numpy(), strict=True)])
        for row in features.numpy()
    ]
    weight, bias = (value.detach().numpy() for value in (part.linear.weight, part.linear.bias))
    expected = np.stack(encoded) @ weight.T + bias
    np.testing.assert_allclose(part(features).detach(), expected, atol=1e-4)


def test_features_that_no_training_song_has_are_not_used(songs):
    silent = songs.batch(torch.arange(12))
    silent.own[:] = torch.nan
    part = FeatureEncoding(silent.own.shape[1], 8).eval()
    part.standardize(silent.own)
    bias = part.linear.bias.expand(len(silent.own), -1)
    torch.testing.assert_close(part(torch.randn_like(silent.own)), bias)


def test_a_song_has_the_same_output_alone_and_in_a_batch(songs):
    network = encoder(songs)
    together, all_numbers = read_songs(network, songs, torch.arange(len(songs)), CPU)
    alone, numbers = read_songs(network, songs, torch.tensor([7]), CPU)
    for level, kind in (("segment", "segments"), ("track", "tracks"), ("song", "tracks")):
        where = torch.isin(all_numbers[kind], numbers[kind])
        torch.testing.assert_close(
            getattr(together, level)[where], getattr(alone, level), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("order", [False, True])
def test_without_order_the_output_is_independent_of_track_order(songs, segment_table, order):
    network = encoder(songs, order=order)
    rows = shuffled_tracks(segment_table)
    assert (rows != np.arange(len(rows))).any()
    read, _ = read_songs(network, songs, torch.arange(len(songs)), CPU)
    again, _ = read_songs(network, Songs(segment_table.take(rows)), torch.arange(len(songs)), CPU)
    torch.testing.assert_close(again.segment, read.segment[rows], atol=1e-5, rtol=1e-4)
    first = songs.first_segments().numpy()
    moved = [rows[number] for number in Songs(segment_table.take(rows)).first_segments()]
    index = np.searchsorted(first, moved)
    same = torch.allclose(again.song, read.song[index], atol=1e-5, rtol=1e-4)
    assert same != order


@pytest.mark.parametrize("velocity", [False, True])
def test_without_velocity_the_output_is_independent_of_velocities(songs, segment_table, velocity):
    network = encoder(songs, velocity=velocity)
    loud = segment_table["velocity"].combine_chunks()
    softer = pa.ListArray.from_arrays(loud.offsets, pc.divide(loud.flatten(), 2))
    changed = segment_table.set_column(
        segment_table.column_names.index("velocity"), "velocity", softer
    )
    read, _ = read_songs(network, songs, torch.arange(len(songs)), CPU)
    again, _ = read_songs(network, Songs(changed), torch.arange(len(songs)), CPU)
    assert torch.equal(again.song, read.song) != velocity


@pytest.mark.parametrize("performance", [False, True])
def test_without_performance_the_output_is_independent_of_it(songs, segment_table, performance):
    network = encoder(songs, performance=performance)
    silent = Songs(segment_table.drop_columns("whole"))
    chosen = torch.arange(len(songs))
    assert silent.features(chosen)["own"].isnan().all()
    assert not songs.features(chosen)["own"].isnan().all()
    read, _ = read_songs(network, songs, torch.arange(len(songs)), CPU)
    again, _ = read_songs(network, silent, torch.arange(len(songs)), CPU)
    assert torch.equal(again.segment, read.segment)
    assert torch.equal(again.track, read.track) != performance


def test_a_changed_track_affects_only_its_own_song(songs, segment_table):
    """Other notes in one track change the output for tracks of its song and of no other song."""
    network = encoder(songs)
    rows = segment_table.to_pandas()
    changed = rows["track"].eq(rows["track"].iloc[0]) & rows["song"].eq(rows["song"].iloc[0])
    rows.loc[changed, "pitch"] = rows.loc[changed, "pitch"].map(lambda pitches: pitches + 5)
    other = Songs(type(segment_table).from_pandas(rows, preserve_index=False))
    read, _ = read_songs(network, songs, torch.arange(len(songs)), CPU)
    again, _ = read_songs(network, other, torch.arange(len(songs)), CPU)
    moved = (read.song - again.song).abs().amax(1) > 1e-5
    of_first_song = torch.from_numpy(songs.song_of == 0)
    assert moved[of_first_song].all()
    assert not moved[~of_first_song].any()
    assert ((read.track - again.track).abs().amax(1) > 1e-5).sum() == 1


def test_an_ensemble_averages_log_probabilities_with_temperature(songs):
    members = [encoder(songs, seed) for seed in (0, 1)]
    ensemble = SongEnsemble(members, 2).eval()
    ensemble.temperatures["song"] = 2.0
    batch = songs.batch(torch.arange(4))
    with torch.no_grad():
        each = [member(batch).song.double().softmax(1).numpy() for member in members]
        found = ensemble(batch).song.exp().numpy()
    mean = np.sqrt(each[0] * each[1])
    mean = (mean / mean.sum(axis=1, keepdims=True)) ** 0.5
    np.testing.assert_allclose(found, mean / mean.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_saved_ensemble_has_the_same_output(songs, tmp_path):
    ensemble = SongEnsemble([encoder(songs, seed) for seed in (0, 1)], 2).eval()
    ensemble.temperatures = {"segment": 1.5, "track": 0.8, "song": 2.0}
    save_songs(tmp_path / "songs.safetensors", ensemble)
    loaded = load_songs(tmp_path / "songs.safetensors")
    assert (loaded.classes, loaded.temperatures) == (ensemble.classes, ensemble.temperatures)
    assert loaded.segments_per_track == 2
    batch = songs.batch(torch.arange(6))
    with torch.no_grad():
        for one, two in zip(ensemble(batch), loaded(batch), strict=True):
            torch.testing.assert_close(one.exp(), two.exp(), atol=5e-3, rtol=0)  # half precision


def test_a_damaged_file_raises(songs, tmp_path):
    path = tmp_path / "songs.safetensors"
    save_songs(path, SongEnsemble([encoder(songs)], 2))
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_songs(path)


def test_labels_of_a_file_equal_those_of_its_corpus(songs, tiny_corpus, tmp_path):
    """Reading the MIDI file and preprocessing it to a corpus give the same probabilities."""
    ensemble = SongEnsemble([encoder(songs)], 2).eval()
    save_songs(tmp_path / "songs.safetensors", ensemble)
    ensemble = load_songs(tmp_path / "songs.safetensors")
    labeller = load_labeller(tmp_path)
    number = 3
    score = read_midi(tiny_corpus / "midi" / f"{songs.song_names[number]}.mid")
    pitched = [track for track in score.tracks if not track.is_drum]
    labelled = labeller(pitched, score)
    read, _ = read_songs(ensemble, songs, torch.tensor([number]), CPU)
    assert len(labelled) == len(read.song)  # the demo's tracks are all of the eight classes
    for one, expected in zip(labelled, read.song.exp(), strict=True):
        np.testing.assert_allclose(one.track, expected, atol=1e-4)
        np.testing.assert_allclose(one.probabilities.sum(axis=1), 1, atol=1e-6)
        assert len(one.spans) == len(one.probabilities)


def adjusted(logits, labels, known, strength):
    """Menon et al. (2021), equation 10, one row at a time."""
    counts = np.maximum(np.bincount(known, minlength=logits.shape[1]), 1)
    logits = logits.double().numpy() + strength * np.log(counts / counts.sum())
    each = [np.log(np.exp(row).sum()) - row[i] for row, i in zip(logits, labels, strict=True)]
    return np.mean(each)


@pytest.mark.parametrize("programs", [0.0, 0.7])
def test_the_objective_sums_instruments_and_programs_of_all_levels(programs):
    torch.manual_seed(0)
    known, of_known = torch.tensor([0, 0, 1, 2, 2, -1, 2]), torch.tensor([3, 3, 40, 99, 99, 9, 98])
    objective = SongLoss(known, of_known, 3, 0.5, programs)
    labels, of_program, track = torch.tensor([2, 0, -1]), torch.tensor([99, 7, 9]), [0, 0, 1, 2, 2]
    reading = Reading(torch.randn(5, 3), torch.randn(3, 3), torch.randn(3, 3))
    of_programs = Reading(torch.randn(5, 128), torch.randn(3, 128), torch.randn(3, 128))
    found = objective(reading, of_programs, labels, of_program, torch.tensor(track))
    expected = 0.0
    for name, logits, program_logits in zip(LEVELS, reading, of_programs, strict=True):
        of = torch.tensor(track if name == "segment" else [0, 1, 2])
        one_of_the_classes = of < 2  # the last track belongs to none of them
        of_class = of[one_of_the_classes]
        expected += adjusted(logits[one_of_the_classes], labels[of_class], known[known >= 0], 0.5)
        expected += programs * adjusted(program_logits, of_program[of], of_known, 0.5)
    assert found.item() == pytest.approx(expected, rel=1e-5)
