"""Instrument words in track names, in English, German, French, Spanish and Italian.

The name of a track is independent evidence of its instrument: people write "Geige" or "Bass gtr"
whatever program a file states. `name_verdict` compares the two. Many names are titles, lyrics or
copyright notices and contain no instrument; they are silent.
"""

import re
import unicodedata
from functools import cache

import pretty_midi

from camil.midi.instruments import FAMILIES, InstrumentTable

CONFIRMS, CONTRADICTS, SILENT = "confirms", "contradicts", "silent"
OTHER = "other"  # programs that belong to no class of the instrument table

# Words and phrases by the General MIDI programs that they name. Umlauts are written as two letters
# and accents are left out. Regular plurals are recognized without an entry. Words that any
# instrument may play (melody, solo, lead, voice, alto, keyboard, synth) are absent on purpose.
_WORDS = {
    "0-5": "piano, pno, pianoforte, piano forte, fortepiano, klavier, fluegel, acousgrpiano, "
    "grand piano, e piano, electric piano, epiano, rhodes, wurlitzer, honky tonk",
    "6": "harpsichord, harpsichrd, harpsi, hpschd, cembalo, cembali, clavecin, clavicembalo, "
    "spinett, clavicordio, virginal",
    "7": "clavinet, clav, clavi",
    "8-15": "celesta, celeste, glockenspiel, glock, music box, spieluhr, carillon, vibraphone, "
    "vibraphon, vibrafono, vibrafon, vibes, marimba, xylophone, xylophon, xilofono, "
    "xilofon, xylo, tubular bells, bells, chimes, glocken, campane, campanas, cloches, "
    "dulcimer, hackbrett",
    "16-20": "organ, orgel, orgue, organo, organi, hammond, drawbar, harmonium, pipe organ, reed "
    "organ, church organ, kirchenorgel",
    "21": "accordion, accordian, accordeon, accordi, akkordeon, acordeon, fisarmonica, musette, "
    "concertina, schifferklavier, ziehharmonika",
    "22": "harmonica, harmonika, mundharmonika, armonica, blues harp, mouth organ, mouth harp, "
    "melodica",
    "23": "bandoneon, tango accordion",
    "24-31": "guitar, guiter, gtr, gtrs, gt, gtar, guit, git, gitarre, gitarren, guitare, "
    "guitarra, chitarra, chitarre, gitaar, gitara, violao, nylon, nylon str, nylon string, steel "
    "str, steel string, overdrive, overdriven, ovdr, overdrv, distortion, distorted, "
    "distguitar, strat, stratocaster, telecaster",
    # No instruments of their own, although they contain words of instruments.
    "": "bass clef, repiano",
    "32-39": "bass, basse, basso, bassi, bajo, baixo, bas, ebass, bass guitar, bass gtr, bass gt, "
    "bass guit, bassguitar, bassgitarre, bass gitarre, basgitaar, guitare basse, guitarra "
    "baja, chitarra basso, fretless, slap, slap bass, slapbass, fingerdba, finger bass, "
    "pick bass",
    "40": "violin, violine, violinen, violini, violino, violon, violinii, vln, vlns, vl, geige, "
    "geigen",
    "41": "viola, viole, bratsche, bratschen, vla, vlas",
    "42": "cello, celli, chello, violoncello, violoncelli, violoncelle, violonchelo, vlc, vc, vcl",
    "43": "contrabass, contra bass, contrebasse, kontrabass, kontrabaesse, contrabajo, "
    "contrabbasso, contrabbassi, double bass, string bass, upright bass",
    "44-51": "string, strings, strgs, strng, str, streicher, strijkers, archi, cordes, "
    "cuerdas, pizzicato, pizz, slowstring, slowstrin, tremolostr, warmstring",
    "46": "harp, harps, harfe, harpe, arpa, orchestral harp",
    "47": "timpani, timp, pauken, timbales, timpanos",
    "52-54": "choir, chor, choeur, coro, coros, aahs, oohs",
    "55": "orchestra hit, orch hit, orchhit, orchestral hit",
    "56,59": "trumpet, trmpt, trp, trpt, tpt, tpts, trompete, trompeten, trompette, trompeta, "
    "tromba, trombe, cornet, kornett, corneta, flugel, fluegelhorn, flugelhorn, flicorno, "
    "fiscorno, bugle, piccolo trumpet",
    "57": "trombone, tromboni, trombon, posaune, posaunen, tbn, trbn, trb",
    "58": "tuba, tubas, euphonium, bombardino, sousaphone",
    "60": "horn, horns, french horn, horner, hoerner, waldhorn, corno, corni, cor, cors, trompa, "
    "hn, hrn",
    "61-63": "brass, brasses, brs, blech, blechblaeser, cuivres, metales, ottoni, horn section",
    "64-67": "sax, saxes, saxophone, saxophon, saxofon, saxo, sassofono, sassofoni, saxofono",
    "68": "oboe, oboes, oboi, oboen, hautbois, ob",
    "69": "english horn, englischhorn, englishhorn, cor anglais, corno inglese, corno ingles, "
    "engl horn, eng horn",
    "70": "bassoon, fagott, fagotte, fagotti, fagotto, fagot, fagotes, basson, bsn, bssn",
    "71": "clarinet, clarinette, klarinette, klarinetten, clarinete, clarinetto, clarinetti, "
    "clar, cl, bassetthorn, basset horn",
    "72": "piccolo, ottavino, flautin, picc",
    "73": "flute, fluete, floete, floeten, querfloete, flauta, flauto, flauti, traverso, "
    "traversa, fl",
    "74": "recorder, blockfloete, flauta dulce, flauto dolce, flute a bec",
    "75": "pan flute, panflute, panfloete, panpipe, pan pipe, zampona",
    "77-79": "shakuhachi, whistle, ocarina, okarina",
    "64-71": "reeds",
    "56-79": "winds, blaeser, fiati, vientos",
    "64-79": "woodwind, holzblaeser, legni",
    "80-87": "synth lead, square lead, saw lead, sawtooth, square wave, saw wave, calliope",
    "88-95": "pad, pads",
    "104-108": "sitar, banjo, koto, shamisen, kalimba",
    "109": "bagpipe, dudelsack, cornemuse, gaita, cornamusa",
    "110": "fiddle",
    "112-119": "drum, drumkit, drum kit, drumset, schlagzeug, batterie, bateria, batteria, "
    "percussion, percusion, percussioni, perc, schlagwerk, snare, kick, hihat, hi hat, "
    "cymbal, conga, bongo, tom toms, bass drum, steel drum, steel pan, taiko, woodblock, "
    "tambourine, shaker, maracas, cowbell",
}
_BASS_WORDS = ("bass", "basse", "basso", "bassi", "bajo", "baixo", "bas")
# Further programs that a word fits: it neither confirms nor contradicts them.
_AMBIGUOUS = {
    **dict.fromkeys(_BASS_WORDS, "6,40-71,87"),  # the lowest part of strings, winds or a choir
    **dict.fromkeys(("contrabass", "kontrabass", "contrebasse", "contrabajo"), "32-39"),
    **dict.fromkeys(("contrabbasso", "double bass", "string bass", "upright bass"), "32-39"),
    **dict.fromkeys(("drum", "perc", "percussion", "percusion", "percussioni"), "8-15,47"),
    **dict.fromkeys(("choir", "chor", "choeur", "coro"), "85,91"),
    **dict.fromkeys(("pad", "pads"), "16-20,48-54"),
    "gaita": "22",
    "bells": "98,112",
    "guitar": "105",
    "harmonika": "21,23",
    "fiddle": "40",
    **dict.fromkeys(_WORDS["40"].split(", "), "110"),  # violins
    "strings": "92",
    **dict.fromkeys(("string", "str"), "24-31,92"),  # also the strings of a guitar
    "timbales": "112-119",
}
_GUITARS, _WINDS = range(24, 32), range(56, 80)
# Words of this length may end a compound: "Altsaxophon", "SlowStrings"; and so may these.
_COMPOUND_LENGTH, _COMPOUND_ENDINGS = 5, ("bass", "gtr", "horn", "sax")
_LONGEST_PHRASE = 3  # words
# A name in which fewer words denote an instrument is a title, such as "You're the piano man".
_SHARE_OF_WORDS = 1 / 3
_CODE_LENGTH = 2  # "Fl" and "Cl" are instruments only if the name has no other word
_CODES_EVERYWHERE = ("gt",)
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe"})


def programs_named(name: str) -> frozenset[int]:
    """The General MIDI programs that the instrument words of a name denote; empty without any.

    A qualifier is no instrument of its own: "Bass clarinet" is a clarinet, "bass guitar" a bass.
    """
    return frozenset(_read(name)[0])


def name_verdict(name: str, program: int, instruments: InstrumentTable = FAMILIES) -> str:
    """Whether the name of a part confirms or contradicts its program.

    Programs are compared by their class: "Flute" confirms every program of Pipe. The General MIDI
    name of the program itself is silent, because editors write it for the program, and `read_midi`
    gives it to parts without a name.

    Args:
        name: name of the track, without the number that `read_midi` adds.
        program: General MIDI program of the part, 0 to 127.
        instruments: the classes.

    Returns:
        `CONFIRMS` if the name denotes instruments of one class, and the program is of that class;
        `CONTRADICTS` if the program is of no class that the name denotes; else `SILENT`.
    """
    named, ambiguous = _read(name)
    automatic = name == pretty_midi.program_to_instrument_name(program)
    if not named or program in ambiguous or automatic:
        return SILENT
    classes = {instruments.of_program(one) or OTHER for one in named}
    if (instruments.of_program(program) or OTHER) not in classes:
        return CONTRADICTS
    return CONFIRMS if len(classes) == 1 else SILENT


@cache
def _read(name: str) -> tuple[set[int], set[int]]:
    """The programs that a name denotes, and those that fit it as well."""
    words = _words_of(name)
    long_words = sum(len(word) > 1 for word in words)
    entries, read, index = [], 0, 0
    while index < len(words):
        for length in range(min(_LONGEST_PHRASE, len(words) - index), 0, -1):
            if entry := _entry(words[index : index + length]):
                break
        is_code = len(entry) <= _CODE_LENGTH and entry not in _CODES_EVERYWHERE
        if entry and not (is_code and long_words > 1):
            entries.append(entry)
            read += length
        index += length
    if read < _SHARE_OF_WORDS * long_words:
        return set(), set()
    entries = _without_qualifiers(entries)
    named = set().union(*(_PROGRAMS[entry] for entry in entries))
    return named, set().union(*(_programs(_AMBIGUOUS.get(entry, "")) for entry in entries))


def _words_of(name: str) -> list[str]:
    """Lower-case words without accents; a capital within a word begins another."""
    name = unicodedata.normalize("NFC", re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", name))
    name = unicodedata.normalize("NFKD", name.lower().translate(_TWO_LETTERS))
    return re.findall(r"[a-z]+", name.encode("ascii", "ignore").decode())


def _entry(words: list[str]) -> str:
    """The entry of the table for a phrase, its plural, or the end of a compound; else empty."""
    phrase = " ".join(words)
    singular = phrase.removesuffix("s") if len(phrase) >= _COMPOUND_LENGTH else phrase
    for candidate in (phrase, singular):
        if candidate in _PROGRAMS:
            return candidate
    if len(words) == 1:
        for start in range(1, len(phrase) - 2):
            for ending in (phrase[start:], singular[start:]):
                long_enough = len(ending) >= _COMPOUND_LENGTH or ending in _COMPOUND_ENDINGS
                if long_enough and ending in _PROGRAMS:
                    return ending
    return ""


def _without_qualifiers(entries: list[str]) -> list[str]:
    """Leave out "bass" beside a wind instrument, and a guitar beside "bass"."""
    if not set(entries) & set(_BASS_WORDS):
        return entries
    others = [entry for entry in entries if entry not in _BASS_WORDS]
    if others and all(_PROGRAMS[entry] <= set(_WINDS) for entry in others):
        return others
    return [entry for entry in entries if not _PROGRAMS[entry] <= set(_GUITARS)]


def _programs(ranges: str) -> set[int]:
    """The programs of a list such as ``40,44-51``."""
    found: set[int] = set()
    for one in filter(None, ranges.split(",")):
        first, _, last = one.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


_PROGRAMS = {
    word.strip(): _programs(ranges) for ranges, words in _WORDS.items() for word in words.split(",")
}
