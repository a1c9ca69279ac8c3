import os
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import pytest

from camil.midi.score import read_midi
from camil.midi.versions import groups_of, sketch_of


def tune(path, seed, up=0, stretch=1.0, resolution=220, cut=None, parts=3):
    """A song of some parts; the same seed is the same song."""
    draw = random.Random(seed)
    midi = pretty_midi.PrettyMIDI(resolution=resolution)
    for part in range(parts):
        instrument = pretty_midi.Instrument(program=8 * part)
        now = 0.0
        for _ in range(120):
            pitch = draw.randrange(45, 75)
            length = draw.choice((0.25, 0.5, 1.0))
            if cut is None or now < cut:
                instrument.notes.append(
                    pretty_midi.Note(90, pitch + up, now * stretch, (now + length) * stretch)
                )
            now += length
        midi.instruments.append(instrument)
    midi.write(str(path))
    return path


def sketches(*paths):
    return {path.stem: sketch_of(read_midi(path)) for path in paths}


def test_changed_copies_of_a_song_are_one_group(tmp_path):
    versions = [
        tune(tmp_path / "a.mid", 1),
        tune(tmp_path / "higher.mid", 1, up=5),
        tune(tmp_path / "slower.mid", 1, stretch=1.7),
        tune(tmp_path / "resolution.mid", 1, resolution=96, up=-3),
        tune(tmp_path / "shorter.mid", 1, cut=50),
        tune(tmp_path / "fewer-parts.mid", 1, parts=2),
    ]
    others = [tune(tmp_path / f"other-{seed}.mid", seed) for seed in range(2, 9)]
    groups = groups_of(sketches(*versions, *others))
    assert {groups[path.stem] for path in versions} == {"a"}
    assert all(groups[path.stem] == path.stem for path in others)


def test_groups_do_not_depend_on_the_order(tmp_path):
    drawn = sketches(*(tune(tmp_path / f"{i}.mid", i // 3, up=i % 3) for i in range(12)))
    backwards = dict(reversed(drawn.items()))
    assert groups_of(drawn) == groups_of(backwards)
    assert len(set(groups_of(drawn).values())) == 4


def test_a_common_scale_does_not_join_songs(tmp_path):
    paths = []
    for seed in (1, 2):
        path = tune(tmp_path / f"{seed}.mid", seed)
        midi = pretty_midi.PrettyMIDI(str(path))
        scale = pretty_midi.Instrument(40)
        scale.notes = [pretty_midi.Note(90, 30 + i % 60, i / 4, i / 4 + 0.2) for i in range(900)]
        midi.instruments.append(scale)
        midi.write(str(path))
        paths.append(path)
    assert len(set(groups_of(sketches(*paths)).values())) == 2


def test_equal_songs_too_short_for_runs_are_joined(tmp_path):
    for name, up, step in (("a", 0, 2), ("b", 7, 2), ("c", 0, 3)):
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[0].notes = [
            pretty_midi.Note(90, 50 + up + step * i, i, i + 0.5) for i in range(5)
        ]
        midi.write(str(tmp_path / f"{name}.mid"))
    groups = groups_of(sketches(*(tmp_path / f"{name}.mid" for name in "abc")))
    assert groups == {"a": "a", "b": "a", "c": "c"}


def test_files_without_notes_are_in_no_group():
    assert groups_of({"a": [], "b": []}) == {"a": "a", "b": "b"}
    assert groups_of({}) == {}


@pytest.mark.parametrize("content", ["single notes", "one pitch"])
def test_songs_of_single_notes_are_in_no_group(tmp_path, content):
    for name, count in (("a", 1), ("b", 1)) if content == "single notes" else (("a", 9), ("b", 9)):
        midi = pretty_midi.PrettyMIDI()
        for pitch in (40, 52, 64):
            midi.instruments.append(pretty_midi.Instrument(0))
            midi.instruments[-1].notes = [
                pretty_midi.Note(90, pitch, i, i + 0.5) for i in range(count)
            ]
        midi.write(str(tmp_path / f"{name}.mid"))
    assert groups_of(sketches(tmp_path / "a.mid", tmp_path / "b.mid")) == {"a": "a", "b": "b"}


def test_a_common_phrase_does_not_join_short_songs(tmp_path):
    """The songs of 40 notes begin with the same 16 notes."""
    phrase = [60, 62, 67, 65, 64, 72, 69, 67, 60, 59, 65, 62, 71, 67, 64, 60]
    paths = []
    for seed in range(8):
        draw = random.Random(seed)
        pitches = phrase + [draw.randrange(45, 75) for _ in range(24)]
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[0].notes = [
            pretty_midi.Note(90, pitch, i, i + 0.5) for i, pitch in enumerate(pitches)
        ]
        paths.append(tmp_path / f"{seed}.mid")
        midi.write(str(paths[-1]))
    assert len(set(groups_of(sketches(*paths)).values())) == 8


def test_a_chain_of_songs_that_are_alike_is_not_one_group():
    """Each song shares a third of its runs with the next one, and none with the others."""
    draw = np.random.default_rng(0)
    own = draw.integers(0, 2**63, (101, 32), dtype=np.uint64)
    chain = {f"{i:03d}": np.sort(np.concatenate(own[i : i + 2])) for i in range(100)}
    sizes = pd.Series(groups_of(chain)).value_counts()
    assert sizes.max() <= 3


def test_tens_of_thousands_of_files_are_grouped():
    draw = np.random.default_rng(0)
    own = draw.integers(0, 2**63, (20_000, 64), dtype=np.uint64)
    drawn = {f"{i:06d}": np.sort(own[i // 2]) for i in range(40_000)}
    groups = groups_of(drawn)
    assert len(set(groups.values())) == 20_000


def test_real_songs_without_versions_stay_apart():
    if "CAMIL_SHARED" not in os.environ:
        pytest.skip("CAMIL_SHARED does not name a folder with real data")
    folder = Path(os.environ["CAMIL_SHARED"], "data", "midi")
    table = pd.read_csv(folder / "manifest.csv")
    alone = table.groupby("group").filter(lambda rows: len(rows) == 1).iloc[::40]
    drawn = {path: sketch_of(read_midi(folder / path)) for path in alone["path"]}
    found = groups_of(drawn)
    assert len(set(found.values())) >= 0.98 * len(found)
