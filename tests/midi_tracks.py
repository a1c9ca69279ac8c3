"""Small MIDI files of several tracks, and how a player with one program per channel plays them."""

from collections import defaultdict

import mido
import numpy as np


def write_file(path, *tracks):
    """A file of tracks, given as lists of (tick, message)."""
    midi = mido.MidiFile(type=1, ticks_per_beat=480)
    for events in tracks:
        times = np.diff([tick for tick, _ in events], prepend=0).tolist()
        midi.tracks.append(
            mido.MidiTrack(m.copy(time=time) for time, (_, m) in zip(times, events, strict=True))
        )
    midi.save(path)
    return path


def track_of(name, channel, notes, program=0, controls=()):
    """A track of notes (begin, end, pitch)."""
    events = [
        (0, 0, mido.MetaMessage("track_name", name=name)),
        (0, 1, mido.Message("program_change", channel=channel, program=program)),
    ]
    for tick, control, value in controls:
        message = mido.Message("control_change", channel=channel, control=control, value=value)
        events.append((tick, 2, message))
    for begin, end, pitch in notes:
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=60 + pitch % 50)
        events += [(begin, 4, on), (end, 3 + 2 * (begin == end), on.copy(velocity=0))]
    return [(tick, message) for tick, _, message in sorted(events, key=lambda one: one[:2])]


def played(path):
    """Tick, pitch, program and volume of each note, by tick and pitch, as mido reads them.

    Program and volume are those that the channel of the note has at its tick, from all tracks.
    Notes on channel 10 have ``drums`` and the kit for a program.
    """
    events = []
    for number, track in enumerate(mido.MidiFile(path).tracks):
        tick = 0
        for index, message in enumerate(track):
            tick += message.time
            events.append((tick, number, index, message))
    programs, volumes, found = defaultdict(int), defaultdict(lambda: 100), []
    for tick, _, _, message in sorted(events, key=lambda event: event[:3]):
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.is_cc(7):
            volumes[message.channel] = message.value
        elif message.type == "note_on" and message.velocity:
            program = programs[message.channel]
            if message.channel == 9:
                program = f"drums {program}"
            found.append((tick, message.note, program, volumes[message.channel]))
    return sorted(found, key=lambda note: note[:2])
