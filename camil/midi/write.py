"""A copy of a MIDI file that plays the instruments it was labelled with.

Only program changes are written, into the bytes of the file itself: whatever else it holds, also
what no program knows, stays as it is.
"""

import os
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from camil.midi.instruments import INSTRUMENT_OF_PROGRAM
from camil.midi.parse import PORT, Events, read_events
from camil.midi.score import Track, read_midi

# The program that a part plays where its file has another instrument: each class's most usual one,
# counted from 0 as MIDI does.
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

Part = tuple[int, int, int]  # MIDI track from 0, channel from 0, program as the file has it


def labelled_programs(parts: list[Track], tracks: pd.DataFrame) -> dict[str, int]:
    """The program, 0 to 127, of each part that is sure, by its name.

    A part whose program is of the predicted class keeps it: a steel guitar that is labelled Guitar
    need not become a nylon one. Parts that are `not sure` are absent, and so are drums.

    Args:
        parts: of the file, as `read_midi` has them.
        tracks: from `track_labels`, of this file alone.
    """
    predicted = dict(zip(tracks["track"], tracks["predicted"], strict=True))
    programs = {}
    for part in parts:
        name = predicted.get(part.name)
        if name in PROGRAM and not part.is_drum:
            agrees = INSTRUMENT_OF_PROGRAM.get(part.program) == name
            programs[part.name] = part.program if agrees else PROGRAM[name]
    return programs


def write_labelled(path: Path | str, tracks: pd.DataFrame, output: Path | str) -> None:
    """Write a copy of a MIDI file in which every labelled part plays its predicted instrument.

    Program changes of labelled parts get another program; a part without one gets one just before
    its first note. Everything else is the same to the byte: notes, tempi, controllers, lyrics.
    Parts that are `not sure`, and drums, keep their programs. Parts of several MIDI tracks that
    share a channel play one instrument on most devices; where their labels differ, a warning tells.

    Args:
        tracks: from `track_labels`, of this file alone.
        output: the file to write, whole or not at all; its folder is made if need be.

    Raises:
        MidiError: if the file cannot be read.
    """
    path, output = Path(path), Path(output)
    parts = read_midi(path).tracks
    programs = labelled_programs(parts, tracks)
    wanted = {
        (part.midi_track, part.channel, part.program): programs[part.name]
        for part in parts
        if part.name in programs
    }
    data = path.read_bytes()
    _, events = read_events(data)
    _warn_of_shared_channels(path, parts, programs, events)
    copy = with_programs(data, wanted, events)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f"{output.name}.partial")
    unfinished.write_bytes(copy)
    os.replace(unfinished, output)


def with_programs(data: bytes, wanted: dict[Part, int], events: Events) -> bytes:
    """The content of a MIDI file with other programs.

    Args:
        wanted: the new program of each part that gets one.
        events: of `data`.
    """
    copy = bytearray(data)
    line = list(zip(events.track.tolist(), (events.status & 0x0F).tolist(), strict=True))
    kind = events.status & 0xF0
    begins = np.flatnonzero((kind == 0x90) & (events.second > 0)).tolist()
    first_note = {line[index]: index for index in reversed(begins)}
    of_channel = defaultdict(set)
    for (_, channel, _), program in wanted.items():
        of_channel[channel].add(program)

    told = set()  # lines whose first note has a program change before it
    for index in np.flatnonzero(kind == 0xC0).tolist():
        mine, channel = line[index], line[index][1]
        new = wanted.get((*mine, int(events.first[index])))
        if mine not in first_note and len(of_channel[channel]) == 1:
            # A track without notes of its own sets the channel up for another track's.
            (new,) = of_channel[channel]
        if new is not None:
            copy[events.body[index]] = new
        if index < first_note.get(mine, -1):
            told.add(mine)
    silent = [mine for mine in first_note if mine not in told and (*mine, 0) in wanted]
    for mine in sorted(silent, key=lambda mine: -events.place[first_note[mine]]):  # from behind
        _insert(copy, events, first_note[mine], wanted[*mine, 0])
    return bytes(copy)


def _insert(copy: bytearray, events: Events, index: int, program: int) -> None:
    """Put a program change before an event, at the same time; earlier bytes keep their places."""
    place, body, status = (int(x[index]) for x in (events.place, events.body, events.status))
    time = copy[place:body]
    if time[-1] >= 0x80:  # the event's own status, which it may also have from the one before
        del time[-1]
    change = time + bytes([0xC0 | status & 0x0F, program, 0, status])
    begin, _ = events.spans[int(events.track[index])]
    size = int.from_bytes(copy[begin - 4 : begin]) + len(change) - (body - place)
    copy[place:body] = change
    copy[begin - 4 : begin] = size.to_bytes(4)


def _warn_of_shared_channels(path: Path, parts, programs: dict[str, int], events: Events) -> None:
    port = {track: content for _, track, _, kind, content in events.meta if kind == PORT}
    sharing = defaultdict(dict)
    for part in parts:
        if not part.is_drum:
            channel = port.get(part.midi_track, b"\0"), part.channel
            sharing[channel].setdefault(part.midi_track, []).append(part)
    for (_, channel), of_track in sharing.items():
        mine = [part for parts in of_track.values() for part in parts]
        before = {part.program for part in mine}
        now = {programs.get(part.name, part.program) for part in mine}
        if len(of_track) > 1 and len(before) == 1 < len(now):
            names = ", ".join(part.name for part in mine)
            warnings.warn(
                f"{path}: the parts {names} share channel {channel + 1} and got different "
                "instruments; a player that goes by channels plays them all with one.",
                stacklevel=3,
            )
