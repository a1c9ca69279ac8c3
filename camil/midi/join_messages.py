"""Join MIDI tracks of a file, message by message."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain

import mido
import numpy as np

from camil.midi.join import join_tracks
from camil.midi.score import Track
from camil.midi.standards import DRUM_CHANNEL

STANDARD_KIT = 0  # its program

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
    controllers change or differ from those of the first part. Drums play the kit of the drums that
    the file already has on channel 10, or else the standard kit. They are left where they are if
    their MIDI track has several parts, or if their controllers change or differ from those of other
    drums on channel 10.

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
    whole = {track for track, count in parts_of.items() if count == 1}
    has_drums = any(part.channel == DRUM_CHANNEL for part in parts)
    joined, apart = _join(midi, groups, whole, programs)
    apart += _move_drums(midi, drums, whole, has_drums)
    midi.tracks = [one for number, one in enumerate(midi.tracks) if number not in joined]
    file = io.BytesIO()
    midi.save(file=file)
    return file.getvalue(), apart


def _join(
    midi: mido.MidiFile,
    groups: Sequence[Sequence[Track]],
    whole: set[int],
    programs: Mapping[str, int],
) -> tuple[list[int], list[str]]:
    """Move the messages of each group into its first track.

    Args:
        midi: the file, which is changed.
        groups, programs: as for `with_joined_tracks`.
        whole: indices of the MIDI tracks with one part.

    Returns:
        Indices of the tracks that were joined to others, and names of the parts that were not.
    """
    joined, apart = [], []
    for first, *others in groups:
        target = midi.tracks[first.midi_track]
        for other in others:
            source = midi.tracks[other.midi_track]
            settings = _settings(source, other.channel)
            agree = settings is not None and settings == _settings(target, first.channel)
            are_whole = {first.midi_track, other.midi_track} <= whole
            if are_whole and agree and not _meet(first, other):
                moved = [_moved(one, other.channel, first.channel) for one in source]
                target[:] = _merged(target, moved, first.channel, programs[first.name])
                first = join_tracks([first, other])
                joined.append(other.midi_track)
            else:
                apart.append(other.name)
    return joined, apart


def _move_drums(
    midi: mido.MidiFile, drums: Sequence[Track], whole: set[int], has_drums: bool
) -> list[str]:
    """Move drums to channel 10.

    Args:
        midi: the file, which is changed.
        drums: parts to move.
        whole: indices of the MIDI tracks with one part.
        has_drums: whether the file has drums there, which keep their kit and controllers.

    Returns:
        Names of the parts that were left where they are.
    """
    kit = None if has_drums else STANDARD_KIT
    apart = []
    for part in drums:
        track = midi.tracks[part.midi_track]
        settings = _settings(track, part.channel)
        of_drums = _settings(chain(*midi.tracks), DRUM_CHANNEL)
        agree = not has_drums or (settings is not None and settings == of_drums)
        if part.midi_track in whole and agree:
            track[:] = _as_drums(track, part.channel, kit)
            has_drums = True
        else:
            apart.append(part.name)
    return apart


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


def _as_drums(track: mido.MidiTrack, channel: int, kit: int | None) -> mido.MidiTrack:
    """The track on the drum channel with another kit, or without program changes if that is None.

    Args:
        channel: the channel of the messages that change theirs.
    """
    events = []
    for tick, message in _timed(track):
        is_change = _is_change(message, channel)
        if is_change and kit is not None:
            message = message.copy(program=kit)
        if not is_change or kit is not None:
            events.append((tick, _moved(message, channel, DRUM_CHANNEL)))
    return _track_of(events)


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
