"""Styles: combinations of chords, rhythms, tempi and players."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """A position in an ensemble: a role (see ``roles``), weights of players, and probability."""

    role: str
    players: dict[str, float]
    chance: float = 1.0


@dataclass(frozen=True)
class Style:
    """A kind of music; tempi in quarter notes per minute, four measures to a progression."""

    feel: str
    metres: dict[str, float]
    tempo: tuple[int, int]
    major: tuple[str, ...]
    minor: tuple[str, ...]
    seats: tuple[Seat, ...]
    motion: tuple[str, ...] = ("calm", "moving", "moving", "busy")
    swing: tuple[float, float] = (0.5, 0.5)
    drums: float = 0.0
    modes: tuple[str, ...] = ("major", "major", "minor")


POP_MAJOR = (
    "I V vi IV",
    "vi IV I V",
    "I vi IV V",
    "I iii IV V",
    "IV I/3 ii7 Vsus4,V",
    "I Iadd9 vi7 ii7,V",
    "ii7 IV I V7/7",
    "I bVII IV I",
    "vi V IV V",
)
POP_MINOR = ("i bVI bIII bVII", "i bVII bVI V", "i iv bVII bIII", "bVI bVII i i", "i v bVI bVII")
JAZZ_MAJOR = (
    "ii7 V7 Imaj7 VI7",
    "Imaj7,vi7 ii7,V7 iii7,VI7 ii7,V7",
    "Imaj7 #I°7 ii7 V7",
    "iii7 VI7 ii7 V9",
    "IVmaj7 iv7,bVII7 iii7,VI7 ii7,V7",
    "Imaj7 II7 ii7,V7 I6",
)
JAZZ_MINOR = (
    "iiø7 V7 i6 i6",
    "i7 iv7 iiø7 V7",
    "iv7 bVII7 bIIImaj7 bVImaj7",
    "i,bVII bVI7,V7 i6 iiø7,V7",
)
FOLK_MAJOR = ("I I IV V", "I IV I V", "I vi ii V", "I V/3 vi IV,V", "IV I ii V7", "I bVII IV V")
FOLK_MINOR = ("i bVII i V", "i bVII bVI bVII", "i IV i bVII", "i bIII bVII i,V", "iv i V7 i")
CLASSICAL_MAJOR = (
    "I V7/5 I/3 IV,V",
    "I vi ii/3 V7",
    "I IV/3 V7/3 I",
    "I/3 IV II7/3 V",
    "vi II7/3 V,V7/7 I/3",
    "I,V/3 vi,iii IV,I/3 ii/3,V7",
)
CLASSICAL_MINOR = (
    "i V7/3 i iv,V",
    "i iv/3 V V7",
    "i,V/3 i,iv/3 V i",
    "bVI iv iiø7/3 V",
    "bIII bVII/3 i V7",
)
HYMN_MAJOR = (
    "I,V/3 vi,IV I/5,V I",
    "I,IV I,vi ii/3,V V",
    "I,I/3 IV,ii V7 I",
    "vi,iii IV,I II7/3 V",
    "IV,I/3 ii,vi V,V7 I",
)
HYMN_MINOR = ("i,V/3 i,iv i/5,V i", "i,bVII bIII,iv V V", "bVI,bIII iv,i iiø7/3,V i")
BLUES = ("I7 IV7 I7 I7", "IV7 IV7 I7 VI7", "ii7 V7 I7 V7", "V7 IV7 I7 V7", "I7 I7 IV7 #IV°7")
BLUES_MINOR = ("i7 iv7 i7 i7", "iv7 iv7 i7 i7", "bVI7 V7 i7 V7")
LOOPS = ("i7 IV7 i7 IV7", "i7 i7 bIII bVII", "i9 i9 iv7 V7", "i7 bVII bVI bVII")
MIXOLYDIAN = ("I9 I9 IV7 IV7", "I7 bVII IV I7", "I bIII IV bVII")

STYLES = {
    "pop": Style(
        "rock", {"4/4": 9, "6/8": 1}, (72, 128), POP_MAJOR, POP_MINOR, drums=0.8,
        seats=(
            Seat("bass", {"Bass Guitar": 5, "Synth Bass": 2, "Fretless Bass": 1, "Piano": 1}),
            Seat("comp", {"Piano": 4, "Electric Piano": 2, "Steel Guitar": 4, "Electric Guitar": 3,
                          "Drawbar Organ": 2, "Rock Organ": 1}),
            Seat("pad", {"String Section": 3, "Synth Strings": 3, "Drawbar Organ": 4, "Choir": 1,
                         "Brass Section": 2, "Church Organ": 1, "Electric Piano": 2}, 0.8),
            Seat("lead", {"Alto Sax": 2, "Tenor Sax": 1, "Flute": 3, "Pan Flute": 2, "Oboe": 1,
                          "Trumpet": 2, "Electric Guitar": 3, "Violin": 1, "Harmonica": 1,
                          "Piano": 1, "Whistle": 1, "Rock Organ": 1}),
            Seat("second", {"Clarinet": 1, "French Horn": 2, "Brass Section": 2, "Flute": 1,
                            "Steel Guitar": 2, "String Section": 2, "Soprano Sax": 1}, 0.7),
        ),
    ),
    "rock": Style(
        "rock", {"4/4": 9, "6/8": 1, "5/4": 0.6}, (96, 160), POP_MAJOR + MIXOLYDIAN,
        POP_MINOR + LOOPS, drums=1.0, modes=("major", "minor", "mixolydian", "dorian"),
        seats=(
            Seat("bass", {"Bass Guitar": 7, "Slap Bass": 1, "Synth Bass": 1}),
            Seat("riff", {"Lead Guitar": 5, "Electric Guitar": 2, "Clavinet": 1, "Rock Organ": 2}),
            Seat("comp", {"Steel Guitar": 2, "Piano": 2, "Rock Organ": 4, "Honky-Tonk": 1}),
            Seat("lead", {"Lead Guitar": 3, "Tenor Sax": 2, "Rock Organ": 2, "Flute": 2,
                          "Trumpet": 1, "Violin": 1, "Piano": 1, "Harmonica": 1}),
            Seat("pad", {"Synth Strings": 2, "Drawbar Organ": 2, "Choir": 1, "Brass Section": 2,
                         "String Section": 1}, 0.5),
        ),
    ),
    "jazz": Style(
        "swing", {"4/4": 8, "3/4": 2, "5/4": 0.7}, (96, 200), JAZZ_MAJOR, JAZZ_MINOR,
        swing=(0.6, 0.67), drums=0.7, motion=("moving", "moving", "busy"),
        seats=(
            Seat("bass", {"Upright Bass": 6, "Tuba": 1, "Baritone Sax": 0.7, "Contrabass": 1,
                          "Piano": 0.5}),
            Seat("comp", {"Piano": 4, "Jazz Guitar": 3, "Drawbar Organ": 3, "Electric Piano": 1}),
            Seat("lead", {"Tenor Sax": 2, "Alto Sax": 1, "Trumpet": 3, "Muted Trumpet": 2,
                          "Clarinet": 2, "Flute": 3, "Jazz Guitar": 2, "Piano": 1, "Violin": 1,
                          "Drawbar Organ": 1}),
            Seat("second", {"Trombone": 3, "Tenor Sax": 2, "Soprano Sax": 1, "Jazz Guitar": 1,
                            "Clarinet": 1, "Flute": 2, "Baritone Sax": 1}, 0.8),
            Seat("hits", {"Brass Section": 4, "Trombone": 1, "Alto Sax": 2, "Tenor Sax": 1,
                          "String Section": 1}, 0.5),
        ),
    ),
    "blues": Style(
        "blues", {"4/4": 8, "6/8": 2}, (70, 140), BLUES, BLUES_MINOR, swing=(0.56, 0.67), drums=0.7,
        modes=("mixolydian", "mixolydian", "minor"),
        seats=(
            Seat("bass", {"Upright Bass": 3, "Bass Guitar": 5, "Piano": 1, "Tuba": 0.5}),
            Seat("comp", {"Piano": 3, "Honky-Tonk": 2, "Electric Guitar": 4, "Rock Organ": 3,
                          "Steel Guitar": 2}),
            Seat("lead", {"Harmonica": 3, "Tenor Sax": 2, "Lead Guitar": 3, "Alto Sax": 1,
                          "Trumpet": 1, "Rock Organ": 2, "Flute": 1, "Violin": 1}),
            Seat("riff", {"Baritone Sax": 2, "Brass Section": 3, "Electric Guitar": 2,
                          "Tenor Sax": 1, "Clavinet": 1}, 0.7),
            Seat("second", {"Trombone": 2, "Muted Trumpet": 2, "Clarinet": 2, "Flute": 2,
                            "Steel Guitar": 1}, 0.6),
        ),
    ),
    "folk": Style(
        "plain", {"4/4": 4, "3/4": 3, "6/8": 3, "2/4": 2}, (80, 132), FOLK_MAJOR, FOLK_MINOR,
        modes=("major", "major", "minor", "dorian", "mixolydian"), drums=0.1,
        seats=(
            Seat("comp", {"Nylon Guitar": 4, "Steel Guitar": 4, "Accordion": 3, "Harp": 2,
                          "Piano": 1}),
            Seat("lead", {"Whistle": 3, "Recorder": 2, "Flute": 2, "Violin": 3, "Clarinet": 2,
                          "Accordion": 2, "Harmonica": 1, "Oboe": 1, "Nylon Guitar": 1}),
            Seat("second", {"Violin": 2, "Recorder": 2, "Pan Flute": 2, "Clarinet": 2,
                            "English Horn": 1, "Accordion": 1, "French Horn": 1,
                            "Nylon Guitar": 2, "Trumpet": 1}),
            Seat("bass", {"Upright Bass": 5, "Cello": 1, "Tuba": 1, "Bassoon": 1,
                          "Bass Guitar": 1}),
            Seat("pad", {"Accordion": 3, "String Section": 1, "Viola": 1, "Clarinet": 1}, 0.4),
        ),
    ),
    "chamber": Style(
        "plain", {"4/4": 4, "3/4": 3, "6/8": 2, "2/4": 2}, (66, 138), CLASSICAL_MAJOR,
        CLASSICAL_MINOR,
        seats=(
            Seat("lead", {"Violin": 3, "Flute": 4, "Oboe": 2, "Clarinet": 2, "Recorder": 1,
                          "Trumpet": 1, "Nylon Guitar": 1, "Harpsichord": 1}),
            Seat("second", {"Oboe": 1, "Clarinet": 2, "Flute": 3, "Violin": 2, "Viola": 2,
                            "French Horn": 2, "English Horn": 1, "Recorder": 2}),
            Seat("second", {"French Horn": 3, "Viola": 2, "Cello": 1, "Bassoon": 2, "Trombone": 1},
                 0.7),
            Seat("comp", {"Piano": 4, "Harpsichord": 3, "Harp": 1, "Nylon Guitar": 4,
                          "Church Organ": 3, "Pizzicato": 1}),
            Seat("bass", {"Cello": 3, "Bassoon": 2, "Contrabass": 2, "Tuba": 1, "Upright Bass": 3}),
        ),
    ),
    "orchestral": Style(
        "plain", {"4/4": 5, "3/4": 3, "6/8": 1, "5/4": 1}, (72, 144),
        (*CLASSICAL_MAJOR, "I bVI bIII bVII", "I bVII IV I"),
        CLASSICAL_MINOR + POP_MINOR, drums=0.1,
        seats=(
            Seat("pad", {"String Section": 4, "Choir": 2, "French Horn": 2, "Church Organ": 2}),
            Seat("lead", {"Violin": 1, "Flute": 3, "Oboe": 2, "French Horn": 3, "Trumpet": 2,
                          "Clarinet": 1, "String Section": 1, "Piccolo": 2, "Cello": 1}),
            Seat("hits", {"Brass Section": 3, "French Horn": 2, "Trombone": 2, "String Section": 1,
                          "Clarinet": 1}, 0.9),
            Seat("second", {"Flute": 2, "Piccolo": 2, "Clarinet": 2, "Bassoon": 1, "Oboe": 1,
                            "Viola": 1, "Harp": 1, "Trumpet": 1}),
            Seat("comp", {"Harp": 1, "Piano": 4, "Nylon Guitar": 2, "Church Organ": 1}, 0.7),
            Seat("bass", {"Contrabass": 2, "Cello": 2, "Tuba": 2, "Bassoon": 2, "Upright Bass": 3,
                          "Synth Bass": 1}, 0.9),
        ),
    ),
    "hymn": Style(
        "plain", {"4/4": 6, "3/4": 3, "6/8": 1}, (66, 104), HYMN_MAJOR, HYMN_MINOR,
        motion=("calm", "calm", "moving"),
        seats=(
            Seat("hymn", {"Church Organ": 6, "Piano": 2, "Choir": 1, "String Section": 1,
                          "Brass Section": 2}),
            Seat("lead", {"Trumpet": 3, "Oboe": 1, "Flute": 3, "Violin": 1, "Recorder": 2,
                          "English Horn": 1, "French Horn": 1, "Church Organ": 1}),
            Seat("second", {"Trombone": 2, "Flute": 2, "Clarinet": 2, "Cello": 1, "Recorder": 2,
                            "French Horn": 1, "Viola": 1}),
            Seat("comp", {"Nylon Guitar": 4, "Piano": 3, "Steel Guitar": 3, "Church Organ": 2},
                 0.8),
            Seat("bass", {"Tuba": 2, "Cello": 1, "Bassoon": 1, "Upright Bass": 4, "Bass Guitar": 2},
                 0.7),
        ),
    ),
    "march": Style(
        "march", {"4/4": 4, "2/4": 5, "6/8": 2}, (96, 128),
        ("I I V7 V7", "V7 V7 I I", "I IV I/5 V", "IV #IV°7 I/5,V7 I", "vi III7 vi II7,V7"),
        ("i i V7 V7", "iv i V7 i", "bIII bVII bIII V7"), drums=0.8,
        motion=("moving", "moving", "busy"),
        seats=(
            Seat("bass", {"Tuba": 4, "Bassoon": 1, "Baritone Sax": 1, "Upright Bass": 4,
                          "Bass Guitar": 1}),
            Seat("lead", {"Trumpet": 4, "Clarinet": 3, "Piccolo": 2, "Flute": 2, "Alto Sax": 1,
                          "Accordion": 1}),
            Seat("second", {"Piccolo": 4, "Trombone": 3, "Flute": 2, "Clarinet": 2,
                            "Tenor Sax": 2}),
            Seat("comp", {"French Horn": 2, "Accordion": 3, "Piano": 3, "Alto Sax": 1,
                          "Jazz Guitar": 2, "Clarinet": 1}),
            Seat("hits", {"Brass Section": 3, "Trombone": 1, "Tenor Sax": 1}, 0.6),
        ),
    ),
    "funk": Style(
        "funk", {"4/4": 1}, (92, 120), MIXOLYDIAN, LOOPS, drums=1.0, motion=("moving", "busy"),
        modes=("dorian", "dorian", "mixolydian"),
        seats=(
            Seat("bass", {"Slap Bass": 4, "Bass Guitar": 3, "Synth Bass": 3}),
            Seat("comp", {"Electric Guitar": 5, "Clavinet": 2, "Electric Piano": 2,
                          "Drawbar Organ": 3}),
            Seat("hits", {"Brass Section": 5, "Trumpet": 1, "Alto Sax": 1, "Synth Strings": 1}),
            Seat("lead", {"Alto Sax": 2, "Tenor Sax": 1, "Flute": 4, "Drawbar Organ": 3,
                          "Electric Guitar": 1, "Muted Trumpet": 1, "Electric Piano": 2}),
            Seat("riff", {"Baritone Sax": 2, "Clavinet": 2, "Electric Guitar": 2,
                          "Rock Organ": 2}, 0.6),
            Seat("pad", {"Synth Strings": 2, "Electric Piano": 1, "Drawbar Organ": 2}, 0.5),
        ),
    ),
    "latin": Style(
        "latin", {"4/4": 1}, (92, 144), (*JAZZ_MAJOR, "I IV V IV", "I vi7 ii7 V7"),
        (*JAZZ_MINOR, "i bVII bVI V7", "i iv V7 i"), drums=0.8,
        modes=("major", "minor", "minor"),
        seats=(
            Seat("bass", {"Upright Bass": 3, "Bass Guitar": 3, "Fretless Bass": 2}),
            Seat("comp", {"Piano": 4, "Nylon Guitar": 6, "Accordion": 2}),
            Seat("lead", {"Flute": 4, "Trumpet": 2, "Alto Sax": 1, "Nylon Guitar": 2, "Violin": 1,
                          "Clarinet": 1, "Accordion": 2, "Pan Flute": 2}),
            Seat("hits", {"Brass Section": 3, "Trombone": 2, "Tenor Sax": 1, "String Section": 1},
                 0.7),
            Seat("second", {"Pan Flute": 2, "Clarinet": 1, "Trombone": 1, "Jazz Guitar": 1,
                            "Accordion": 1, "Flute": 1}, 0.6),
        ),
    ),
    "film": Style(
        "plain", {"4/4": 5, "3/4": 2, "6/8": 2, "5/4": 0.7}, (60, 96),
        (*POP_MAJOR, "I III7 vi IV", "I bVI I bVI"), POP_MINOR + CLASSICAL_MINOR,
        motion=("calm", "calm", "moving"), drums=0.1,
        seats=(
            Seat("pad", {"String Section": 3, "Choir": 2, "Synth Strings": 2, "Church Organ": 2,
                         "French Horn": 2, "Drawbar Organ": 1}),
            Seat("comp", {"Piano": 4, "Harp": 1, "Nylon Guitar": 4, "Electric Piano": 1}),
            Seat("lead", {"Shakuhachi": 2, "Pan Flute": 3, "English Horn": 2, "Cello": 1,
                          "French Horn": 2, "Whistle": 1, "Soprano Sax": 2, "Violin": 1,
                          "Lead Guitar": 1, "Piano": 1}),
            Seat("second", {"Flute": 2, "Oboe": 1, "Clarinet": 2, "Viola": 1, "Muted Trumpet": 2,
                            "Shakuhachi": 1, "Jazz Guitar": 1}, 0.8),
            Seat("bass", {"Fretless Bass": 3, "Cello": 1, "Contrabass": 1, "Synth Bass": 2,
                          "Piano": 1, "Bassoon": 1}, 0.9),
        ),
    ),
}  # fmt: skip
