"""Name the instrument of every part of a MIDI file."""
