"""Pre-training of CAMIL+, compared with a corpus without the hidden notes and with slow loops."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch

from camil.corpus.hidden_notes import hide_notes
from camil.corpus.songs import Songs
from camil.encoders.song import SongEncoder
from camil.encoders.song_batch import FEATURES
from camil.midi.instruments import INSTRUMENTS
from camil.midi.segments import NOTE_COLUMNS
from camil.training.pretrain_songs import HiddenNotesTask, SoundTask, pretrain_songs

CPU = torch.device("cpu")


def everything(songs):
    return songs.batch(torch.arange(len(songs)))


def network(**changes):
    torch.manual_seed(0)
    return SongEncoder(INSTRUMENTS, width=8, size=16, **changes)


def without_notes(table, hidden):
    """The table without the hidden notes."""
    gone = set(zip(*(column.tolist() for column in hidden), strict=True))
    columns = {name: table[name].to_pylist() for name in NOTE_COLUMNS}
    for row in range(len(table)):
        notes = list(
            zip(*(columns[name][row] for name in ("pitch", "step", "length")), strict=True)
        )
        kept = [i for i, (p, s, n) in enumerate(notes) if (p - 24, s, n, row) not in gone]
        for name in NOTE_COLUMNS:
            columns[name][row] = [columns[name][row][i] for i in kept]
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, pa.array(values, table.schema.field(name).type))
    return table


def test_a_batch_with_hidden_notes_equals_one_of_songs_without_them(songs, segment_table):
    remaining, hidden = hide_notes(everything(songs), torch.Generator().manual_seed(1), share=0.4)
    assert len(hidden.pitch) / len(everything(songs).pitch) == pytest.approx(0.4, abs=0.05)
    expected = everything(Songs(without_notes(segment_table, hidden)))
    for name in ("pitch", "step", "length", "segment", "track", "song", "tempo"):
        assert torch.equal(getattr(remaining, name), getattr(expected, name)), name
    assert torch.allclose(remaining.notes, expected.notes, atol=1e-5)
    assert torch.allclose(remaining.loudness, expected.loudness, atol=1e-6)


def test_hand_crafted_features_do_not_tell_about_hidden_notes(songs):
    remaining, _ = hide_notes(everything(songs), share=0.4)
    assert all(getattr(remaining, name).isnan().all() for name in FEATURES)


@pytest.mark.parametrize(("share", "kept"), [(0.0, "all"), (1.0, "one per segment")])
def test_every_segment_keeps_a_note(songs, share, kept):
    batch = everything(songs)
    remaining, hidden = hide_notes(batch, share=share)
    counts = remaining.segment.bincount(minlength=len(batch.track))
    assert torch.equal(
        counts, batch.segment.bincount() if kept == "all" else torch.ones_like(counts)
    )
    assert len(hidden.pitch) + len(remaining.pitch) == len(batch.pitch)


def test_the_sound_of_a_track_is_the_mean_of_its_segments(songs):
    sounds = torch.randn(len(songs.track_of), 5)
    task = SoundTask(16, sounds, torch.from_numpy(songs.track_of))
    scaled = sounds.double().numpy() / np.linalg.norm(sounds.double(), axis=1, keepdims=True)
    for track in range(0, len(songs.song_of), 7):
        mean = scaled[songs.track_of == track].mean(0)
        assert task.of_tracks[track].tolist() == pytest.approx(
            mean / np.linalg.norm(mean), abs=1e-5
        )


def test_the_objective_on_sound_is_equation_4_at_every_level(songs):
    track_of = torch.from_numpy(songs.track_of)
    sounds = torch.nn.functional.normalize(torch.randn(len(track_of), 5))
    task = SoundTask(16, sounds, track_of)
    reader, batch = network().eval(), songs.batch(torch.tensor([5, 1, 9]))
    with torch.no_grad():
        found = task(reader, batch, torch.Generator().manual_seed(2)).item()
        embedded = reader.embed(batch)
    generator, expected = torch.Generator().manual_seed(2), 0.0
    for level, own in zip(
        ("segment", "track", "song"),
        (sounds[batch.segments], *[task.of_tracks[batch.tracks]] * 2),
        strict=True,
    ):
        layer = task.projections[level]
        parts = (getattr(embedded, level) @ layer.weight.T + layer.bias).double().detach().numpy()
        parts /= np.linalg.norm(parts, axis=1, keepdims=True)
        terms = []
        for part, sound, others in zip(
            parts, own.numpy(), task.negatives(len(own), generator).tolist(), strict=True
        ):
            terms.append(np.linalg.norm(part - sound) ** 2)
            for other in others:
                terms.append(max(0, 1 - np.linalg.norm(part - own[other].numpy())) ** 2)
        expected += np.mean(terms)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_single_segment_has_no_negatives(segment_table):
    row = segment_table.take([0])
    song, sounds = Songs(row), torch.randn(1, 5)
    task = SoundTask(16, sounds, torch.zeros(1, dtype=torch.int64))
    assert task(network().eval(), everything(song), torch.Generator()).item() == 0


@pytest.fixture(scope="module")
def splits(songs):
    return {"train": torch.arange(18), "validation": torch.arange(18, len(songs))}


@pytest.fixture(scope="module")
def octaves(songs):
    """A sound of each segment: the octave of its last note."""
    batch = everything(songs)
    last = batch.segment.bincount().cumsum(0) - 1
    return torch.nn.functional.one_hot(batch.pitch[last] // 12, 7).float()


def losses_of(task, songs, splits, epochs):
    reader = network(dropout=0.0)
    history = pretrain_songs(reader, task, songs, splits, CPU, epochs=epochs, seed=3)
    return reader, [line["validation_loss"] for line in history]


def test_hidden_notes_are_predicted_better_than_by_their_frequencies(songs, splits):
    task = HiddenNotesTask(16, partial(hide_notes, share=0.3))
    _, losses = losses_of(task, songs, splits, 80)
    train, validation = (songs.batch(splits[name]).pitch for name in ("train", "validation"))
    frequency = train.bincount(minlength=84) + 1
    assert min(losses) < -(frequency / frequency.sum()).log()[validation].mean() - 0.05


def test_sounds_are_matched_better_than_by_one_place_for_all(songs, splits, octaves):
    task = SoundTask(16, octaves, torch.from_numpy(songs.track_of))
    _, losses = losses_of(task, songs, splits, 80)
    batch, same = songs.batch(splits["validation"]), 0.0
    tracks = task.of_tracks[batch.tracks]
    for own in (octaves[batch.segments], tracks, tracks):
        distance = (own - torch.nn.functional.normalize(own.mean(0), dim=0)).norm(dim=1)
        pushed = (1 - distance).clamp(min=0).square().mean()
        same += (distance.square().mean() + 4 * pushed) / 5
    assert min(losses) < same - 0.05


def test_the_same_seed_pretrains_the_same_weights(songs, splits, octaves):
    def weights():
        torch.manual_seed(1)
        task = SoundTask(16, octaves, torch.from_numpy(songs.track_of))
        return losses_of(task, songs, splits, 5)[0].state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["note.0.weight"], network().state_dict()["note.0.weight"])
