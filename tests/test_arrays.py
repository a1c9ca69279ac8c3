"""The memory-mapped arrays of a corpus."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from camil.corpus.arrays import arrays_of, mapped, open_arrays
from camil.corpus.songs import Songs


@pytest.fixture(scope="module")
def table(tiny_corpus):
    return pq.read_table(tiny_corpus / "segments.parquet")


@pytest.fixture
def copy(tiny_corpus, tmp_path):
    """A copy of the corpus without arrays."""
    folder = tmp_path / "copy"
    ignored = shutil.ignore_patterns("arrays", "midi", "mels.npy")
    return shutil.copytree(tiny_corpus, folder, ignore=ignored)


def assert_equal(paths, expected):
    assert paths.keys() == expected.keys()
    for name, path in paths.items():
        found = mapped(path)
        assert (found.dtype, found.shape) == (expected[name].dtype, expected[name].shape), name
        np.testing.assert_array_equal(found, expected[name], err_msg=name)


def test_arrays_written_part_by_part_equal_those_of_the_whole_corpus(tiny_corpus, table):
    assert_equal(open_arrays(tiny_corpus), arrays_of(table))


def test_a_song_has_the_same_arrays_alone(table):
    together = arrays_of(table)
    names = table["song"].to_pylist()
    rows = [row for row, name in enumerate(names) if name == names[0]]
    alone = arrays_of(table.take(rows))
    for name, array in alone.items():
        np.testing.assert_array_equal(array, together[name][: len(array)], err_msg=name)


def test_missing_arrays_are_computed_once_and_kept(copy, table, monkeypatch):
    monkeypatch.setattr("camil.corpus.arrays.READ_ROWS", 7)
    assert_equal(open_arrays(copy), arrays_of(table))
    monkeypatch.setattr("camil.corpus.arrays.arrays_of", None)
    assert_equal(open_arrays(copy), arrays_of(table))
    assert sorted(path.name for path in copy.iterdir() if path.name.startswith(".arrays")) == []


def test_arrays_of_other_segments_are_computed_again(copy, table):
    open_arrays(copy)
    fewer = table.filter(pa.compute.not_equal(table["song"], table["song"][0]))
    pq.write_table(fewer, copy / "segments.parquet")
    information = json.loads((copy / "corpus.json").read_text())
    information["sha256"]["segments.parquet"] = "another"
    (copy / "corpus.json").write_text(json.dumps(information))
    assert_equal(open_arrays(copy), arrays_of(fewer))


def test_truncated_arrays_are_computed_again(copy, table):
    path = open_arrays(copy)["notes"]
    path.write_bytes(path.read_bytes()[:-8])
    assert_equal(open_arrays(copy), arrays_of(table))


def test_batches_from_disk_equal_those_from_memory(tiny_corpus, table):
    on_disk, in_memory = Songs.of_corpus(tiny_corpus), Songs(table)
    assert (
        on_disk.song_names == in_memory.song_names == list(dict.fromkeys(table["song"].to_pylist()))
    )
    for chosen in (torch.tensor([3, 0, 20]), torch.arange(len(in_memory))):
        on_disk.prefetch(chosen)
        for batch in (on_disk.batch(chosen), on_disk.batch(chosen)):
            for name, expected in vars(in_memory.batch(chosen)).items():
                torch.testing.assert_close(
                    getattr(batch, name), expected, rtol=0, atol=0, equal_nan=True
                )


def test_a_batch_other_than_the_prefetched_one_is_read(tiny_corpus):
    songs = Songs.of_corpus(tiny_corpus)
    expected = songs.batch(torch.tensor([4])).pitch
    songs.prefetch(torch.tensor([1, 2]))
    assert torch.equal(songs.batch(torch.tensor([4])).pitch, expected)
