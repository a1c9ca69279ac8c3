"""Transfer tasks: labels from manifests and notes, and their probes."""

import numpy as np
import pandas as pd
import pytest

from camil.evaluation.metrics import scores
from camil.evaluation.transfer import (
    Task,
    collections_and_composers,
    frequent,
    manifest_rows,
    probe,
    roles,
)


def test_manifest_rows_are_matched_to_songs_below_the_source_folder(tmp_path):
    folder = tmp_path / "midi" / "free"
    folder.mkdir(parents=True)
    lines = [
        "path,tier,artist", "free/a/one.mid,free,Bach", "free/two.mid,free,", "web/one.mid,web,X",
        "free/two.midi,free,Sor", "free/unheard.mid,free,Sor",
    ]  # fmt: skip
    (tmp_path / "midi/manifest.csv").write_text("\n".join(lines))
    songs = ["a/one", "two.mid", "two.midi", "not-listed"]
    rows = manifest_rows(tmp_path / "midi/manifest.csv", folder, songs)
    assert rows["artist"].to_dict() == {"a/one": "Bach", "two.mid": "", "two.midi": "Sor"}
    with pytest.raises(ValueError, match="does not exist"):
        manifest_rows(tmp_path / "none.csv", folder, songs)
    (tmp_path / "other.csv").write_text("file\nx")
    with pytest.raises(ValueError, match="column path"):
        manifest_rows(tmp_path / "other.csv", folder, songs)


def test_melody_is_the_highest_of_the_segments_that_start_together():
    table = pd.DataFrame(
        [("a", "1", 0.0, 70), ("a", "2", 0.0, 60), ("a", "3", 0.0, 40), ("a", "1", 8.0, 50),
         ("a", "2", 8.0, 62), ("a", "1", 16.0, 50), ("b", "1", 0.0, 80), ("b", "1", 8.0, 50),
         ("b", "2", 8.0, 50)],
        columns=["song", "track", "start_beat", "height"],
    )  # fmt: skip
    expected = ["melody", "accompaniment", "accompaniment", "accompaniment", "melody", "", "",
                "", ""]  # fmt: skip
    assert roles(table, table["height"]).tolist() == expected


def test_composers_are_kept_in_the_collection_that_names_most():
    rows = pd.DataFrame({
        "source_repo": ["M/M (by us)", "M/M", "web", "M/M", "games"],
        "artist": ["Bach", "Sor", "A Band", "", ""],
    }, index=list("abcde"))  # fmt: skip
    found = collections_and_composers(rows)
    assert found["collection"].tolist() == ["M/M", "M/M", "web", "M/M", "games"]
    assert found["composer"].tolist() == ["Bach", "Sor", "", "", ""]
    bare = collections_and_composers(rows[[]])
    assert (bare == "").all(axis=None)


def test_labels_with_few_songs_become_empty():
    songs = pd.DataFrame({
        "song": ["a", "a", "b", "c", "d", "e", "f", "g", "h"],
        "split": ["train"] * 4 + ["validation", "test", "train", "validation", "train"],
    })  # fmt: skip
    labels = pd.Series(["x", "x", "x", "y", "x", "x", "z", "y", ""])
    assert frequent(labels, songs, 2).tolist() == ["x", "x", "x", "", "x", "x", "", "", ""]
    assert set(frequent(labels, songs, 3)) == {""}  # two training songs, though three segments


def corpus(songs=60, seed=0):
    random = np.random.default_rng(seed)
    rows = [
        (f"song-{i:02d}", str(track), 8.0 * track, ("train", "validation", "test")[i % 3])
        for i in range(songs) for track in range(4)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["song", "track", "start_beat", "split"])
    return table, random


@pytest.mark.parametrize("by_song", [False, True])
def test_probe_predicts_a_label_that_is_in_the_features_and_no_other(by_song):
    table, random = corpus()
    number = table["song"].str[-2:].astype(int) // 3 % 2
    labels = pd.Series(np.array(["low", "high"])[number])
    labels[table["song"] == "song-02"] = ""  # a test song without a label
    features = np.stack(
        [number + 0.1 * random.normal(size=len(table)), random.normal(size=len(table))]
    )
    features[1, 5] = np.nan
    task = Task("height", labels, by_song)
    found = probe(features.T, task, table)
    assert scores(found["instrument"], found["predicted"])["macro_f1"] == 1
    test = table[(table["split"] == "test") & (labels != "")]
    assert len(found) == (test["song"].nunique() if by_song else len(test))
    assert set(found["song"]) == set(test["song"])
    nothing = probe(random.normal(size=(len(table), 3)), task, table)
    assert scores(nothing["instrument"], nothing["predicted"])["accuracy"] < 0.9


def test_task_with_a_single_label_raises():
    table, _ = corpus(9)
    task = Task("composer", pd.Series(["Bach"] * len(table)), True)
    with pytest.raises(ValueError, match="composer has fewer than two labels"):
        probe(np.zeros((len(table), 2)), task, table)
