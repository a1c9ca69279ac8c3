"""Decode the names of MIDI tracks.

The MIDI standard states no encoding. Files have UTF-8, UTF-16, Shift-JIS (code page 932) and
Latin-1 (code page 1252) names; this module recognizes them by their bytes.
"""

import re

# Two bytes that Shift-JIS reads as one character: a lead byte, then a trail byte.
_DOUBLE = re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]")
_KANA = re.compile(r"[\u3040-\u30ff\u3000-\u3002]")
_ADJACENT = re.compile(rb"(?:" + _DOUBLE.pattern + rb"){2}")
_NO_HALF_WIDTH = re.compile(rb"[\x80-\xa0\xe0-\xff]")
_HALF_WIDTH = re.compile(rb"[\xa1-\xdf]{3}")


def decode_name(name: bytes) -> str:
    """The text of a name; undecodable bytes become replacement characters."""
    if name.isascii() and b"\0" not in name:
        return name.decode("ascii")
    if name[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return name.decode("utf-16", errors="replace")
    if len(name) >= 4 and len(name) % 2 == 0 and b"\0" in name:
        for zeros, encoding in ((name[1::2], "utf-16-le"), (name[::2], "utf-16-be")):
            if not any(zeros):
                return name.decode(encoding, errors="replace")
    try:
        return name.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if (text := _shift_jis(name)) is not None:
        return text
    try:
        return name.decode("cp1252")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _shift_jis(name: bytes) -> str | None:
    """The text of a Shift-JIS name, None if it is more likely Latin-1.

    Many Latin-1 names are valid Shift-JIS: ``E9 6E`` in the bytes of "T\u00e9nor" is a character.
    Bytes 81 to 9F, which begin kana and the common characters, are rare in Latin-1. A name counts
    as Shift-JIS if one of them begins a character, and there is kana or punctuation, a second
    character next to it, a second byte above 127, or no other byte. Half-width kana count if there
    are three in a row and no other byte is above 127.
    """
    try:
        text = name.decode("cp932")
    except UnicodeDecodeError:
        return None
    doubles = [match.group() for match in _DOUBLE.finditer(name)]
    common = [one for one in doubles if one[0] < 0xA0]
    rest = _DOUBLE.sub(b"", name)
    japanese = common and (
        _KANA.search(text)
        or _ADJACENT.search(name)
        or any(one[1] >= 0x80 for one in common)
        or not rest
    )
    japanese = japanese or (doubles and not rest and all(one[1] >= 0x80 for one in doubles))
    japanese = japanese or (_HALF_WIDTH.search(name) and not _NO_HALF_WIDTH.search(name))
    return text if japanese else None
