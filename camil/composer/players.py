"""Players: General MIDI programs with the range and the playing style of the instrument."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Player:
    """One instrument and its idiom.

    Attributes:
        name: unique name, also the track's name in the file.
        family: the instrument class (Guitar, Piano, ..., Reed).
        programs: General MIDI programs (0 to 127), one of which is drawn for a song.
        low, high: comfortable range, MIDI pitches.
        centre: pitch around which tunes are placed.
        hold: part of a written note that sounds; above 1 notes overlap or ring.
        shortest: shortest note of a tune it plays readily, in quarter notes.
        breath: quarter notes it can play without a rest; 0 for no need to breathe.
        grace, double: how often long notes get an ornament, a second voice.
        runs, tongued: how often a leap is filled with quick notes, a long note is struck again.
    """

    name: str
    family: str
    programs: tuple[int, ...]
    low: int
    high: int
    centre: int
    hold: float = 0.9
    shortest: float = 0.25
    breath: float = 0
    grace: float = 0.0
    double: float = 0.0
    runs: float = 0.0
    tongued: float = 0.0


_ALL = (
    Player("Piano", "Piano", (0, 1, 2), 28, 96, 72, 0.95, 0.25, 0, 0.08, 0.35),
    Player("Electric Piano", "Piano", (4, 5), 32, 92, 70, 0.9, 0.25, 0, 0.06, 0.3),
    Player("Honky-Tonk", "Piano", (3,), 32, 94, 74, 0.75, 0.25, 0, 0.12, 0.4),
    Player("Harpsichord", "Piano", (6,), 36, 86, 70, 0.85, 0.25, 0, 0.2, 0.15),
    Player("Clavinet", "Piano", (7,), 36, 84, 64, 0.6, 0.25, 0, 0.05, 0.2),
    Player("Nylon Guitar", "Guitar", (24,), 40, 81, 66, 1.2, 0.25, 0, 0.1, 0.25),
    Player("Steel Guitar", "Guitar", (25,), 40, 83, 66, 1.2, 0.25, 0, 0.12, 0.2),
    Player("Jazz Guitar", "Guitar", (26,), 40, 82, 66, 0.95, 0.25, 0, 0.12, 0.2, runs=0.15),
    Player("Electric Guitar", "Guitar", (27, 28), 40, 84, 67, 0.9, 0.25, 0, 0.15, 0.15),
    Player("Lead Guitar", "Guitar", (29, 30), 40, 86, 70, 1.0, 0.25, 0, 0.25, 0.12, runs=0.15),
    Player("Upright Bass", "Bass", (32,), 28, 57, 40, 0.85, 0.25, 0, 0.08, 0.0),
    Player("Bass Guitar", "Bass", (33, 34), 28, 60, 40, 0.85, 0.25, 0, 0.05, 0.02),
    Player("Fretless Bass", "Bass", (35,), 28, 62, 42, 1.0, 0.25, 0, 0.12, 0.02),
    Player("Slap Bass", "Bass", (36, 37), 28, 60, 40, 0.55, 0.25, 0, 0.08, 0.0),
    Player("Synth Bass", "Bass", (38, 39), 28, 58, 38, 0.75, 0.25, 0, 0.0, 0.0),
    Player("Violin", "Strings", (40,), 55, 93, 75, 1.0, 0.25, 0, 0.12, 0.2, runs=0.1),
    Player("Viola", "Strings", (41,), 48, 84, 65, 1.0, 0.5, 0, 0.08, 0.15),
    Player("Cello", "Strings", (42,), 36, 74, 56, 1.0, 0.5, 0, 0.06, 0.1),
    Player("Contrabass", "Strings", (43,), 28, 57, 40, 1.0, 0.5, 0, 0.0, 0.0),
    Player("String Section", "Strings", (48, 49, 44), 43, 91, 69, 1.03, 0.5, 0, 0.02, 0.5),
    Player("Synth Strings", "Strings", (50, 51), 43, 86, 67, 1.05, 0.5, 0, 0.0, 0.3),
    Player("Pizzicato", "Strings", (45,), 43, 86, 67, 0.4, 0.25, 0, 0.0, 0.1),
    Player("Harp", "Strings", (46,), 36, 95, 69, 1.4, 0.25, 0, 0.1, 0.3),
    Player("Choir", "Strings", (52,), 48, 79, 66, 1.0, 0.5, 0, 0.0, 0.4),
    Player("Drawbar Organ", "Organ", (16, 17), 36, 91, 69, 0.98, 0.25, 0, 0.1, 0.35),
    Player("Rock Organ", "Organ", (18,), 36, 91, 68, 0.95, 0.25, 0, 0.15, 0.3),
    Player("Church Organ", "Organ", (19, 20), 36, 88, 70, 1.0, 0.5, 0, 0.04, 0.5),
    Player("Accordion", "Organ", (21, 23), 43, 89, 71, 0.95, 0.25, 0, 0.2, 0.5),
    Player("Harmonica", "Organ", (22,), 60, 93, 74, 0.95, 0.25, 10, 0.2, 0.35),
    Player("Trumpet", "Brass", (56,), 55, 82, 69, 0.72, 0.25, 6, 0.04, tongued=0.4),
    Player("Muted Trumpet", "Brass", (59,), 55, 82, 70, 0.6, 0.25, 6, 0.08, tongued=0.4),
    Player("Trombone", "Brass", (57,), 42, 71, 58, 0.75, 0.5, 6, 0.03, tongued=0.4),
    Player("French Horn", "Brass", (60,), 43, 76, 61, 0.88, 0.5, 7, 0.0, tongued=0.4),
    Player("Tuba", "Brass", (58,), 28, 57, 41, 0.6, 0.5, 6, 0.0, tongued=0.4),
    Player(
        "Brass Section", "Brass", (61, 62, 63), 46, 80, 66, 0.68, 0.25, 7, 0.0, 0.6, tongued=0.35
    ),
    Player("Soprano Sax", "Reed", (64,), 57, 87, 73, 0.95, 0.25, 10, 0.2, runs=0.4),
    Player("Alto Sax", "Reed", (65,), 50, 80, 67, 0.92, 0.25, 10, 0.18, runs=0.4),
    Player("Tenor Sax", "Reed", (66,), 45, 75, 62, 0.92, 0.25, 10, 0.18, runs=0.4),
    Player("Baritone Sax", "Reed", (67,), 37, 68, 50, 0.85, 0.25, 9, 0.08, runs=0.3),
    Player("Oboe", "Reed", (68,), 59, 88, 73, 0.98, 0.25, 14, 0.12, runs=0.3),
    Player("English Horn", "Reed", (69,), 53, 80, 66, 0.98, 0.25, 14, 0.08, runs=0.2),
    Player("Bassoon", "Reed", (70,), 35, 71, 52, 0.8, 0.25, 11, 0.04, runs=0.3),
    Player("Clarinet", "Reed", (71,), 51, 89, 69, 0.95, 0.25, 12, 0.1, runs=0.45),
    Player("Piccolo", "Pipe", (72,), 75, 103, 86, 0.8, 0.25, 7, 0.3, runs=0.2),
    Player("Flute", "Pipe", (73,), 60, 96, 77, 0.9, 0.25, 8, 0.25, runs=0.15),
    Player("Recorder", "Pipe", (74,), 65, 93, 76, 0.8, 0.25, 8, 0.3),
    Player("Pan Flute", "Pipe", (75, 76), 60, 91, 74, 0.85, 0.25, 6, 0.2),
    Player("Shakuhachi", "Pipe", (77,), 57, 86, 71, 1.0, 0.5, 7, 0.35),
    Player("Whistle", "Pipe", (78, 79), 67, 98, 79, 0.9, 0.25, 8, 0.4, runs=0.15),
)
PLAYERS = {player.name: player for player in _ALL}
