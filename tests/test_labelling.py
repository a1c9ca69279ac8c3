import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
import torch

import camil
from camil.encoders.classifier import Classifier, save_classifier
from camil.encoders.resnet import AudioEncoder, MIDIEncoder
from camil.evaluation.metrics import track_predictions
from camil.labelling.label import label, repairs, skipped, track_labels
from camil.labelling.networks import TrackReading, load_labeller
from camil.midi.instruments import FAMILIES, INSTRUMENTS
from camil.midi.score import MidiError, read_midi
from camil.midi.segments import segments_of


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A run with an untrained classifier."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_classifier(
        folder / "classifier.safetensors", Classifier(MIDIEncoder(width=4), INSTRUMENTS)
    )
    return folder


@pytest.fixture
def song(tmp_path):
    """A high part with program 0, a bass and drums, eight measures at 120."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for program, drum, base in ((0, False, 72), (33, False, 36), (0, True, 40)):
        part = pretty_midi.Instrument(program, is_drum=drum, name=f"part {base}")
        for i in range(32):
            part.notes.append(pretty_midi.Note(80, base + i * 7 % 11, i / 2, i / 2 + 0.4))
        midi.instruments.append(part)
    path = tmp_path / "song.mid"
    midi.write(str(path))
    return path


def test_every_pitched_track_is_labelled_per_two_measures(song, pretrained):
    labels = label(song, pretrained)
    assert labels["track"].unique().tolist() == ["00-part 72", "01-part 36"]
    one = labels[labels["track"] == "00-part 72"]
    assert one["start_beat"].tolist() == [0, 8, 16, 24]
    assert one["start_seconds"].to_numpy() == pytest.approx([0, 4, 8, 12])
    columns = [f"p_{name}" for name in INSTRUMENTS]
    assert labels[columns].sum(axis=1).to_numpy() == pytest.approx(1)


def test_label_below_threshold_is_uncertain(song, pretrained):
    labels = label(song, pretrained)
    best = labels.filter(like="p_").max(axis=1)
    assert ((labels["predicted"] == "uncertain") == (best < 0.5)).all()


def test_programs_of_the_file_do_not_change_labels(song, pretrained, tmp_path):
    midi = pretty_midi.PrettyMIDI(str(song))
    midi.instruments[0].program = 73
    midi.write(str(tmp_path / "other.mid"))
    columns = [f"p_{name}" for name in INSTRUMENTS]
    first, second = label(song, pretrained), label(tmp_path / "other.mid", pretrained)
    assert np.allclose(first[columns], second[columns])


def test_track_label_is_the_vote_of_its_segments(song, pretrained):
    labels = label(song, pretrained)
    as_predictions = labels.assign(song="s", instrument="Pipe")
    expected = track_predictions(as_predictions)
    assert np.allclose(track_labels(labels).filter(like="p_"), expected.filter(like="p_"))


def test_audio_classifier_raises_value_error(song, tmp_path):
    save_classifier(
        tmp_path / "classifier.safetensors", Classifier(AudioEncoder(width=4), INSTRUMENTS)
    )
    with pytest.raises(ValueError, match="classifies audio"):
        label(song, tmp_path)


def test_files_without_label_raise_the_reason(tmp_path, pretrained):
    (tmp_path / "text.mid").write_text("no music")
    with pytest.raises(MidiError, match=r"text\.mid"):
        label(tmp_path / "text.mid", pretrained)
    empty = pretty_midi.PrettyMIDI()
    empty.instruments.append(pretty_midi.Instrument(0))
    empty.instruments[0].notes.append(pretty_midi.Note(80, 60, 0, 1))
    empty.write(str(tmp_path / "one.mid"))
    with pytest.raises(ValueError, match="no pitched track with two notes"):
        label(tmp_path / "one.mid", pretrained)


def test_drums_and_short_parts_are_listed_as_skipped(song, pretrained):
    midi = pretty_midi.PrettyMIDI(str(song))
    short = pretty_midi.Instrument(73, name="one note")
    short.notes.append(pretty_midi.Note(80, 60, 0, 1))
    midi.instruments.append(short)
    midi.write(str(song))
    labels = label(song, pretrained)
    assert labels["track"].nunique() == 2
    why = skipped(labels).set_index("track")["why"]
    assert why["02-part 40"] == "drums are not labelled"
    assert "no two notes within two measures" in why["03-one note"]
    assert len(why) == 2


def test_channels_of_a_type_0_file_are_parts(song, pretrained):
    flat = mido.MidiFile(type=0, ticks_per_beat=mido.MidiFile(song).ticks_per_beat)
    flat.tracks.append(mido.merge_tracks(mido.MidiFile(song).tracks))
    flat.save(song.with_name("flat.mid"))
    one, other = (label(path, pretrained) for path in (song, song.with_name("flat.mid")))
    columns = [f"p_{name}" for name in INSTRUMENTS]
    assert np.allclose(one[columns], other[columns])
    assert other["channel"].unique().tolist() == [1, 2]


def test_more_than_sixteen_tracks_are_all_labelled(tmp_path, pretrained):
    midi = mido.MidiFile()
    for number in range(20):
        track = mido.MidiTrack()
        for step in range(4):
            track.append(mido.Message("note_on", channel=number % 9, note=50 + step))
            track.append(mido.Message("note_off", channel=number % 9, note=50 + step, time=480))
        midi.tracks.append(track)
    midi.save(tmp_path / "many.mid")
    assert label(tmp_path / "many.mid", pretrained)["track"].nunique() == 20


def test_format_2_file_raises_midi_error(song, pretrained):
    midi = mido.MidiFile(song)
    midi.type = 2
    midi.save(song)
    with pytest.raises(MidiError, match="format 2"):
        label(song, pretrained)


def test_repeated_segments_are_listed_and_vote_once(tmp_path, pretrained):
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    part = pretty_midi.Instrument(0, name="part")
    for pair, base in enumerate((60, 60, 60, 40)):  # two measures last four seconds
        for i in range(4):
            part.notes.append(pretty_midi.Note(80, base + i, 4 * pair + i, 4 * pair + i + 0.9))
    midi.instruments.append(part)
    midi.write(str(tmp_path / "a.mid"))
    labels = label(tmp_path / "a.mid", pretrained)
    columns = [f"p_{name}" for name in INSTRUMENTS]
    assert labels["start_beat"].tolist() == [0, 8, 16, 24]
    assert labels[columns].iloc[0].tolist() == labels[columns].iloc[2].tolist()
    geometric = (labels[columns].iloc[0] * labels[columns].iloc[3]) ** 0.5
    expected = geometric / geometric.sum()
    assert np.allclose(track_labels(labels)[columns].iloc[0], expected)


def test_temperatures_and_velocities_of_the_classifier_are_used(song, tmp_path):
    torch.manual_seed(0)
    classifier = Classifier(MIDIEncoder(width=4), INSTRUMENTS, velocity=True).eval()
    classifier.temperature, classifier.track_temperature = 0.05, 0.5
    save_classifier(tmp_path / "classifier.safetensors", classifier)
    labels = label(song, tmp_path)
    score = read_midi(song)
    expected = []
    for segment in segments_of(score.tracks[0], score):
        roll = torch.zeros(1, 1, 84, 192)
        notes = (segment.pitch, segment.step, segment.length, segment.velocity)
        for pitch, step, length, velocity in zip(*notes, strict=True):
            roll[0, 0, pitch - 24, step : step + length] = velocity / 127
        with torch.no_grad():
            expected.append((classifier(roll)[0].double() / 0.05).softmax(0).numpy())
    columns = [f"p_{name}" for name in INSTRUMENTS]
    found = labels[labels["track"] == "00-part 72"][columns].to_numpy()
    assert np.allclose(found, expected, atol=1e-4)
    vote = np.exp(np.mean(np.log(np.clip(expected, 1e-7, 1)), axis=0))
    sharper = (vote / vote.sum()) ** 2
    track = track_labels(labels).set_index("track").loc["00-part 72", columns]
    assert np.allclose(track.to_numpy(float), sharper / sharper.sum(), atol=1e-4)


class ByIndex:
    """Another kind of labeller: it labels each track by its index, and leaves out the last."""

    classes = INSTRUMENTS

    def __call__(self, tracks, score):
        certain = np.eye(8) * 0.9 + 0.0125
        found = [
            TrackReading(np.array([[0.0, 8.0]]), certain[[7]], certain[i])
            for i in range(len(tracks))
        ]
        return [*found[:-1], None]


def test_custom_labeller_predicts_tracks(song):
    labels = label(song, ByIndex())
    tracks = track_labels(labels)
    assert labels["predicted"].tolist() == ["Reed"]
    assert tracks["predicted"].tolist() == ["Guitar"]
    assert tracks["probability"].tolist() == pytest.approx([0.9125])
    assert skipped(labels)["track"].tolist() == ["01-part 36", "02-part 40"]


class Answers:
    """A labeller with one given reading per track."""

    classes = INSTRUMENTS
    instruments = FAMILIES

    def __init__(self, *readings):
        self.readings = [
            TrackReading(np.array([[0.0, 8.0]]), np.full((1, 8), 1 / 8), np.array(share), *more)
            for share, *more in readings
        ]

    def __call__(self, tracks, score):
        return self.readings[: len(tracks)]


# Guitar, Piano, Bass, Strings, Organ, Brass, Pipe, Reed
PIPE = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.7, 0.09]
PIPE_OR_REED = [0.02, 0.02, 0.02, 0.03, 0.05, 0.06, 0.45, 0.35]
SPREAD = [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.2, 0.05]


def test_second_choice_and_text_follow_the_sorted_probabilities(song):
    tracks = track_labels(label(song, Answers([PIPE], [PIPE_OR_REED])))
    for row, share in zip(tracks.itertuples(), (PIPE, PIPE_OR_REED), strict=True):
        (second, two), (first, one) = sorted(zip(share, INSTRUMENTS, strict=True))[-2:]
        assert (row.first, row.second) == (one, two)
        assert (row.probability, row.second_probability) == (first, second)
    assert tracks["predicted"].tolist() == ["Pipe", "uncertain"]
    assert tracks["text"].tolist() == ["Pipe", "Pipe or Reed"]
    spread = track_labels(label(song, Answers([SPREAD], [PIPE])))
    assert spread["text"].tolist() == ["uncertain", "Pipe"]


def test_threshold_decides_between_label_two_labels_and_uncertain(song):
    labels = label(song, Answers([PIPE_OR_REED], [SPREAD]))
    expected = {0.2: ("Pipe", "Pipe"), 0.3: ("Pipe", "Pipe or Brass"), 0.5: ("Pipe or Reed",
                "uncertain"), 0.9: ("uncertain", "uncertain")}  # fmt: skip
    for threshold, text in expected.items():
        found = track_labels(labels, threshold)
        assert tuple(found["text"]) == text
        decided = found["predicted"] != "uncertain"
        assert (decided == (found["probability"] >= threshold)).all()
    assert (
        label(song, Answers([PIPE], [PIPE]), threshold=0.1)["predicted"].tolist() == ["Guitar"] * 2
    )
    assert label(song, Answers([PIPE], [PIPE]))["predicted"].tolist() == ["uncertain"] * 2


def test_probability_of_no_class_is_part_of_the_decision(song):
    readings = [PIPE, 0.1], [PIPE, 0.4]
    tracks = track_labels(label(song, Answers(*readings)))
    assert tracks["probability"].tolist() == pytest.approx([0.9 * 0.7, 0.6 * 0.7])
    assert tracks["text"].tolist() == ["Pipe", "Pipe or other"]
    assert tracks["other"].tolist() == [0.1, 0.4]
    readings = [PIPE, 0.55], [PIPE, 0.45]
    tracks = track_labels(label(song, Answers(*readings)))
    assert tracks["predicted"].tolist() == ["other", "uncertain"]
    assert tracks["text"].tolist() == ["other", "other or Pipe"]
    assert tracks["second_probability"].tolist() == pytest.approx([0.45 * 0.7, 0.55 * 0.7])
    columns = [f"p_{name}" for name in INSTRUMENTS]
    assert np.allclose(tracks[columns], [PIPE, PIPE])  # given that the part belongs to a class


def test_labeller_without_other_and_programs_leaves_them_unknown(song, pretrained):
    tracks = track_labels(label(song, pretrained))
    assert tracks["other"].isna().all()
    assert (tracks["suggested_program"] == -1).all()
    assert tracks["suggested_program_probability"].isna().all()
    shares = tracks.filter(like="p_")
    assert (tracks["probability"] == shares.max(axis=1)).all()


def test_suggested_program_is_the_most_probable_of_the_predicted_class(song):
    programs = np.full(128, 1e-4)
    programs[[73, 75, 40, 12, 98]] = 0.2, 0.3, 0.4, 0.05, 0.01
    readings = [PIPE, 0.1, programs], [PIPE, 0.8, programs]
    tracks = track_labels(label(song, Answers(*readings)))
    assert tracks["predicted"].tolist() == ["Pipe", "other"]
    assert tracks["suggested_program"].tolist() == [75, 12]
    others = [p for p in range(128) if FAMILIES.of_program(p) is None]
    expected = [0.3 / (0.5 + 6e-4), 0.05 / sum(programs[others])]
    assert tracks["suggested_program_probability"].tolist() == pytest.approx(expected)
    uncertain = track_labels(label(song, Answers(*readings)), threshold=0.95)
    assert uncertain["suggested_program"].tolist() == [-1, -1]


def test_labels_do_not_depend_on_the_number_of_threads(song):
    threads = torch.get_num_threads()
    tables = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            tables.append(label(song, "permissive"))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)


def test_table_of_an_earlier_version_can_be_read(song, pretrained):
    labels = label(song, pretrained)
    earlier = labels.drop(columns=["labelled", *labels.filter(regex="track_(other|suggested)")])
    pd.testing.assert_frame_equal(track_labels(earlier), track_labels(labels))


def test_folder_is_labelled_and_unreadable_files_are_listed(song, tmp_path, pretrained):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in ("b.mid", "below/a.KAR"):
        (folder / name).write_bytes(song.read_bytes())
    (folder / "c.mid").write_text("no MIDI")
    (folder / "notes.txt").write_text("no MIDI")
    labels = label(folder, pretrained)
    alone = label(song, pretrained)
    for name in ("b.mid", "below/a.KAR"):
        mine = labels[labels["file"] == name].drop(columns="file").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone.drop(columns="file"))
    assert track_labels(labels)["file"].tolist() == ["b.mid"] * 2 + ["below/a.KAR"] * 2
    why = skipped(labels)
    assert why[why["track"] == ""]["file"].tolist() == ["c.mid"]
    assert "does not begin like a MIDI file" in why["why"].iloc[0]
    assert (why["why"] == "drums are not labelled").sum() == 2


def test_damaged_file_is_labelled_with_warning_and_listed_repair(song, tmp_path, pretrained):
    (tmp_path / "cut.mid").write_bytes(song.read_bytes()[:-20])
    with pytest.warns(
        UserWarning, match=r"cut\.mid is damaged .* track 4, offset .*: the track dec"
    ):
        labels = label(tmp_path / "cut.mid", pretrained)
    assert track_labels(labels)["track"].tolist() == ["00-part 72", "01-part 36"]
    found = repairs(labels)
    assert set(found["file"]) == {"cut.mid"}
    assert found["what"].str.contains("the track declares").any()
    assert repairs(label(song, pretrained)).empty


def test_missing_program_is_listed_as_unknown(song, tmp_path, pretrained):
    midi = mido.MidiFile(song)
    for track in midi.tracks:
        if any(event.type == "note_on" and event.channel == 0 for event in track):
            track[:] = [event for event in track if event.type != "program_change"]
    midi.save(tmp_path / "a.mid")
    labels = label(tmp_path / "a.mid", pretrained)
    assert labels.groupby("track")["labelled"].first().tolist() == [False, True]
    written = track_labels(labels)["written"].tolist()
    assert written == ["unknown", "Electric Bass (finger)"]


def test_folder_without_music_raises_value_error(tmp_path, pretrained):
    with pytest.raises(ValueError, match=r"contains no \.mid"):
        label(tmp_path, pretrained)
    (tmp_path / "a.mid").write_text("no music")
    with pytest.raises(ValueError, match=r"none of the 1 files .* a\.mid: .* does not begin like"):
        label(tmp_path, pretrained)


def test_missing_classifier_error_names_the_command(tmp_path, monkeypatch, song):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("camil.labelling.networks.SHIPPED", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="make figures"):
        label(song)
    with pytest.raises(FileNotFoundError, match="there is no labeller nowhere: name one"):
        label(song, "nowhere")


def test_default_labeller_is_the_included_classifier(monkeypatch, song, pretrained):
    monkeypatch.setattr("camil.labelling.networks.SHIPPED", pretrained)
    pd.testing.assert_frame_equal(label(song), label(song, pretrained))


def test_demo_classifier_replaces_the_included_one_with_notice(
    monkeypatch, tmp_path, song, pretrained, capsys
):
    monkeypatch.setattr("camil.labelling.networks.SHIPPED", tmp_path / "none")
    monkeypatch.setattr("camil.labelling.networks.DEMO", pretrained)
    assert load_labeller().classes == INSTRUMENTS
    assert "trained on demo songs only" in capsys.readouterr().out


def test_public_names_can_be_imported_from_the_package():
    for name in camil.__all__:
        assert getattr(camil, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = camil.nothing
