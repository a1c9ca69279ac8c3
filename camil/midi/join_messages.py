"""Join MIDI tracks of a file, message by message."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import mido
import numpy as np

from camil.midi.join import join_tracks
from camil.midi.score import Track
from camil.midi.standards import DRUM_CHANNEL

_NOTES = ("note_on", "note_off")
_NAMES = ("track_name", "instrument_name", "midi_port", "channel_prefix")


def with_joined_tracks(
    data: bytes,
    parts: Sequence[Track],
    groups: Sequence[Sequence[Track]],
    drums: Sequence[Track],
    programs: Mapping[str, int],
) -> tuple[bytes, list[str]]:
    """A MIDI file in which each group of parts is one track, and drums play on channel 10.

    The messages of a group move into the MIDI track of its first part, and those on the channels of
    the parts onto the channel of that part. A part is left where it is if its MIDI track has
    several parts, if one of its notes would sound together with one of the same pitch, or if its
    controllers change or differ from those of the first part.

    Args:
        data: a valid MIDI file without a container.
        parts: all parts of the file, from `camil.midi.score.read_midi`.
        groups: the parts to join, one group per new track.
        drums: the parts that are drums.
        programs: the program of each part of a group in the file, by name; it is the same for all
            parts of a group, and each of their tracks states it before its first note.

    Returns:
        The file, and the names of the parts that were left where they are: all of them, in the
        same file, if mido cannot read it.
    """
    try:
        midi = mido.MidiFile(file=io.BytesIO(data))
    except Exception:  # mido raises errors of many classes for texts and metres that it cannot read
        return data, [part.name for group in (*groups, drums) for part in group]
    parts_of = Counter(part.midi_track for part in parts)
    joined, apart = [], []
    for first, *others in groups:
        target = midi.tracks[first.midi_track]
        for other in others:
            source = midi.tracks[other.midi_track]
            are_whole = parts_of[first.midi_track] == parts_of[other.midi_track] == 1
            settings = _settings(source, other.channel)
            agree = settings is not None and settings == _settings(target, first.channel)
            if are_whole and agree and not _meet(first, other):
                moved = [_moved(one, other.channel, first.channel) for one in source]
                target[:] = _merged(target, moved, first.channel, programs[first.name])
                first = join_tracks([first, other])
                joined.append(other.midi_track)
            else:
                apart.append(other.name)
    for part in drums:
        track = midi.tracks[part.midi_track]
        if parts_of[part.midi_track] > 1:
            apart.append(part.name)
        else:
            track[:] = [_as_drums(one, part.channel) for one in track]
    midi.tracks = [one for number, one in enumerate(midi.tracks) if number not in joined]
    file = io.BytesIO()
    midi.save(file=file)
    return file.getvalue(), apart


def _merged(
    target: Sequence[mido.Message], source: Sequence[mido.Message], channel: int, program: int
) -> mido.MidiTrack:
    """The messages of two tracks, without the names of the second one.

    Changes of the channel to other programs are left out. They concern no note of their own track,
    but would change notes of the other one.
    """
    events = [(tick, 1, message) for tick, message in _timed(target)]
    struck = set()
    for tick, message in _timed(source):
        rank = 2
        if message.type == "note_on" and message.velocity:
            struck.add((tick, message.note))
        elif message.type in _NOTES and (tick, message.note) not in struck:
            rank = 0  # at one tick, notes end before others begin
        if message.type not in _NAMES:
            events.append((tick, rank, message))
    events.sort(key=lambda event: event[:2])
    return _track_of(
        (tick, message)
        for tick, _, message in events
        if not (_is_change(message, channel) and message.program != program)
    )


def _timed(track: Sequence[mido.Message]) -> Iterator[tuple[int, mido.Message]]:
    """Ticks from the start of the track, and messages."""
    return zip(accumulate(message.time for message in track), track, strict=True)


def _track_of(events: Iterable[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """A track of messages, given with their ticks from its start."""
    ticks, messages = zip(*events, strict=True)
    times = np.diff(ticks, prepend=0).tolist()
    return mido.MidiTrack(
        message.copy(time=time) for time, message in zip(times, messages, strict=True)
    )


def _is_change(message: mido.Message, channel: int) -> bool:
    return message.type == "program_change" and message.channel == channel


def _is_on(message: mido.Message, channel: int) -> bool:
    return not message.is_meta and getattr(message, "channel", None) == channel


def _moved(message: mido.Message, before: int, after: int) -> mido.Message:
    """The message on another channel, if it is on the first one."""
    return message.copy(channel=after) if _is_on(message, before) else message


def _as_drums(message: mido.Message, channel: int) -> mido.Message:
    """The message on the drum channel, if it is on the given one."""
    if _is_change(message, channel):
        message = message.copy(program=0)  # the standard kit
    return _moved(message, channel, DRUM_CHANNEL)


def _settings(track: Iterable[mido.Message], channel: int) -> set[tuple[int, ...]] | None:
    """The controllers of a channel with their values; None if one has several values."""
    messages = [one for one in track if _is_on(one, channel)]
    values = {
        tuple(one.copy(channel=0).bytes())
        for one in messages
        if one.type not in (*_NOTES, "program_change")
    }
    numbers = {one[: 2 if one[0] in (0xA0, 0xB0) else 1] for one in values}
    return values if len(numbers) == len(values) else None


def _meet(first: Track, second: Track) -> bool:
    """Whether a note of one track sounds together with one of the same pitch of the other."""
    return _unisons(join_tracks([first, second])) > _unisons(first) + _unisons(second)


def _unisons(track: Track) -> int:
    """The number of notes that begin while another one of their pitch sounds."""
    order = np.lexsort((track.start_beat, track.pitch))
    offset = track.pitch[order] * 1e6  # quarter notes, so that notes of two pitches never meet
    sounding = np.maximum.accumulate(track.end_beat[order] + offset)
    return int((track.start_beat[order][1:] + offset[1:] + 1e-4 < sounding[:-1]).sum())
