"""Instruments without training pairs, recognized by their sound, against loops by hand."""

import json
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_runs import untrained_classifier, untrained_pair

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import load_classifier
from camil.encoders.hub import load_encoder
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.new_instruments import (
    ALL,
    CENTRED,
    FAMILY,
    LEFT_OUT,
    NOTES,
    SEEN,
    SIC,
    SOUND,
    recognized,
    recognized_by_all,
    recognized_by_family,
)
from camil.evaluation.program_scores import by_program, confusion_of, name_of, scored
from camil.evaluation.reference_sounds import (
    family_sounds,
    ranked,
    reference_rows,
    unit_means,
)
from camil.evaluation.retrieval import CHANCE
from camil.midi.instruments import FAMILIES, INSTRUMENTS


@pytest.fixture(scope="module")
def programs(tiny_corpus):
    """Four programs of different families with training songs and others."""
    table = Corpus(tiny_corpus).table
    tracks = table.drop_duplicates(["song", "track"]).assign(query=lambda t: t["split"] != "train")
    both = tracks.groupby("program")["query"].nunique() == 2
    of_family = {FAMILIES.of_program(program): int(program) for program in both[both].index}
    return sorted(of_family.values())[:4]


@pytest.fixture(scope="module")
def run(tiny_corpus, programs, tmp_path_factory):
    """A run of untrained encoders that has left the programs out."""
    folder = tmp_path_factory.mktemp("runs")
    return untrained_pair(folder, tiny_corpus, "apart", seed=3, leave_out_programs=programs)


@pytest.fixture(scope="module")
def sic(tiny_corpus, tmp_path_factory):
    """A run of an untrained classifier."""
    return untrained_classifier(tmp_path_factory.mktemp("runs"), tiny_corpus, seed=5)


def test_reference_segments_are_of_different_tracks_of_training_songs():
    table = pd.DataFrame({
        "song": np.repeat(list("abcdefgh"), 6),
        "track": np.tile(["1", "1", "1", "2", "2", "2"], 8),
        "program": np.tile([6, 6, 6, 40, 40, 40], 8),
        "split": np.repeat(["train"] * 6 + ["validation", "test"], 6),
    })  # fmt: skip
    rows = reference_rows(table, 6, segments=5, seed=0)
    drawn = table.iloc[rows]
    assert len(rows) == 5
    assert set(drawn["program"]) == {6}
    assert set(drawn["split"]) == {"train"}
    assert not drawn.duplicated(["song", "track"]).any()
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, reference_rows(table, 6, segments=5, seed=0))
    others = [reference_rows(table, 6, segments=5, seed=seed) for seed in range(1, 6)]
    assert any(not np.array_equal(rows, other) for other in others)
    # The draw of a program does not depend on the other programs of the corpus.
    alone = table.assign(program=np.where(table["program"] == 40, 41, 6))
    np.testing.assert_array_equal(rows, reference_rows(alone, 6, segments=5, seed=0))
    assert len(reference_rows(table, 40, segments=50)) == 6  # as many as there are tracks
    with pytest.raises(ValueError, match="program 7 has no reference sound"):
        reference_rows(table, 7)


def test_unit_means_equal_a_loop_over_groups():
    generator = np.random.default_rng(0)
    points, groups = generator.normal(size=(20, 3)), np.arange(20) % 3 + 5
    points[groups == 6] -= points[groups == 6].mean(axis=0)  # its mean is the zero vector
    found = unit_means(points, groups)
    assert found.index.tolist() == [5, 6, 7]
    for group in (5, 7):
        mean = sum(p for p, g in zip(points, groups, strict=True) if g == group)
        np.testing.assert_allclose(found.loc[group], mean / np.sqrt((mean**2).sum()))
    assert np.abs(found.loc[6]).max() < 1e-3
    assert np.isfinite(found).all(axis=None)


def test_family_sound_is_the_mean_of_the_programs_that_were_not_left_out():
    generator = np.random.default_rng(0)
    programs = [0, 1, 2, 64, 65, 73]  # three pianos, two reeds, one pipe
    sounds = unit_means(generator.normal(size=(6, 4)), programs)
    found = family_sounds(sounds, [1, 65, 73], FAMILIES)
    assert found.index.tolist() == [1, 65, 73]
    pianos = sounds.loc[0] + sounds.loc[2]
    np.testing.assert_allclose(found.loc[1], pianos / np.linalg.norm(pianos))
    np.testing.assert_allclose(found.loc[65], sounds.loc[64])
    assert found.loc[73].isna().all()


def test_rank_counts_candidates_that_are_at_least_as_likely():
    generator = np.random.default_rng(0)
    candidates = [10, 20, 30, 40]
    tracks = pd.DataFrame({"program": generator.choice(candidates, 50)})
    likeness = generator.integers(3, size=(50, 4)).astype(float)  # with ties
    found = ranked(tracks, likeness, candidates)
    for row, program, rank, predicted in zip(
        likeness, tracks["program"], found["rank"], found["predicted"], strict=True
    ):
        by_program = dict(zip(candidates, row, strict=True))
        worse = sorted(candidates, key=lambda p: (-by_program[p], p == program))
        assert rank == worse.index(program) + 1
        assert by_program[predicted] == max(row)


def test_tracks_are_ranked_by_the_distance_to_reference_sounds(run, tiny_corpus, programs):
    found = recognized(run, str(tiny_corpus), programs, segments=2, seed=4)
    data = Corpus(tiny_corpus)
    midi = load_encoder(run.folder / "encoder.safetensors")
    audio = load_encoder(run.folder / "audio_encoder.safetensors")

    def mean(network, draw, rows):
        with torch.no_grad():
            point = network(draw(torch.as_tensor(np.asarray(rows)))).double().mean(0)
        return (point / point.norm()).numpy()

    table = data.table
    known = sorted(set(table.loc[table["split"] == "train", "program"]))
    sounds = {p: mean(audio, data.mels, reference_rows(table, p, 2, 4)) for p in known}
    queries = table[(table["split"] != "train") & table["program"].isin(programs)]
    seen = [reference_rows(table, p, 2, 4) for p in known if p not in programs]
    with torch.no_grad():
        centres = [
            network(draw(torch.from_numpy(np.concatenate(seen)))).double().mean(0)
            for network, draw in ((midi, data.rolls), (audio, data.mels))
        ]
    part = found[(found["method"] == CENTRED) & (found["among"] == LEFT_OUT)]
    for one in part.to_dict("records"):
        rows = table.index[(table["song"] == one["song"]) & (table["track"] == one["track"])]
        with torch.no_grad():
            point = midi(data.rolls(torch.tensor(rows.to_numpy()))).double().mean(0)
            others = {p: audio(data.mels(torch.from_numpy(reference_rows(table, p, 2, 4))))
                      for p in programs}  # fmt: skip
        cosine = {
            p: torch.cosine_similarity(point - centres[0], x.double().mean(0) - centres[1], dim=0)
            for p, x in others.items()
        }
        ordered = sorted(programs, key=cosine.get, reverse=True)
        assert one["predicted"] == ordered[0]
        assert one["rank"] == ordered.index(one["program"]) + 1
    for method, network, draw in ((NOTES, midi, data.rolls), (SOUND, audio, data.mels)):
        for among, candidates in ((LEFT_OUT, programs), (ALL, known)):
            part = found[(found["method"] == method) & (found["among"] == among)]
            part = part.set_index(["song", "track"])
            groups = queries.groupby(["song", "track"]).groups
            assert set(part.index) == set(groups)
            assert set(part["candidates"]) == {len(candidates)}
            for key, rows in groups.items():
                point, own = mean(network, draw, rows), table.loc[rows[0], "program"]
                distance = {p: np.linalg.norm(point - sounds[p]) for p in candidates}
                ordered = sorted(candidates, key=distance.get)
                assert part.loc[key, "program"] == own
                assert part.loc[key, "predicted"] == ordered[0]
                assert part.loc[key, "rank"] == ordered.index(own) + 1
    by_family = found[found["method"] == FAMILY]
    assert set(by_family["among"]) == {LEFT_OUT}
    assert by_family["rank"].between(1, len(programs)).all()


def test_a_program_without_training_songs_is_reported(run, tiny_corpus):
    with pytest.raises(ValueError, match="program 127 has no reference sound"):
        recognized(run, str(tiny_corpus), [127])


def test_sic_votes_for_the_program_of_a_family(sic, tiny_corpus, programs):
    found = recognized_by_family(sic, str(tiny_corpus), programs).set_index(["song", "track"])
    network = load_classifier(sic.folder / "classifier.safetensors")
    data = Corpus(tiny_corpus)
    families = [FAMILIES.of_program(program) for program in programs]
    queries = data.table[(data.table["split"] != "train") & data.table["program"].isin(programs)]
    groups = queries.groupby(["song", "track"]).groups
    assert set(found.index) == set(groups)
    for key, rows in groups.items():
        with torch.no_grad():
            shares = network(data.rolls(torch.tensor(rows))).softmax(1).double().numpy()
        votes = [INSTRUMENTS[i] for i in shares.argmax(1)]
        order = sorted(
            families,
            key=lambda f: (votes.count(f), shares[:, INSTRUMENTS.index(f)].mean()),
            reverse=True,
        )
        own = FAMILIES.of_program(found.loc[key, "program"])
        assert FAMILIES.of_program(found.loc[key, "predicted"]) == order[0]
        assert found.loc[key, "rank"] == order.index(own) + 1


def test_sic_does_not_distinguish_programs_of_one_family(sic, tiny_corpus):
    table = Corpus(tiny_corpus).table
    queries = table[table["split"] != "train"]
    family = queries.groupby("instrument")["program"].nunique().idxmax()
    pair = sorted(set(queries.loc[queries["instrument"] == family, "program"]))[:2]
    other = queries.loc[queries["instrument"] != family, "program"].iloc[0]
    found = recognized_by_family(sic, str(tiny_corpus), [*pair, other])
    assert (found.loc[found["program"].isin(pair), "rank"] >= 2).all()


def table_of(ranks, method=NOTES, among=LEFT_OUT, candidates=3, seed=0):
    """Results with given ranks: one track per song, programs 6, 6, 6, 6, 40, 40, 73, ..."""
    programs = np.resize([6, 6, 6, 6, 40, 40, 73], len(ranks))
    return pd.DataFrame({
        "song": [f"song-{i:02}" for i in range(len(ranks))],
        "track": "0",
        "program": programs,
        "rank": ranks,
        "predicted": np.where(np.asarray(ranks) == 1, programs, 46),
        "method": method,
        "among": among,
        "candidates": candidates,
        "seed": seed,
    })  # fmt: skip


def macro_top(table, k, songs=None):
    """Top-k averaged over programs, on songs drawn with replacement."""
    by_program = {}
    for song in songs if songs is not None else table["song"]:
        row = table[table["song"] == song].iloc[0]
        by_program.setdefault(row["program"], []).append(row["rank"] <= k)
    return np.mean([np.mean(hits) for hits in by_program.values()])


def test_scores_are_averaged_over_programs_and_seeds_with_intervals_over_songs():
    generator = np.random.default_rng(0)
    ours = [table_of(generator.integers(1, 4, 28), seed=seed) for seed in (0, 1)]
    theirs = table_of(generator.integers(2, 4, 28), method=SIC)
    table = scored(pd.concat([*ours, theirs])).set_index("method")
    for k in (1, 3):
        expected = np.mean([macro_top(one, k) for one in ours])
        assert table.loc[NOTES, f"top-{k}"] == pytest.approx(expected)
        assert table.loc[SIC, f"top-{k}"] == pytest.approx(macro_top(theirs, k))
    names = np.unique(theirs["song"])
    draws = np.random.default_rng(0)
    differences = []
    for _ in range(1000):
        songs = names[draws.integers(28, size=28)]
        mean = np.mean([macro_top(one, 1, songs) for one in ours])
        differences.append((mean, mean - macro_top(theirs, 1, songs)))
    for column, ends in zip(("top-1", "difference"), np.array(differences).T, strict=True):
        row = table.loc[NOTES if column == "top-1" else SIC]
        expected = np.quantile(ends, [0.025, 0.975])
        assert [row[f"{column} low"], row[f"{column} high"]] == pytest.approx(expected)
    assert table["seeds"].to_dict() == {NOTES: 2, SIC: 1, CHANCE: 0}
    assert table.loc[NOTES, "tracks"] == 28


@pytest.mark.parametrize("candidates", [2, 3, 5])
def test_chance_is_the_mean_over_all_orders(candidates):
    orders = list(permutations(range(candidates)))
    table = scored(table_of([1] * 14, candidates=candidates)).set_index("method")
    for k in (1, 3):
        expected = np.mean([order.index(0) < k for order in orders])
        assert table.loc[CHANCE, f"top-{k}"] == pytest.approx(expected)


def test_table_by_program_and_confusions_name_programs():
    found = pd.concat([table_of([1, 1, 2, 3, 1, 2, 3]), table_of([1] * 7, method=SIC)])
    table = by_program(found, FAMILIES).set_index("program")
    assert table.index.tolist() == [name_of(p) for p in (6, 40, 73)]
    assert table["family"].tolist() == ["Piano", "Strings", "Pipe"]
    assert table["tracks"].tolist() == [4, 2, 1]
    assert table[NOTES].tolist() == [0.5, 0.5, 0]
    assert table[SIC].tolist() == [1, 1, 1]
    drawn = confusion_of(found, FAMILIES)
    assert list(drawn["true"])[:5] == ["Harpsichord"] * 4 + ["Violin"]
    assert list(drawn["predicted"])[2] == name_of(46)
    assert drawn["instruments"].colours["Violin"] == FAMILIES.colours["Strings"]


def test_all_runs_that_left_programs_out_are_compared(run, sic, tiny_corpus, programs):
    def with_pairs(**changed):
        record = json.loads(json.dumps(run.record))
        record["parameters"] |= {"leave_out_programs": [], "seed": 8, "epochs": 1} | changed
        return FinishedRun(run.folder, record, {})

    assert recognized_by_all([with_pairs()], [sic]).empty
    others = [with_pairs(), with_pairs(objective="infonce", seed=9)]
    found = recognized_by_all([*others, run], [sic], segments=2)
    assert set(found["run"]) == {"apart"}
    assert found.groupby("method")["seed"].agg(lambda seeds: set(seeds)).to_dict() == {
        NOTES: {3}, CENTRED: {3}, SOUND: {3}, FAMILY: {3}, SIC: {5}, SEEN: {8},
    }  # fmt: skip
    own = recognized(run, str(tiny_corpus), programs, segments=2)
    columns = list(own.columns)
    kept = found[~found["method"].isin([SIC, SEEN])][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, own)
    # The files of this other run are the same, so that it recognizes the same.
    seen, notes = (found[found["method"] == one].drop(columns=["method", "seed"])
                   for one in (SEEN, NOTES))  # fmt: skip
    pd.testing.assert_frame_equal(seen.reset_index(drop=True), notes.reset_index(drop=True))
