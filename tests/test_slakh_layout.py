"""Damaged metadata and unexpected folders of a Slakh data set."""

import pandas as pd
import pytest
import yaml
from slakh_tracks import STEMS, make_track

from camil.corpus.build import write_corpus
from camil.corpus.splits import splits_of
from camil.sources.protocol import first_segment
from camil.sources.slakh import Slakh


@pytest.fixture
def folder(tmp_path):
    """Two tracks; the tests damage the metadata of the first."""
    for number in (1, 2):
        make_track(tmp_path / "slakh" / f"Track{number:05d}", STEMS, uuid=f"ab{number}")
    return tmp_path / "slakh"


def edit(folder, change):
    """Change the stems in the metadata of Track00001."""
    path = folder / "Track00001" / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    change(content["stems"])
    path.write_text(yaml.safe_dump(content))


def corpus_of(folder):
    """Stems with segments and stems or songs with a reason, of a corpus of notes."""
    source = Slakh(folder, audio=False)
    corpus = folder.parent / "corpus"
    write_corpus(corpus, source, None, splits_of, {}, workers=1)
    table = pd.read_parquet(corpus / "segments.parquet")
    skipped = pd.read_csv(corpus / "skipped.csv", keep_default_na=False, dtype=str)
    read = {song: set(rows["track"]) for song, rows in table.groupby("song")}
    return read, skipped.set_index(["song", "track"])["why"].to_dict()


@pytest.mark.parametrize(
    ("entry", "value", "why"),
    [
        ("program_num", 99999, "an integer from 0 to 127, got 99999"),
        ("program_num", -1, "an integer from 0 to 127, got -1"),
        ("program_num", "abc", "an integer from 0 to 127, got 'abc'"),
        ("program_num", 1.5, "an integer from 0 to 127, got 1.5"),
        ("program_num", None, "an integer from 0 to 127, got None"),
        ("inst_class", "guitar", "'guitar', which is no class, but program_num 25 belongs to Gui"),
        ("inst_class", None, "None, which is no class, but program_num 25 belongs to Guitar"),
        ("inst_class", ["Guitar"], "which is no class"),
    ],
)
def test_stem_with_invalid_metadata_is_skipped_alone(folder, entry, value, why):
    edit(folder, lambda stems: stems["S00"].update({entry: value}))
    read, skipped = corpus_of(folder)
    assert read["Track00001"] == {"S01", "S02", "S03"}
    assert read["Track00002"] == {"S00", "S01", "S02", "S03"}
    assert skipped.keys() == {("Track00001", "S00")}
    assert why in skipped["Track00001", "S00"]


@pytest.mark.parametrize("entry", ["program_num", "inst_class"])
def test_stem_without_program_or_class_is_skipped_alone(folder, entry):
    edit(folder, lambda stems: stems["S00"].pop(entry))
    read, skipped = corpus_of(folder)
    assert read["Track00001"] == {"S01", "S02", "S03"}
    assert f"{entry} in metadata.yaml" in skipped["Track00001", "S00"]


def test_stem_without_a_description_is_skipped_alone(folder):
    edit(folder, lambda stems: stems.update(S00=None))
    read, skipped = corpus_of(folder)
    assert read["Track00001"] == {"S01", "S02", "S03"}
    assert "inst_class and program_num" in skipped["Track00001", "S00"]


def test_numbers_as_names_of_stems_are_read_as_text(folder):
    def rename(stems):
        stems[0] = stems.pop("S00")

    edit(folder, rename)
    track = folder / "Track00001"
    read, skipped = corpus_of(folder)
    assert read["Track00001"] == {"S01", "S02", "S03"}
    assert "0.mid cannot be read" in skipped["Track00001", "0"]
    (track / "MIDI" / "S00.mid").rename(track / "MIDI" / "0.mid")
    read, skipped = corpus_of(folder)
    assert read["Track00001"] == {"0", "S01", "S02", "S03"}
    assert not skipped


def test_stem_whose_name_has_no_number_is_not_in_the_lakh_file(folder):
    edit(folder, lambda stems: stems.update(guitar=stems.pop("S00")))
    source = Slakh(folder, audio=False, midi_source="all_src")
    tracks = {track.track: track.skipped for track in source.read(source.songs()[0])}
    assert tracks == {"guitar": "all_src.mid has no such part", "S01": "", "S02": "", "S03": ""}


def test_first_segment_passes_over_a_song_with_unforeseen_damage(folder, monkeypatch):
    source = Slakh(folder, audio=False)
    read = source.read

    def damaged(song):
        if song.name == "Track00001":
            raise TypeError("unforeseen")
        return read(song)

    monkeypatch.setattr(source, "read", damaged)
    assert first_segment(source)[0].name == "Track00002"


@pytest.mark.parametrize("other", ["", "babyslakh_16k", "test", "omitted"])
def test_track_in_two_folders_raises_with_both(tmp_path, other):
    paths = [tmp_path / "train" / "Track00001", tmp_path / other / "Track00001"]
    for number, path in enumerate(paths):
        make_track(path, {}, uuid=f"ab{number}")
    make_track(tmp_path / "train" / "Track00002", {})
    with pytest.raises(ValueError, match="contains Track00001 twice") as error:
        Slakh(tmp_path).songs()
    assert all(str(path) in str(error.value) for path in paths)
