"""Instrument tables: the classes, their General MIDI programs, default programs and colours.

`FAMILIES` is the table of the paper. Another table is a YAML file, named by the parameter
``instruments`` of ``01_preprocess`` (a profile's ``preprocess`` section); the corpus records it,
and networks, figures, Table I and labels follow:

    name: five families            # after Dong et al. (2021)
    instruments:
      - {name: Piano, programs: [0-7], default_program: 0, colour: "#000000"}
      - {name: Guitar, programs: [24-31], default_program: 24, colour: "#E69F00"}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

PROGRAMS = 128  # number of General MIDI programs, which are counted from 0


@dataclass(frozen=True)
class InstrumentClass:
    """One class: a family of General MIDI programs.

    Attributes:
        name: name in tables and figures.
        programs: General MIDI programs, 0 to 127.
        default_program: the program that a part labelled with this class receives.
        colour: colour in figures, as ``#RRGGBB``.
    """

    name: str
    programs: tuple[int, ...]
    default_program: int
    colour: str


class InstrumentTable(Sequence[InstrumentClass]):
    """The classes of a classification task, in the order of the classifier's outputs.

    Args:
        name: name of the table, for captions.
        classes: two or more, with different names and disjoint programs.

    Raises:
        ValueError: if the classes are fewer than two, a name or program occurs twice, a program
            is not between 0 and 127, or a default program is not of its class.
    """

    def __init__(self, name: str, classes: Sequence[InstrumentClass]):
        self.name, self._classes = name, tuple(classes)
        names = [one.name for one in self._classes]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"a table needs two or more different classes, got {names}")
        self._of_program: dict[int, str] = {}
        for one in self._classes:
            for program in one.programs:
                if not 0 <= program < PROGRAMS:
                    raise ValueError(f"{one.name}: program {program} is not between 0 and 127")
                if program in self._of_program:
                    other = self._of_program[program]
                    raise ValueError(f"program {program} is in {other} and in {one.name}")
                self._of_program[program] = one.name
            if one.default_program not in one.programs:
                raise ValueError(
                    f"{one.name}: default_program {one.default_program} is not one of its programs"
                )

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, index):
        return self._classes[index]

    def __iter__(self) -> Iterator[InstrumentClass]:
        return iter(self._classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InstrumentTable) and self._classes == other._classes

    def __hash__(self) -> int:
        return hash(self._classes)

    def __repr__(self) -> str:
        return f"InstrumentTable({self.name!r}: {', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in order."""
        return tuple(one.name for one in self._classes)

    @property
    def colours(self) -> dict[str, str]:
        """Colour by class name, in order."""
        return {one.name: one.colour for one in self._classes}

    @property
    def default_programs(self) -> dict[str, int]:
        """Default program by class name, in order."""
        return {one.name: one.default_program for one in self._classes}

    def of_program(self, program: int) -> str | None:
        """The class of a General MIDI program; None if the program is in no class."""
        return self._of_program.get(program)

    def without(self, name: str) -> "InstrumentTable":
        """The table without one class; the same table if ``name`` is empty.

        Raises:
            ValueError: if there is no such class.
        """
        if name and name not in self.names:
            raise ValueError(f"{name!r} is not a class of {self.name}: {', '.join(self.names)}")
        return InstrumentTable(self.name, [one for one in self._classes if one.name != name])

    @property
    def other_programs(self) -> list[int]:
        """The programs of no class, ascending."""
        return [program for program in range(PROGRAMS) if program not in self._of_program]

    def to_json(self) -> dict[str, Any]:
        """The table as JSON, the input of `from_json`."""
        return {"name": self.name, "instruments": [asdict(one) for one in self._classes]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "InstrumentTable":
        """A table from JSON or YAML content.

        Raises:
            ValueError: if an entry is missing, unknown or invalid, with its class.
        """
        try:
            classes = [_class(entry) for entry in content["instruments"]]
            return cls(str(content["name"]), classes)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"an instrument table needs `name` and `instruments`: {error}"
            ) from None


def read_instruments(path: Path | str) -> InstrumentTable:
    """Read an instrument table from a YAML file; an empty path is `FAMILIES`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a valid table; the message names the file and the class.
    """
    if not path:
        return FAMILIES
    text = Path(path).read_text(encoding="utf-8")
    try:
        return InstrumentTable.from_json(yaml.safe_load(text))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a usable instrument table: {error}") from None


def _class(entry: Mapping[str, Any]) -> InstrumentClass:
    fields = {"name", "programs", "default_program", "colour"}
    if set(entry) != fields:
        raise ValueError(f"{entry.get('name', entry)} must have {', '.join(sorted(fields))}")
    programs = [program for given in entry["programs"] for program in _programs(given)]
    return InstrumentClass(
        str(entry["name"]), tuple(programs), int(entry["default_program"]), str(entry["colour"])
    )


def _programs(given: int | str) -> range:
    """One program, or a range such as ``24-31``."""
    first, _, last = str(given).partition("-")
    return range(int(first), int(last or first) + 1)


# The colours are chosen from the Okabe-Ito and Tol palettes so that the smallest CIE Lab distance
# between any two, with normal vision and three simulated dichromacies, is as large as possible (27;
# Okabe-Ito itself has 16). Their lightness differs too, so that they differ in greyscale.
FAMILIES = InstrumentTable(
    "the paper's eight families",
    [
        InstrumentClass("Guitar", tuple(range(24, 32)), 24, "#E69F00"),
        InstrumentClass("Piano", tuple(range(0, 8)), 0, "#000000"),
        InstrumentClass("Bass", tuple(range(32, 40)), 33, "#332288"),
        # Solo strings, then ensembles, choirs and orchestra hit.
        InstrumentClass("Strings", tuple(range(40, 56)), 48, "#882255"),
        InstrumentClass("Organ", tuple(range(16, 24)), 16, "#4477AA"),
        InstrumentClass("Brass", tuple(range(56, 64)), 61, "#DDCC77"),
        InstrumentClass("Pipe", tuple(range(72, 80)), 73, "#88CCEE"),
        InstrumentClass("Reed", tuple(range(64, 72)), 71, "#EE6677"),
    ],
)
INSTRUMENTS = FAMILIES.names
INSTRUMENT_OF_PROGRAM = {program: one.name for one in FAMILIES for program in one.programs}
