"""Instrument words in track names."""

import pretty_midi
import pytest

from camil.midi.instrument_words import (
    _AMBIGUOUS,
    _PROGRAMS,
    CONFIRMS,
    CONTRADICTS,
    SILENT,
    name_verdict,
    programs_named,
)
from camil.midi.instruments import FAMILIES, InstrumentClass, InstrumentTable

# None of their General MIDI names is among the names below.
PIANO, GUITAR, BASS, VIOLIN, STRINGS = 0, 25, 33, 44, 48
FIDDLE = 110
TRUMPET, SAX, FLUTE, MARIMBA = 60, 67, 77, 15


@pytest.mark.parametrize(
    ("names", "program"),
    [
        ("Piano, KLAVIER, Flügel, Piano-forte, E-Piano, Pno. 2, Pianos", PIANO),
        ("Violin I, Geige 2, 1. Violinen, violons, Violini II, violín, Vl", VIOLIN),
        ("Strings, Streicher, cordes, Cuerdas, Archi, SlowStrings, Synth.Strings 2", STRINGS),
        ("Bass, Basse, basso, Bajo, E-Bass, Bassgitarre, Guitare basse, BASS GTR, slapbass", BASS),
        ("Guitar, Gitarre, guitares, Guitarra 1, Chitarra, Nylon Gtr, STEEL STR.GTR", GUITAR),
        ("Trumpet in Bb, Trompeten, trompette, Trompeta, Trombe, Flügelhorn, Trp 1+2", TRUMPET),
        ("Alto Sax, Altsaxophon, saxofón, Sassofono, baritonsax, Saxes", SAX),
        ("Flute, Flöte, FLOETE 1, flûtes, Flauta, Flauti, Querflöte, Fl 2, Blockflöte", FLUTE),
        ("Marimba, Vibraphon, Xylophone, Glockenspiel, campane", MARIMBA),
    ],
)  # fmt: skip
def test_words_of_five_languages_confirm_their_family(names, program):
    for name in names.split(", "):
        assert name_verdict(name, program) == CONFIRMS, name
        for other in {PIANO, GUITAR, TRUMPET, SAX, FLUTE, MARIMBA} - {program}:
            if FAMILIES.of_program(other) != FAMILIES.of_program(program):
                assert name_verdict(name, other) in (CONTRADICTS, SILENT), name
        unlike = PIANO if program != PIANO else GUITAR
        assert name_verdict(name, unlike) == CONTRADICTS, name


@pytest.mark.parametrize(
    "name",
    [
        "", "melody", "Solo", "Lead", "Voice 1", "Track 3", "untitled", "Alto", "Tenor", "Synth",
        "(C) 1997 by me", "Yesterday", "sharp", "Keyboard", "right hand", "brassy", "Horace",
        "Cl. 1997 All rights reserved", "For SC-88VL", "You're the piano man", "Repiano", "Reading",
    ],
)  # fmt: skip
def test_names_without_an_instrument_are_silent(name):
    assert programs_named(name) == frozenset()
    assert {name_verdict(name, program) for program in range(128)} == {SILENT}


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Bass clarinet", 71), ("Bassklarinette", 71), ("clarinette basse", 71),
        ("Bass trombone", 57),
        ("Bass drum", 117), ("Contrabassoon", 70), ("Corno inglese", 69), ("English Horn 2", 69),
        ("Pan flute!", 75), ("Steel drum", 114), ("Mouth harp", 22), ("Pipe organ", 19),
        ("Piccolo trumpet", 56), ("Kontrabass", 43), ("Bass guitar", 33), ("Reed Organ 1", 20),
    ],
)  # fmt: skip
def test_compound_names_denote_their_head(name, program):
    classes = {FAMILIES.of_program(one) for one in programs_named(name)}
    assert classes == {FAMILIES.of_program(program)}
    assert name_verdict(name, program) == CONFIRMS


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Piano & Strings", PIANO), ("Piano & Strings", STRINGS),  # either
        ("Kontrabass", 32), ("Bass", 43), ("Bass", 52), ("Basso", 42),  # double bass, choir
        ("12-string", 25), ("Bass clef", PIANO),
        ("Violin", FIDDLE), ("Violino 1", FIDDLE), ("Violini II", FIDDLE), ("Vln. 1", FIDDLE),
        ("1. Geigen", FIDDLE), ("Solovioline", FIDDLE), ("Fiddle", 40),
    ],
)  # fmt: skip
def test_ambiguous_names_are_silent(name, program):
    assert name_verdict(name, program) == SILENT


def test_name_of_two_instruments_contradicts_a_third():
    assert name_verdict("Piano & Strings", FLUTE) == CONTRADICTS


def test_general_midi_name_of_the_program_is_silent_and_of_another_program_is_not():
    for program in range(128):
        name = pretty_midi.program_to_instrument_name(program)
        assert name_verdict(name, program) == SILENT
    # Most other General MIDI names denote their own family.
    names = [pretty_midi.program_to_instrument_name(program) for program in range(80)]
    read = {name: {FAMILIES.of_program(one) for one in programs_named(name)} for name in names}
    wrong = [
        name
        for program, name in enumerate(names)
        if read[name] and FAMILIES.of_program(program) not in read[name]
    ]
    assert wrong == []
    assert sum(bool(found) for found in read.values()) >= 76


def test_another_instrument_table_decides_the_classes():
    keys = InstrumentClass("Keys", (*range(24), *range(40, 56)), 0, "#000000")
    rest = InstrumentClass("Rest", tuple(range(24, 40)), 24, "#E69F00")
    table = InstrumentTable("two classes", [keys, rest])
    assert name_verdict("Violin", PIANO, table) == CONFIRMS
    assert name_verdict("Violin", GUITAR, table) == CONTRADICTS
    assert name_verdict("Flute", 105, table) == CONFIRMS  # both belong to no class


def test_every_ambiguous_word_is_an_entry_of_the_table():
    assert set(_AMBIGUOUS) <= set(_PROGRAMS)
    assert all(programs <= set(range(128)) for programs in _PROGRAMS.values())
