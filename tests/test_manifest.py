import pytest
from beeps import write

from camil.sources.manifest import read_manifest
from camil.sources.midi_folder import MidiFolder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a" / "music"
    for seed, name in enumerate(("one", "two", "three")):
        write(folder / f"{name}.mid", seed)
    return folder


@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_manifest_up_to_two_levels_up_defines_the_groups(folder, up):
    origin = [folder, *folder.parents][up]
    rows = {"one.mid": "g1", "three.mid": "g1", "nowhere.mid": "g2"}
    lines = [f"{(folder / name).relative_to(origin)},CC0,{group}" for name, group in rows.items()]
    (origin / "manifest.csv").write_text("\n".join(["path,licence,group", *lines]))
    source = MidiFolder(folder)
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        group = {song.name: song.group for song in source.songs()}
    assert group == {"one": "g1", "three": "g1", "two": None}
    assert source.description()["licence"] == ["CC0"]


def test_a_manifest_without_its_columns_raises(folder):
    (folder / "list.csv").write_text("file,group\none.mid,g1\n")
    with pytest.raises(ValueError, match="needs the columns path and group"):
        MidiFolder(folder, manifest=folder / "list.csv").songs()
    with pytest.raises(ValueError, match="does not exist"):
        MidiFolder(folder, manifest=folder / "none.csv").songs()


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
        (b"path,group\n\none.mid,a\n,b\n", "line 4: '' is not the path of a file"),
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


def test_empty_rows_of_a_manifest_are_passed_over(folder):
    (folder / "manifest.csv").write_text("path,group\n,\none.mid,a\n,\n\n")
    assert list(read_manifest(folder / "manifest.csv")) == [folder / "one.mid"]


def test_a_list_with_a_line_that_is_no_file_raises_with_the_line(folder):
    (folder / "list.txt").write_text("one.mid\n\n.\n")
    with pytest.raises(ValueError, match=r"list\.txt, line 3: '\.' is not the path of a file"):
        MidiFolder(folder / "list.txt", audio=False).songs()


def test_spaces_in_a_manifest_and_equal_rows_are_ignored(folder):
    rows = ["one.mid ,g1 ,test ", "two.mid, g1,", " one.mid,g1,test"]
    (folder / "manifest.csv").write_text("\n".join(["path ,group , split", *rows]))
    expected = {"one": "test", "two": "test"}
    assert splits_of_songs(MidiFolder(folder / "manifest.csv", audio=False)) == expected


def test_an_unknown_split_in_a_manifest_raises_with_its_line(folder):
    rows = ["one.mid,g1,test", "two.mid,g2,dev"]
    (folder / "manifest.csv").write_text("\n".join(["path,group,split", *rows]))
    with pytest.raises(ValueError, match=r"line 3: split must be one of .* got 'dev'"):
        MidiFolder(folder).songs()


def test_a_list_of_files_can_replace_a_folder(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "x.mid"
    write(elsewhere, 3)
    (folder / "list.txt").write_text(f"three.mid\n\ntwo.mid\n{elsewhere}\n")
    names = [song.name for song in MidiFolder(folder / "list.txt").songs()]
    assert names == sorted(["three", "two", elsewhere.as_posix()[1:-4]])
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="neither a folder, a manifest nor a text file"):
        MidiFolder(folder / "binary.txt").songs()
    (folder / "nothing.txt").write_text("\n")
    with pytest.raises(ValueError, match="names no"):
        MidiFolder(folder / "nothing.txt").songs()
