"""MIDI files to tracks, measures, segments and features, and back."""

from camil.midi.faults import MidiError, MidiWarning
from camil.midi.instruments import INSTRUMENT_OF_PROGRAM, INSTRUMENTS
from camil.midi.score import Score, Track, read_midi
from camil.midi.segments import Segment, piano_roll, segments_of

__all__ = [
    "INSTRUMENTS",
    "INSTRUMENT_OF_PROGRAM",
    "MidiError",
    "MidiWarning",
    "Score",
    "Segment",
    "Track",
    "piano_roll",
    "read_midi",
    "segments_of",
]
