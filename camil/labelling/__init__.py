"""Label the tracks of MIDI files with instruments."""
