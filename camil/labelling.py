"""Name the instrument of every track of a MIDI file, from its notes alone."""

from pathlib import Path

import mido
import numpy as np
import pandas as pd
import pretty_midi
import torch

from camil.audio import SoundFont, default_soundfont
from camil.corpus import draw_rolls
from camil.encoders import MIDIEncoder, load_classifier
from camil.evaluation import votes
from camil.midi import read_midi, segments_of
from camil.training import embed

SURE = 0.5  # a label with a lower probability is "not sure"
# The program a labelled copy plays: each class's most usual one, counted from 0.
PROGRAM = {
    "Guitar": 24,
    "Piano": 0,
    "Bass": 33,
    "Strings": 48,
    "Organ": 16,
    "Brass": 61,
    "Pipe": 73,
    "Reed": 71,
}


def label(path: Path | str, pretrained: Path | str) -> pd.DataFrame:
    """Label a MIDI file, two measures by two measures.

    Args:
        path: the MIDI file. Its programs are not looked at; drums are left out.
        pretrained: a run of `03_classify` on MIDI.

    Returns:
        A row a segment: `track`, `program` (as the file has it), `start_beat`, `end_beat`,
        `start_seconds`, `end_seconds`, `predicted` (a class, or `not sure`), and the
        probabilities `p_Guitar` ... `p_Reed`.

    Raises:
        MidiError: if the file cannot be read.
        ValueError: if no track has two measures with notes, or the run classifies audio.
    """
    classifier = load_classifier(Path(pretrained) / "classifier.safetensors")
    if not isinstance(classifier.encoder, MIDIEncoder):
        raise ValueError(f"{pretrained} classifies audio; name a run of 03_classify on MIDI.")
    score = read_midi(path)
    tracks = [track for track in score.tracks if not track.is_drum]
    segments = [(track, segment) for track in tracks for segment in segments_of(track, score)]
    if not segments:
        raise ValueError(f"{path} has no pitched track with two notes within two measures.")
    columns = [np.stack([s.pitch, s.step, s.length], axis=1) for _, s in segments]
    counts = torch.tensor([len(notes) for notes in columns])
    onsets = classifier.encoder.config["channels"] == 2
    rolls = draw_rolls(torch.from_numpy(np.concatenate(columns)), counts, onsets=onsets)
    logits = embed(classifier, lambda rows: rolls[rows], torch.arange(len(rolls)))
    rows = [
        {
            "track": track.name,
            "program": track.program,
            "start_beat": segment.start_beat,
            "end_beat": segment.end_beat,
            "start_seconds": segment.start_seconds,
            "end_seconds": segment.end_seconds,
        }
        for track, segment in segments
    ]
    return _with_prediction(pd.DataFrame(rows), logits.double().log_softmax(1).numpy(), classifier)


def track_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """A row a track: its segments' votes, the mean of their log-probabilities."""
    names = [name for name in labels if name.startswith("p_")]
    share = votes(labels[names], labels["track"])
    first = labels.groupby("track", sort=False)[["program"]].first()
    return _named(first.join(share).reset_index(), names)


def play(path: Path | str, seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """The beginning of a MIDI file as the default soundfont plays it, drums left out.

    Returns:
        Mono float32 `(seconds * sample_rate,)`, its loudest sample at 0.9.
    """
    font = SoundFont(default_soundfont(), sample_rate)
    parts = [
        font.render(
            track.program,
            track.pitch,
            track.velocity,
            track.start_seconds,
            track.end_seconds,
            0,
            seconds,
        )
        for track in read_midi(path).tracks
        if not track.is_drum and track.program in font.presets
    ]
    mixed = np.sum(parts, axis=0, dtype=np.float32)
    return 0.9 * mixed / max(float(np.abs(mixed).max()), 1e-9)


def write_labelled(path: Path | str, tracks: pd.DataFrame, output: Path | str) -> None:
    """Write a copy of a MIDI file in which every labelled track plays its predicted instrument.

    Args:
        tracks: from `track_labels`; a track that is `not sure` keeps its program.
    """
    midi = pretty_midi.PrettyMIDI(mido_object=_with_tempi_first(mido.MidiFile(path)))
    predicted = dict(zip(tracks["track"], tracks["predicted"], strict=True))
    names = [track.name for track in read_midi(path).tracks]
    for name, instrument in zip(names, midi.instruments, strict=True):
        if predicted.get(name) in PROGRAM:
            instrument.program = PROGRAM[predicted[name]]
    midi.write(str(output))


def _with_tempi_first(midi: mido.MidiFile) -> mido.MidiFile:
    """Move tempi and signatures of later tracks to the first, where pretty_midi looks for them."""
    moved = []
    for number, track in enumerate(midi.tracks):
        kept, tick, wait = mido.MidiTrack(), 0, 0
        for event in track:
            tick += event.time
            wait += event.time
            if event.type in ("set_tempo", "time_signature", "key_signature"):
                moved.append((tick, event))
            else:
                kept.append(event.copy(time=wait))
                wait = 0
        midi.tracks[number] = kept
    first = mido.MidiTrack()
    before = 0
    for tick, event in sorted(moved, key=lambda pair: pair[0]):
        first.append(event.copy(time=tick - before))
        before = tick
    midi.tracks.insert(0, first)
    return midi


def _with_prediction(rows: pd.DataFrame, log_probabilities, classifier) -> pd.DataFrame:
    names = [f"p_{name}" for name in classifier.classes]
    probabilities = pd.DataFrame(np.exp(log_probabilities), columns=names)
    return _named(pd.concat([rows, probabilities], axis=1), names)


def _named(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    best = table[names].idxmax(axis=1).str.removeprefix("p_")
    predicted = best.where(table[names].max(axis=1) >= SURE, "not sure")
    table.insert(table.columns.get_loc(names[0]), "predicted", predicted)
    return table
