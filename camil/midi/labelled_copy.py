"""A copy of a MIDI file whose parts play other programs.

Only program changes are written, into the bytes of the file itself: everything else, also events
that this project does not read, stays as it is.
"""

import warnings
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import numpy as np

from camil.midi.container import midi_content
from camil.midi.faults import Faults
from camil.midi.notes import Instrument, instruments_of, pair_notes
from camil.midi.parse import Events, read_events
from camil.midi.programs import ports_of, programs_of
from camil.midi.score import Track


class LabelledCopy:
    """A file with other programs.

    Args:
        data: a valid file.
        parts: its parts.
        programs: the new program of each labelled part, by name.
    """

    def __init__(self, data: bytes, parts: list[Track], programs: dict[str, int]):
        self.data, self.parts = data, parts
        _, self.events = read_events(data, frames=True)
        notes = pair_notes(self.events, Faults(strict=False))
        self.instruments = instruments_of(self.events, notes)
        self.banks = programs_of(self.events, notes.begin, notes.end).banks
        self.targets = [programs.get(part.name) for part in parts]
        channel = self.events.status & 0x0F
        self.address = ports_of(self.events)[self.events.track] * 16 + channel

    @property
    def changed(self) -> int:
        """The number of parts with another program than the one that the file states."""
        stated = [part.program if part.labelled else None for part in self.parts]
        pairs = zip(self.targets, stated, strict=True)
        return sum(target not in (None, old) for target, old in pairs)

    def content(self, moved: Collection[int] = ()) -> bytes:
        """The file with the new programs.

        Args:
            moved: indices of MIDI tracks whose program changes will move to another channel or be
                removed. All parts on their channels get program changes of their own.
        """
        copy = bytearray(self.data)
        programs = self._programs()
        for index, program in programs.items():
            copy[self.events.data_offset[index]] = program
        for index in self._banks_to_reset(programs):
            copy[self.events.data_offset[index] + 1] = 0
        lines = self._lines()
        # A program inserted on one track would change the other tracks of its channel.
        shared = {int(self.address[line[0][0].begin[0]]) for line in lines
                  if line[0][0].midi_track in moved
                  or self._insertions(line, programs, False)}  # fmt: skip
        inserted = []
        for line in lines:
            explicit = int(self.address[line[0][0].begin[0]]) in shared
            inserted += self._insertions(line, programs, explicit)
        for index, program in sorted(inserted, reverse=True):  # later offsets first
            _insert(copy, self.events, index, program)
        return _with_riff_sizes(copy, self.data)

    def _programs(self) -> dict[int, int]:
        """New programs of existing program changes, by the index of their event.

        A program change follows the parts of its own track, if it has any, else the other parts
        that it selects; they must all be labelled alike.
        """
        own, others, of_channel = defaultdict(set), defaultdict(set), defaultdict(set)
        for one, target in zip(self.instruments, self.targets, strict=True):
            of_channel[int(self.address[one.begin[0]])].add(target)
            for change in np.unique(one.change).tolist():
                is_own = change >= 0 and self.events.track[change] == one.midi_track
                (own if is_own else others)[change].add(target)
        programs = {}
        for change in np.flatnonzero(self.events.status & 0xF0 == 0xC0).tolist():
            targets = own[change] or others[change]
            if not targets and not self._has_notes(change):
                targets = of_channel[int(self.address[change])]
            if len(targets) == 1 and None not in targets:
                (programs[change],) = targets
        return programs

    def _has_notes(self, change: int) -> bool:
        """Whether the track of an event has notes on its channel."""
        track, channel = int(self.events.track[change]), int(self.events.status[change]) & 0x0F
        return any(one.midi_track == track and one.channel == channel for one in self.instruments)

    def _banks_to_reset(self, programs: dict[int, int]) -> set[int]:
        """Bank selects that are followed by new programs only."""
        kept = {bank for change, found in self.banks.items() if change not in programs
                for bank in found}  # fmt: skip
        found = {bank for change in programs for bank in self.banks.get(change, ())}
        return found - kept

    def _lines(self) -> list[list[tuple[Instrument, int | None]]]:
        """Parts with their targets, by MIDI track and channel."""
        lines = defaultdict(list)
        for one, target in zip(self.instruments, self.targets, strict=True):
            lines[one.midi_track, one.channel].append((one, target))
        return list(lines.values())

    def _insertions(self, line, programs: dict[int, int], explicit: bool) -> list[tuple[int, int]]:
        """Program changes to insert on a channel of a track: index of the event after, program.

        They concern notes without a program change on their own track.

        Args:
            line: from `_lines`.
            programs: from `_programs`.
            explicit: whether the notes need a program change even if the one of another track is
                right.
        """
        events, first = self.events, line[0][0]
        own = (events.track == first.midi_track) & (events.status == 0xC0 | first.channel)
        queue = [(index, None) for index in np.flatnonzero(own).tolist()]
        for one, target in line:
            foreign = (one.change < 0) | (events.track[one.change] != one.midi_track)
            if not one.is_drum:
                pairs = zip(one.begin[foreign].tolist(), one.change[foreign].tolist(), strict=True)
                queue += [(begin, (change, target)) for begin, change in pairs]
        found, current = [], None
        for index, note in sorted(queue, key=lambda one: one[0]):
            if note is None:
                current = None
                continue
            change, target = note
            old = int(events.first[change]) if change >= 0 else None
            plays = programs.get(change, old) if current is None else current
            if explicit and current is None:
                plays = None
            wanted = old if target is None else target
            if wanted is not None and wanted != plays:
                found.append((index, wanted))
                current = wanted
        return found

    def warn_of_shared_channels(self, path: Path, moved: Collection[str] = ()) -> None:
        """Warn of parts that share a channel and got different instruments.

        Args:
            path: the file that the warning names.
            moved: names of the parts that have another channel in the copy.
        """
        sharing = defaultdict(dict)
        for part, one, target in zip(self.parts, self.instruments, self.targets, strict=True):
            if not part.is_drum and part.name not in moved:
                of_track = sharing[int(self.address[one.begin[0]])]
                of_track.setdefault(part.midi_track, []).append((part, target))
        for address, of_track in sharing.items():
            of_channel = [pair for pairs in of_track.values() for pair in pairs]
            before = {part.program for part, _ in of_channel}
            now = {part.program if target is None else target for part, target in of_channel}
            if len(of_track) > 1 and len(before) == 1 < len(now):
                names = ", ".join(part.name for part, _ in of_channel)
                warnings.warn(
                    f"{path}: the parts {names} share channel {address % 16 + 1} and got different "
                    "instruments; a player with one instrument per channel plays them all alike.",
                    stacklevel=3,
                )


def _insert(copy: bytearray, events: Events, index: int, program: int) -> None:
    """Insert a program change before an event, at the same time; earlier offsets stay valid."""
    offset, body, status = (
        int(x[index]) for x in (events.offset, events.data_offset, events.status)
    )
    time = copy[offset:body]
    if time[-1] >= 0x80:  # the event's own status byte; without it, the event is in running status
        del time[-1]
    change = time + bytes([0xC0 | status & 0x0F, program, 0, status])
    begin, _ = events.spans[int(events.track[index])]
    size = int.from_bytes(copy[begin - 4 : begin]) + len(change) - (body - offset)
    copy[offset:body] = change
    copy[begin - 4 : begin] = size.to_bytes(4)


def _with_riff_sizes(copy: bytearray, data: bytes) -> bytes:
    """The copy with the sizes of its RIFF container, if it has one, as its content needs."""
    begin, end = midi_content(data)
    grown = len(copy) - len(data)
    if not begin or not grown:
        return bytes(copy)
    content, rest = copy[begin : end + grown], copy[end + grown + (end - begin) % 2 :]
    padding = bytes(len(content) % 2 if rest else 0)
    copy = copy[: begin - 4] + len(content).to_bytes(4, "little") + content + padding + rest
    copy[4:8] = (len(copy) - 8).to_bytes(4, "little")
    return bytes(copy)
