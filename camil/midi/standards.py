"""Sound standards of a MIDI file: which banks are General MIDI's, which channels play drums.

The state of each channel is followed through bank selects and system exclusive messages, merged
in time over all tracks, as a sound module receives them:

* General MIDI 1: channel 10 plays drums; there is one bank.
* Roland GS: "use for rhythm part" (address ``40 1n 15``; ``50 1n 15`` on the other port) makes a
  part drums (1, 2) or melodic (0). Bank MSB 1 to 63 are variations of the General MIDI program.
* Yamaha XG: bank MSB 127 (drum kits) and 126 (effect kits) make a channel drums, any other melodic;
  so does "part mode" (address ``08 nn 07``). Bank LSB are variations.
* General MIDI 2: bank MSB 120 makes channels 10 and 11 drums, 121 makes them melodic.
* Roland MT-32: the programs are its own, as are those of bank MSB 126 and 127 outside XG.

The banks of XG and General MIDI 2 make drums only after the reset message of that standard. In XG,
bank MSB 0 makes channel 10 melodic only if the file has no GS reset: in all 34 of 17,257 files that
select it, channel 10 plays drums, and 32 of them address several standards.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from camil.midi.parse import Events, SysEx

BANK_MSB, BANK_LSB = 0, 32  # controllers
_GM, _GM2, _GS, _XG, _MT32 = "GM", "GM2", "GS", "XG", "MT-32"
DRUM_CHANNEL = 9  # channel 10, counted from 0
# GS parts in the order of their addresses: block 0 is channel 10.
_GS_CHANNEL = (9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15)
# Variations (bank, program) of another family than their General MIDI program: the organ basses,
# the bass harmonics among the guitars, the dulcimer under the harp.
_GS_EXCEPTIONS = {(40, 16), (24, 31)}
_XG_EXCEPTIONS = {(64, 16), (40, 46)}
_MAX_MESSAGES = 100_000  # a file with more is not music; bounds the time to read it
_KORG_GM, _GM2_MELODIC, _GM2_DRUMS = 56, 121, 120


@dataclass(frozen=True)
class Message:
    """A system exclusive message that resets the standard or sets the mode of a part.

    Attributes:
        standard: the standard that a reset selects, "" for none; None for a part mode.
        part: channel of the part, 0 to 15.
        drums: whether the part plays drums.
        other_port: True for the GS address of parts on the other port.
    """

    standard: str | None
    part: int = -1
    drums: bool = False
    other_port: bool = False

    @property
    def decides(self) -> bool:
        """Whether it can change the meaning of programs of bank 0."""
        return self.standard not in ("", _GM, _GM2, _GS)


@dataclass(frozen=True)
class Selection:
    """The program that a program change selects.

    Attributes:
        order: rank of the program change among all messages of the file.
        labelled: whether it is a General MIDI program, or a variation of its family.
        drums: True or False if its bank makes the channel drums or melodic, else None.
        banks: indices of the bank select events before it on its own track.
    """

    order: int
    labelled: bool
    drums: bool | None
    banks: tuple[int, ...]


def messages(content: bytes) -> list[Message]:
    """The resets and part modes in a system exclusive event, from the manufacturer on."""
    maker, model = content[0], content[2] if len(content) > 3 else -1
    if maker == 0x7E and model == 0x09:
        standard = {1: _GM, 2: "", 3: _GM2}.get(content[3])
        return [] if standard is None else [Message(standard)]
    if maker == 0x41 and model in (0x42, 0x16) and content[3] == 0x12:
        address, values = content[4:7], content[7:].partition(b"\xf7")[0][:-1]
        return [Message(_MT32)] if model == 0x16 else _gs_messages(address, values)
    if maker == 0x43 and model == 0x4C and content[1] & 0xF0 == 0x10:
        address, values = content[3:6], content[6:].partition(b"\xf7")[0]
        return _xg_messages(address, values)
    return []


def _gs_messages(address: bytes, values: bytes) -> list[Message]:
    if address in (b"\x40\x00\x7f", b"\x00\x00\x7f"):
        return [Message("" if values == b"\x7f" else _GS)]
    if len(address) == 3 and address[0] in (0x40, 0x50) and address[1] & 0xF0 == 0x10:
        index = 0x15 - address[2]
        if 0 <= index < len(values):
            channel = _GS_CHANNEL[address[1] & 0x0F]
            return [Message(None, channel, values[index] > 0, address[0] == 0x50)]
    return []


def _xg_messages(address: bytes, values: bytes) -> list[Message]:
    if address in (b"\x00\x00\x7e", b"\x00\x00\x7f"):
        return [Message(_XG)]
    if len(address) == 3 and address[0] == 0x08 and address[1] < 16:
        index = 0x07 - address[2]
        if 0 <= index < len(values):
            return [Message(None, address[1], values[index] > 0)]
    return []


class Standards:
    """The selections of all program changes, and the drum mode of each channel in time.

    Args:
        events: events of the file.
        found: its relevant system exclusive events with their messages.
        line: ``(events,)`` the channel of a track that each event is on, a number.
        port: ``(tracks,)`` number of the port of each track.
    """

    def __init__(self, events: Events, found: list[tuple[SysEx, list[Message]]], line, port):
        self.selections: dict[int, Selection] = {}
        self._modes = defaultdict(list)  # by port and channel: (tick, order, drums or None)
        self._has_gs = any(m.standard == _GS for _, sent in found for m in sent)
        self._standard = ""
        self._ports = range(int(port.max()) + 1)
        kind = events.status & 0xF0
        relevant = (kind == 0xC0) | (kind == 0xB0) & np.isin(events.first, (BANK_MSB, BANK_LSB))
        indices = np.flatnonzero(relevant)
        if len(indices) + len(found) > _MAX_MESSAGES:
            raise ValueError(f"the file has more than {_MAX_MESSAGES:,} programs and bank selects")
        columns = (
            indices, events.tick[indices], events.track[indices], line[indices],
            events.status[indices], events.first[indices], events.second[indices],
        )  # fmt: skip
        queue = [
            ((tick, 1, track, index, 1), (index, line_number, port[track] * 16 + (status & 0x0F),
                                          status & 0xF0, first, second))
            for index, tick, track, line_number, status, first, second in zip(
                *(one.tolist() for one in columns), strict=True)
        ]  # fmt: skip
        for one, sent in found:
            first = sent[0].standard is None  # resets precede all else at their tick
            queue.append(((one.tick, int(first), one.track, one.index, 0), sent))
        own, shared = defaultdict(dict), defaultdict(dict)
        for order, ((tick, _, track, *_), item) in enumerate(sorted(queue, key=lambda q: q[0])):
            if isinstance(item, list):
                for message in item:
                    self._receive(message, tick, order, int(port[track]))
                continue
            index, line_number, address, kind, first, second = item
            if kind == 0xB0:
                own[line_number][first] = shared[address][first] = (second, index)
            else:
                banks = own[line_number] or shared[address]
                own_banks = tuple(index for _, index in own[line_number].values())
                self.selections[index] = self._select(order, address % 16, first, banks, own_banks)

    def _receive(self, message: Message, tick: int, order: int, port: int) -> None:
        if message.standard is None:
            ports = [p for p in self._ports if p != port] if message.other_port else [port]
            for one in ports:
                self._modes[one * 16 + message.part].append((tick, order, message.drums))
        elif message.standard != _MT32 or not self._standard:
            self._standard = message.standard
            for modes in self._modes.values():
                modes.append((tick, order, None))

    def _select(self, order: int, channel: int, program: int, banks, own_banks) -> Selection:
        msb, lsb = banks.get(BANK_MSB, (-1, -1))[0], banks.get(BANK_LSB, (0, -1))[0]
        drums = None
        if self._standard == _XG and msb >= 0:
            drums = msb in (126, 127)
            if msb == 0 and channel == DRUM_CHANNEL and self._has_gs:
                drums = None
        elif self._standard == _GM2 and channel in (9, 10):
            drums = {_GM2_DRUMS: True, _GM2_MELODIC: False}.get(msb)
        return Selection(order, self._is_general_midi(max(msb, 0), lsb, program), drums, own_banks)

    def _is_general_midi(self, msb: int, lsb: int, program: int) -> bool:
        """Whether a program of a bank is of the family of its General MIDI program."""
        if self._standard == _MT32:
            return False
        if msb in (0, _KORG_GM, _GM2_MELODIC):
            return (lsb, program) not in _XG_EXCEPTIONS
        return msb < 64 and (msb, program) not in _GS_EXCEPTIONS

    def drums(self, address: int, change: int, ticks: np.ndarray) -> np.ndarray:
        """Whether notes of one channel and one program change play drums.

        Args:
            address: their channel, plus 16 times the number of its port.
            change: index of their program change, -1 without one.
            ticks: ``(notes,)`` of their starts.
        """
        modes = [(0, -1, None), *self._modes.get(address, [])]
        selection = self.selections.get(change)
        default = address % 16 == DRUM_CHANNEL
        plays = []
        for _, order, drums in modes:
            if selection and selection.drums is not None and selection.order > order:
                drums = selection.drums
            plays.append(default if drums is None else drums)
        mode_ticks = [tick for tick, _, _ in modes]
        return np.array(plays)[np.searchsorted(mode_ticks, ticks, side="right") - 1]
