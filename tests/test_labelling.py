import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
import torch

import camil
from camil.encoders import AudioEncoder, Classifier, MIDIEncoder, save_classifier
from camil.evaluation import track_predictions
from camil.labelling import PROGRAM, label, play, track_labels, write_labelled
from camil.midi import INSTRUMENTS, MidiError, read_midi


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A run whose classifier is untrained, but surer than chance."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_classifier(
        folder / "classifier.safetensors", Classifier(MIDIEncoder(width=4), INSTRUMENTS)
    )
    return folder


@pytest.fixture
def song(tmp_path):
    """A flute without a program of its own, a bass and drums, eight measures at 120."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for program, drum, base in ((0, False, 72), (33, False, 36), (0, True, 40)):
        part = pretty_midi.Instrument(program, is_drum=drum, name=f"part {base}")
        for i in range(32):
            part.notes.append(pretty_midi.Note(80, base + i * 7 % 11, i / 2, i / 2 + 0.4))
        midi.instruments.append(part)
    path = tmp_path / "song.mid"
    midi.write(str(path))
    return path


def test_every_pitched_track_is_labelled_every_two_measures(song, pretrained):
    labels = label(song, pretrained)
    assert labels["track"].unique().tolist() == ["00-part 72", "01-part 36"]
    one = labels[labels["track"] == "00-part 72"]
    assert one["start_beat"].tolist() == [0, 8, 16, 24]
    assert one["start_seconds"].to_numpy() == pytest.approx([0, 4, 8, 12])
    columns = [f"p_{name}" for name in INSTRUMENTS]
    assert labels[columns].sum(axis=1).to_numpy() == pytest.approx(1)


def test_what_is_not_probable_is_not_sure(song, pretrained):
    labels = label(song, pretrained)
    best = labels.filter(like="p_").max(axis=1)
    assert ((labels["predicted"] == "not sure") == (best < 0.5)).all()


def test_programs_of_the_file_are_not_looked_at(song, pretrained, tmp_path):
    midi = pretty_midi.PrettyMIDI(str(song))
    midi.instruments[0].program = 73
    midi.write(str(tmp_path / "other.mid"))
    columns = [f"p_{name}" for name in INSTRUMENTS]
    first, second = label(song, pretrained), label(tmp_path / "other.mid", pretrained)
    assert np.allclose(first[columns], second[columns])


def test_a_tracks_label_is_its_segments_vote_as_in_the_table(song, pretrained):
    labels = label(song, pretrained)
    as_predictions = labels.assign(song="s", instrument="Pipe")
    expected = track_predictions(as_predictions)
    assert np.allclose(track_labels(labels).filter(like="p_"), expected.filter(like="p_"))


def test_the_copy_plays_the_labels_and_keeps_notes_and_drums(song, tmp_path):
    tracks = pd.DataFrame(
        {"track": ["00-part 72", "01-part 36"], "predicted": ["Reed", "not sure"]}
    )
    write_labelled(song, tracks, tmp_path / "copy.mid")
    before, after = (pretty_midi.PrettyMIDI(str(p)) for p in (song, tmp_path / "copy.mid"))
    assert [i.program for i in after.instruments] == [PROGRAM["Reed"], 33, 0]
    assert [i.is_drum for i in after.instruments] == [False, False, True]
    for one, other in zip(before.instruments, after.instruments, strict=True):
        assert [n.pitch for n in one.notes] == [n.pitch for n in other.notes]


def test_the_copy_keeps_a_tempo_that_stands_in_a_later_track(song, tmp_path):
    midi = mido.MidiFile(song)
    midi.tracks[0].clear()
    midi.tracks[2].insert(0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60)))
    midi.save(tmp_path / "slow.mid")
    tracks = pd.DataFrame({"track": ["00-part 72"], "predicted": ["Reed"]})
    write_labelled(tmp_path / "slow.mid", tracks, tmp_path / "copy.mid")
    before = read_midi(tmp_path / "slow.mid").tracks[0].end_seconds.max()
    assert before == pytest.approx(2 * 15.9, abs=0.01)
    assert read_midi(tmp_path / "copy.mid").tracks[0].end_seconds.max() == pytest.approx(before)


def test_an_audio_classifier_is_refused(song, tmp_path):
    save_classifier(
        tmp_path / "classifier.safetensors", Classifier(AudioEncoder(width=4), INSTRUMENTS)
    )
    with pytest.raises(ValueError, match="classifies audio"):
        label(song, tmp_path)


def test_a_clip_has_the_length_asked_for_and_does_not_clip(song):
    clip = play(song, seconds=2, sample_rate=8000)
    assert clip.shape == (16000,)
    assert np.abs(clip).max() == pytest.approx(0.9, abs=1e-3)


def test_files_that_cannot_be_labelled_say_why(tmp_path, pretrained):
    (tmp_path / "text.mid").write_text("no music")
    with pytest.raises(MidiError, match=r"text\.mid"):
        label(tmp_path / "text.mid", pretrained)
    empty = pretty_midi.PrettyMIDI()
    empty.instruments.append(pretty_midi.Instrument(0))
    empty.instruments[0].notes.append(pretty_midi.Note(80, 60, 0, 1))
    empty.write(str(tmp_path / "one.mid"))
    with pytest.raises(ValueError, match="no pitched track with two notes"):
        label(tmp_path / "one.mid", pretrained)


def test_what_others_build_on_can_be_imported_from_the_package():
    for name in camil.__all__:
        assert getattr(camil, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = camil.nothing
