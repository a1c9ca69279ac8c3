import pytest
from beeps import write

from camil.sources.midi_folder import MidiFolder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a" / "music"
    for seed, name in enumerate(("one", "two", "three")):
        write(folder / f"{name}.mid", seed)
    return folder


def splits_of_songs(source):
    return {song.name: song.split for song in source.songs()}


def test_a_manifest_lists_linked_files_and_folders_by_any_path(folder, tmp_path, monkeypatch):
    (tmp_path / "links").mkdir()
    for name in ("one", "three"):
        (tmp_path / "links" / f"{name}.mid").symlink_to(folder / f"{name}.mid")
    rows = ["one.mid,g1,test", "../links/three.mid,g2,train"]
    (tmp_path / "links" / "manifest.csv").write_text("\n".join(["path,group,split", *rows]))
    (tmp_path / "again").symlink_to("links")
    monkeypatch.chdir(tmp_path)
    expected = {"one": "test", "three": "train"}
    for path in ("links", tmp_path / "links", "again", "links/manifest.csv", "a/../links"):
        assert splits_of_songs(MidiFolder(path, audio=False)) == expected


def test_rows_of_a_manifest_that_match_no_file_are_counted_in_a_warning(folder):
    rows = ["one.mid,g1", "music/three.mid,g2", "/elsewhere/copy.mid,g3"]
    (folder / "manifest.csv").write_text("\n".join(["path,group", *rows]))
    with pytest.warns(UserWarning, match=r"2 of 3 rows of .* match no MIDI file"):
        MidiFolder(folder, audio=False).songs()
