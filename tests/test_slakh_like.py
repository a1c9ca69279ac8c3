"""Songs of Lakh drawn by the rule of Slakh2100."""

import csv

import pytest
from beeps import write_parts

from camil.midi.score import read_midi
from camil.sources.midi_folder import MidiFolder
from camil.sources.slakh_like import draw, main, qualifies

BAND = (0, 25, 33)  # piano, guitar, bass


def write(path, programs=BAND, drums=True, seed=0, up=0, notes=40):
    """A song whose melodies depend on the seed; `up` transposes it."""

    def pitch(program, i):
        return 40 + up + (i * i * (3 + seed) + 7 * i * seed + program) % 23

    parts = [*programs, None] if drums else programs
    write_parts(path, {part: [pitch(part or 0, i) for i in range(notes)] for part in parts})


@pytest.fixture
def lakh(tmp_path):
    """Ten songs that qualify, a version of one of them, and files that do not qualify."""
    folder = tmp_path / "lakh"
    for seed in range(10):
        write(folder / f"{seed}/song{seed}.mid", seed=seed)
    write(folder / "a/version-of-3.mid", seed=3, up=4)
    write(folder / "b/no-drums.mid", drums=False, seed=11)
    write(folder / "b/no-bass.mid", (0, 25), seed=12)
    write(folder / "b/few-notes.mid", seed=13, notes=7)
    (folder / "b/damaged.mid").write_bytes(b"MThd and nothing else")
    return folder


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"programs": (7, 31, 39)}, True),
        ({"programs": (0, 25)}, False),
        ({"programs": (0, 33)}, False),
        ({"programs": (25, 33)}, False),
        ({"drums": False}, False),
        ({"notes": 7}, False),
        ({"notes": 8}, True),
    ],
    ids=str,
)
def test_rule_of_slakh(tmp_path, change, expected):
    write(tmp_path / "song.mid", **change)
    assert qualifies(read_midi(tmp_path / "song.mid")) == expected


def test_drawn_songs_qualify_and_no_two_are_versions(lakh):
    found = draw(lakh, {"train": 6, "validation": 2, "test": 2})
    names = {song.path.stem for song, _ in found}
    assert len(names) == 10
    assert names - {"version-of-3"} <= {f"song{seed}" for seed in range(10)}
    assert len(names & {"song3", "version-of-3"}) == 1
    assert [split for _, split in found] == ["train"] * 6 + ["validation"] * 2 + ["test"] * 2


def test_same_seed_draws_the_same_songs_and_a_larger_test_split_adds_to_them(lakh):
    few = draw(lakh, {"train": 4, "validation": 1, "test": 1}, seed=5)
    assert draw(lakh, {"train": 4, "validation": 1, "test": 1}, seed=5) == few
    assert draw(lakh, {"train": 4, "validation": 1, "test": 4}, seed=5)[:6] == few
    assert draw(lakh, {"train": 4, "validation": 1, "test": 1}, seed=6) != few


def test_songs_of_one_group_of_a_manifest_are_versions(lakh):
    with open(lakh / "manifest.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "group", "licence"))
        for seed in range(10):
            rows.writerow((f"{seed}/song{seed}.mid", f"g{seed // 2}", "CC0"))
    found = draw(lakh, {"train": 5})
    assert len({song.group for song, _ in found if song.group}) == len(
        [song for song, _ in found if song.group]
    )
    with pytest.raises(ValueError, match="wanted"):
        draw(lakh, {"train": 8})


def test_too_few_songs_is_an_error_with_the_number_found(lakh):
    with pytest.raises(ValueError, match=r"has only 10 songs with piano.* 11 are wanted"):
        draw(lakh, {"train": 11})


def test_command_writes_a_manifest_that_is_a_source(lakh, capsys):
    with open(lakh / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "group", "licence"), ("1/song1.mid", "g", "CC0")])
    manifest = lakh.parent / "songs.csv"
    main([str(lakh), str(manifest), "--train", "7", "--validation", "2", "--test", "1"])
    assert "10 songs in" in capsys.readouterr().out
    songs = MidiFolder(manifest, audio=False).songs()
    assert len(songs) == 10
    assert sorted(song.split for song in songs) == ["test"] + ["train"] * 7 + ["validation"] * 2
    licences = {row["path"]: row["licence"] for row in csv.DictReader(manifest.open())}
    assert licences["lakh/1/song1.mid"] == "CC0"
    assert not manifest.with_suffix(".unfinished").exists()


def test_linked_songs_keep_their_licences(lakh, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for seed in range(10):
        (linked / f"{seed}.mid").symlink_to(lakh / f"{seed}/song{seed}.mid")
    rows = [("path", "group", "licence"), *((f"{seed}.mid", "", "CC0") for seed in range(10))]
    with open(linked / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    manifest = tmp_path / "songs.csv"
    main([str(linked), str(manifest), "--train", "3", "--validation", "2", "--test", "1"])
    assert {row["licence"] for row in csv.DictReader(manifest.open())} == {"CC0"}


def test_missing_folder_ends_the_command_with_a_sentence(tmp_path):
    with pytest.raises(SystemExit, match="does not exist"):
        main([str(tmp_path / "none"), str(tmp_path / "songs.csv")])
