"""The program of each part, drums and track names, in files built byte by byte."""

import pytest
from midi_bytes import (
    GM2_ON,
    GS_RESET,
    XG_ON,
    assert_read,
    bank,
    file_of,
    gs_rhythm,
    meta,
    part,
    sysex,
)

from camil.midi.score import score_of


def test_part_without_program_takes_the_one_of_its_channel_on_another_track():
    assert_read(file_of(part(4, 8, 73), part(4, 5)), {73: 13})
    assert_read(file_of(part(4, 5), part(4, 8, 73)), {73: 13})
    assert_read(file_of(bytes([0, 0xC4, 21]), part(4, 5), part(5, 4)), {21: 5, "-": 4})


def test_programs_of_another_port_are_ignored():
    ports = [meta(0x21, bytes([number])) for number in range(2)]
    assert_read(file_of(ports[0] + part(4, 8, 73), ports[1] + part(4, 5)), {73: 8, "-": 5})
    devices = [meta(0x09, name) for name in (b"A", b"B")]
    assert_read(file_of(devices[0] + part(4, 8, 73), devices[1] + part(4, 5)), {73: 8, "-": 5})


def test_own_program_takes_precedence_over_another_track():
    assert_read(file_of(part(4, 8, 73), part(4, 5, 40), part(4, 3)), {73: 8, 40: 8})


def test_program_on_another_track_changes_midway():
    setup = bytes([0, 0xC2, 33]) + bytes([0x83, 0x60, 0xC2, 34])
    assert_read(file_of(setup, part(2, 5)), {33: 2, 34: 3})


@pytest.mark.parametrize("channel", [0, 8, 10, 15])
@pytest.mark.parametrize("msb", [126, 127])
def test_xg_drum_bank_makes_drums_only_after_the_xg_reset(channel, msb):
    kit = bank(channel, msb) + part(channel, 5, 0)
    other = (channel + 1) % 9
    assert_read(file_of(b"\0" + XG_ON + part(other, 8, 73), kit), {73: 8, "drums": 5})
    for reset in (b"", b"\0" + GS_RESET, b"\0" + GM2_ON):
        assert_read(file_of(reset + part(other, 8, 73), kit), {73: 8, "-": 5})


def test_xg_bank_0_and_part_mode_make_channel_melodic():
    kit = bank(4, 127) + part(4, 3, 0) + bank(4, 0) + part(4, 5, 40)
    assert_read(file_of(b"\0" + XG_ON + kit), {"drums": 3, 40: 5})
    mode = "43104c08{:02x}07{:02x}f7"
    melodic, drums = sysex(mode.format(9, 0)), sysex(mode.format(3, 2))
    assert_read(file_of(b"\0" + XG_ON + melodic + part(9, 4, 40)), {40: 4})
    assert_read(file_of(b"\0" + XG_ON + drums + part(3, 4, 0)), {"drums": 4})


def test_xg_effect_voices_are_no_general_midi_program():
    effects, variation = bank(0, 64) + part(0, 4, 2), bank(1, 0, 32) + part(1, 4, 25)
    assert_read(file_of(b"\0" + XG_ON + effects + variation), {"-": 4, 25: 4})


@pytest.mark.parametrize("channel", [9, 10])
def test_gm2_drum_bank_makes_drums_on_channels_10_and_11(channel):
    kit = bank(channel, 120) + part(channel, 5, 0)
    assert_read(file_of(b"\0" + GM2_ON + kit), {"drums": 5})
    melodic = bank(channel, 121) + part(channel, 5, 40)
    assert_read(file_of(b"\0" + GM2_ON + kit + melodic), {"drums": 5, 40: 5})


def test_gm2_drum_bank_makes_no_drums_elsewhere():
    assert_read(file_of(b"\0" + GM2_ON + bank(5, 120) + part(5, 5, 0)), {"-": 5})
    assert_read(file_of(bank(10, 120) + part(10, 5, 0)), {"-": 5})


@pytest.mark.parametrize("channel", [0, 8, 9, 10, 15])
@pytest.mark.parametrize("mode", [1, 2])
def test_gs_part_mode_makes_channel_drums_or_melodic(channel, mode):
    body = (
        gs_rhythm(channel, mode)
        + part(channel, 3, 0)
        + gs_rhythm(channel, 0)
        + part(channel, 5, 40)
    )
    assert_read(file_of(b"\0" + GS_RESET + body), {"drums": 3, 40: 5})
    again = (
        gs_rhythm(channel, mode) + part(channel, 3, 16) + b"\0" + GS_RESET + part(channel, 5, 40)
    )
    back = {"drums": 8} if channel == 9 else {"drums": 3, 40: 5}
    assert_read(file_of(again), back)


def test_gs_variations_are_general_midi_and_mt32_banks_are_not():
    for msb, parts in (
        (8, {24: 5}),
        (16, {24: 5}),
        (127, {"-": 5}),
        (126, {"-": 5}),
        (64, {"-": 5}),
    ):
        assert_read(file_of(b"\0" + GS_RESET + bank(3, msb) + part(3, 5, 24)), parts)
    assert_read(file_of(b"\0" + GS_RESET + bank(3, 40) + part(3, 5, 16)), {"-": 5})  # organ bass


def test_channel_10_without_program_is_drums():
    assert_read(file_of(part(9, 5), part(0, 5, 73)), {"drums": 5, 73: 5})
    assert_read(file_of(bank(9, 0) + part(9, 5, 0)), {"drums": 5})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Флейта".encode(), "Флейта"),
        ("Flöte".encode("utf-8-sig"), "Flöte"),
        ("Flute".encode("utf-16"), "Flute"),
        (b"\xfe\xff" + "Flûte".encode("utf-16-be"), "Flûte"),
        ("Flute".encode("utf-16-le"), "Flute"),
        ("フルート".encode("cp932"), "フルート"),
        ("ピアノ 1".encode("cp932"), "ピアノ 1"),
        ("弦楽器".encode("cp932"), "弦楽器"),
        ("笛".encode("cp932"), "笛"),
        ("ﾋﾟｱﾉ".encode("cp932"), "ﾋﾟｱﾉ"),
        ("Ténor".encode("latin-1"), "Ténor"),
        ("Flûte à bec".encode("latin-1"), "Flûte à bec"),
        ("Célèbre élève".encode("latin-1"), "Célèbre élève"),
        ("Bläser für Hörner".encode("latin-1"), "Bläser für Hörner"),
        (b"Don\x92t", "Don\u2019t"),
        (b"Flute\x00\x1b[31m\r\n I\xc2\x85", "Flute [31m I"),
        ("a\u202eb\u200bc".encode(), "a b c"),
        (b"<b>x</b>", "<b>x</b>"),
    ],
)
def test_track_names_are_decoded_without_control_characters(name, text):
    data = file_of(meta(0x03, name) + part(0, 8, 73))
    for strict in (True, False):
        assert score_of(data, strict).tracks[0].name == f"00-{text}"


@pytest.mark.parametrize("maker", [0x41, 0x43, 0x7E])
@pytest.mark.parametrize("size", range(12))
def test_short_exclusive_messages_are_ignored(maker, size):
    message = bytes([maker, 0x10, 0x42, 0x12, 0x40, 0x1A, 0x15, 1, 0x10, 0xF7, 0, 0])[:size]
    body = bytes([0, 0xF0, size]) + message + bytes([maker, 0xC0, 5]) + part(0, 4, 73)
    assert_read(file_of(body), {73: 4})
