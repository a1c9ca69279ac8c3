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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,group\none.mid,g\xe9\n", "not encoded as UTF-8; save it as CSV UTF-8"),
        ("path,group\none.mid,a\n".encode("utf-16"), "not encoded as UTF-8; save it as CSV UTF-8"),
        (b"group,path\na,one.mid\nb\n", "line 3: '' is not the path of a file"),
        (b"path,group\n\none.mid,a\n,\n", "line 4: '' is not the path of a file"),
        (b"path,group\n.,a\n", "line 2: '.' is not the path of a file"),
        (b"path,group\none.mid\0,a\n", "line 2: .* is not the path of a file"),
        (b"path;group\none.mid;a\n", "separated by commas; it has path;group"),
        (b"", "separated by commas; it has none"),
        (b"path,group,split\none.mid,a,train\ntwo.mid,a,\n./one.mid,a,test\n",
         "lines 2 and 4: ./one.mid has two different groups or splits"),
        (b'path,group\n"one.mid,' + b"a" * 200_000, "not a valid CSV file: field larger"),
    ],
)  # fmt: skip
def test_an_unusable_manifest_raises_with_its_name_and_line(folder, content, message):
    (folder / "manifest.csv").write_bytes(content)
    for source in (folder, folder / "manifest.csv"):
        with pytest.raises(ValueError, match=rf"manifest\.csv.*{message}"):
            MidiFolder(source, audio=False).songs()


def test_a_list_with_a_line_that_is_no_file_raises_with_the_line(folder):
    (folder / "list.txt").write_text("one.mid\n\n.\n")
    with pytest.raises(ValueError, match=r"list\.txt, line 3: '\.' is not the path of a file"):
        MidiFolder(folder / "list.txt", audio=False).songs()


def test_spaces_in_a_manifest_and_equal_rows_are_ignored(folder):
    rows = ["one.mid ,g1 ,test ", "two.mid, g1,", " one.mid,g1,test"]
    (folder / "manifest.csv").write_text("\n".join(["path ,group , split", *rows]))
    expected = {"one": "test", "two": "test"}
    assert splits_of_songs(MidiFolder(folder / "manifest.csv", audio=False)) == expected
