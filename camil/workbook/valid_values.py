"""Checks of parameter values, and the table of those that apply to a parameter's name.

This module does not import torch, which takes seconds.
"""

import importlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Check = Callable[[Any], str | None]  # returns the error in a value as text, or None


def one_of(*choices: Any) -> Check:
    """Check that the value is one of the choices."""
    return lambda value: (
        None if value in choices else f"must be one of {', '.join(map(repr, choices))}"
    )


def at_least(low: float) -> Check:
    """Check that the value is a number not below ``low``."""
    return lambda value: None if value >= low else f"must be at least {low}"


def above_zero(value: float) -> str | None:
    """Check that the value is a finite positive number."""
    return None if 0 < value < math.inf else "must be above 0 and finite"


def within(low: float, high: float) -> Check:
    """Check that the value is a number from ``low`` to ``high``, both included."""
    return lambda value: None if low <= value <= high else f"must be between {low} and {high}"


def fraction(value: float) -> str | None:
    """Check that the value is above 0 and at most 1."""
    return None if 0 < value <= 1 else "must be above 0 and at most 1 (0.5 is half)"


def inner_fraction(value: float) -> str | None:
    """Check that the value is above 0 and below 1."""
    return None if 0 < value < 1 else "must be above 0 and below 1 (0.5 is half)"


def below_one(value: float) -> str | None:
    """Check that the value is at least 0 and below 1."""
    return None if 0 <= value < 1 else "must be at least 0 and below 1 (0: off)"


def each(check: Check, *kinds: type, optional: bool = False) -> Check:
    """Check that the value is a list of values that pass a check.

    Args:
        check: check of one value.
        kinds: the accepted types.
        optional: accept an empty list.
    """

    def check_all(values: list) -> str | None:
        if not values and not optional:
            return "is empty; name at least one value"
        for value in values:
            if type(value) not in kinds:
                names = " or ".join(kind.__name__ for kind in kinds)
                return f"contains {value!r}, which must be of type {names}"
            if problem := check(value):
                return f"contains {value!r}, which {problem}"
        return None

    return check_all


def given(value: str) -> str | None:
    """Check that the value is not empty."""
    return None if value.strip() else "is empty; name a file or folder"


def output_folder(value: str) -> str | None:
    """Check that the value is the path of a folder, or of one that can be made."""
    return given(value) or _file_above(Path(value))


def output_file(value: str) -> str | None:
    """Check that the value is the path of a file whose folder exists or can be made."""
    return given(value) or _file_above(Path(value).parent)


def output_folder_or_none(value: str) -> str | None:
    """Check that the value is empty or passes `output_folder`."""
    return output_folder(value) if value.strip() else None


def _file_above(folder: Path) -> str | None:
    """The error if a folder cannot be made because it, or a folder above it, is a file."""
    absolute = Path(os.path.abspath(folder))
    existing = next(one for one in (absolute, *absolute.parents) if os.path.exists(one))
    if existing.is_dir():
        return None
    return f"cannot be written, because {existing} is a file; name another path"


def holds(file: str, hint: str, optional: bool = False) -> Check:
    """Check that the value is a folder that contains ``file``.

    Args:
        file: name of a file.
        hint: how to make such a folder.
        optional: accept an empty value.
    """

    def check(value: str) -> str | None:
        if not value.strip():
            return None if optional else f"is empty; {hint}"
        if (Path(value) / file).is_file():
            return None
        missing = f"contains no {file}" if Path(value).is_dir() else "does not exist"
        return f"names a folder that {missing}; {hint}"

    return check


is_corpus = holds("corpus.json", "make one with 01_preprocess")


def is_shard(value: str) -> str | None:
    """Check that the value is empty or a share of the work, such as ``3/8``."""
    number, _, shards = value.partition("/")
    whole = number.isdecimal() and shards.isdecimal()
    if not value or (whole and 1 <= int(number) <= int(shards)):
        return None
    return "must be empty or like 3/8 (the third of eight)"


def is_instrument_table(value: str) -> str | None:
    """Check that the value is the path of a readable instrument table, or empty."""
    # Imported when a value is checked: the room imports pandas.
    from camil.midi.instruments import read_instruments

    try:
        read_instruments(value)
    except (OSError, ValueError) as error:
        return f"is not a usable instrument table: {error}"
    return None


@dataclass(frozen=True)
class Registered:
    """Check that the value is a name in a registry.

    Attributes:
        room: module of the registry, imported when a value is checked (torch takes seconds).
        registry: name of the registry in that module, such as ``LOSSES``.
    """

    room: str
    registry: str

    def __call__(self, value: str) -> str | None:
        return one_of(*getattr(importlib.import_module(self.room), self.registry))(value)


# Checks of parameters by name, in every notebook and profile that has them.
CHECKS: dict[str, Check] = {
    "dataset": Registered("camil.sources", "SOURCES"),
    "instruments": is_instrument_table,
    "midi_source": one_of("stem", "all_src"),
    "download": one_of("", "baby", "2100-redux"),
    "songs": at_least(3),
    "workers": at_least(0),
    "shard": is_shard,
    "split": one_of("redux", "original", "split2"),
    "max_segments_per_track": at_least(1),
    "sample_rate": at_least(8000),
    "objective": Registered("camil.losses", "LOSSES"),
    "encoder": Registered("camil.encoders", "ENCODERS"),
    "mining": one_of("uniform", "semi-hard", "hardest"),
    "memory_bank": at_least(0),
    "temperature": above_zero,
    "softness": above_zero,
    "projection": at_least(0),
    "imbalance": one_of("none", "weights", "balanced", "logit-adjustment"),
    "transpose": at_least(0),
    "patience": at_least(0),
    "schedule": one_of("cosine", "warmup", "constant"),
    "negatives": Registered("camil.samplers", "SAMPLERS"),
    "negatives_per_anchor": at_least(1),
    "margin": above_zero,
    "modality": one_of("midi", "audio"),
    "train_fraction": fraction,
    "label_share": fraction,
    "hidden_share": fraction,
    "label_epochs": at_least(1),
    "leave_out_programs": each(within(0, 127), int, optional=True),
    "group": one_of("all", "ingredients", "changes", "songs"),
    "width": at_least(1),
    "depth": one_of(10, 18, 34),
    "embedding": at_least(2),
    "epochs": at_least(1),
    "batch_size": at_least(2),
    "learning_rate": above_zero,
    "least_songs": at_least(2),
    "points": at_least(4),
    "seed": at_least(0),
    "segments": at_least(2),
    "clusters": at_least(2),
    "note_dropout": below_one,
    "tempo_jitter": below_one,
    "velocity_jitter": below_one,
    "reference_segments": at_least(1),
    "members": at_least(1),
    "size": at_least(1),
    "programs": at_least(0),
    "strength": within(0, 1),
    "shown": at_least(1),
    "share": inner_fraction,
    "processes": at_least(1),
    "training_songs": at_least(0),
    "seeds": at_least(1),
    "random_groups": at_least(2),
    "threshold": within(0, 1),
    "validation_segments": at_least(1),
    "fine_tuning_rate": above_zero,
    "learning_rates": each(above_zero, int, float),
    "epoch_counts": each(at_least(1), int),
    "shares": each(fraction, int, float),
    "draws": each(at_least(0), int),
    "epochs_per_share": each(at_least(1), int),
    "fine_tuned_shares": each(fraction, int, float, optional=True),
}
