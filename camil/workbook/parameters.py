"""Typed parameters of notebooks: checks with readable errors, before anything slow starts.

A notebook declares its parameters in one cell, each with a type and a default; Papermill adds a
cell with the user's values below it. This module does not import torch, which takes seconds.
"""

import ast
import difflib
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Check = Callable[[Any], str | None]  # returns the error in a value as text, or None


class ParameterError(ValueError):
    """A notebook's parameter has an unknown name, a wrong type or an unusable value."""

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback."""
        return [f"ParameterError: {self}"]


def one_of(*choices: Any) -> Check:
    """Check that the value is one of the choices."""
    return lambda value: (
        None if value in choices else f"must be one of {', '.join(map(repr, choices))}"
    )


def at_least(low: float) -> Check:
    """Check that the value is a number not below ``low``."""
    return lambda value: None if value >= low else f"must be at least {low}"


def above_zero(value: float) -> str | None:
    """Check that the value is a positive number."""
    return None if value > 0 else "must be above 0"


def fraction(value: float) -> str | None:
    """Check that the value is above 0 and at most 1."""
    return None if 0 < value <= 1 else "must be above 0 and at most 1 (0.5 is half)"


def given(value: str) -> str | None:
    """Check that the value is not empty."""
    return None if value.strip() else "is empty; name a file or folder"


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
}


def use_project_folder() -> None:
    """Make the project's folder the working directory of a notebook's kernel.

    Relative paths in notebooks count from the project's folder. JupyterLab and VS Code start
    kernels in ``notebooks/``, Papermill starts them where it was called. A kernel that was not
    started in ``notebooks/`` of a project keeps its working directory.
    """
    if _in_notebooks(Path.cwd()):
        os.chdir(Path.cwd().parent)


def check_parameters(namespace: dict[str, Any], **checks: Check) -> dict[str, Any]:
    """Check the notebook's parameters.

    Args:
        namespace: the notebook's ``globals()``.
        checks: further checks by parameter, beyond its type and `CHECKS`.

    Returns:
        All parameters by name.

    Raises:
        ParameterError: if a parameter is invalid; the message names it, its value and the valid
            values. Also if the kernel runs in ``notebooks/``, where relative paths are not found.
    """
    if _in_notebooks(Path.cwd()):
        raise ParameterError(
            "Paths count from the project's folder, but the kernel runs in notebooks/. Call "
            "use_project_folder() before check_parameters."
        )
    cells = namespace["In"]
    types = declared_types(cells)
    values = {name: namespace[name] for name in types if name in namespace}
    check_values(types, values, _injected(cells), checks)
    return values


def check_values(
    types: Mapping[str, str],
    values: Mapping[str, Any],
    names: Iterable[str] = (),
    checks: Mapping[str, Check] | None = None,
) -> None:
    """Check parameters against their declaration: names, types, then `CHECKS`, slow ones last.

    Args:
        types: type by parameter, from `declared_types`.
        values: value by declared parameter.
        names: further names that must be declared.
        checks: check by parameter; they add to `CHECKS` and take precedence.

    Raises:
        ParameterError: if a parameter is invalid, with its name, value and the valid values.
    """
    for name in [*names, *values]:
        if name not in types:
            raise ParameterError(unknown_name(name, list(types)))
    for name, value in values.items():
        check_type(name, value, types[name])
    applied = {name: check for name, check in CHECKS.items() if name in values} | (checks or {})
    for name, check in sorted(applied.items(), key=lambda item: isinstance(item[1], Registered)):
        if problem := check(values[name]):
            raise ParameterError(f"{name} = {values[name]!r} {problem}.")


def parameter_cells(notebook: Path | str) -> list[str]:
    """Source of the cells of a notebook file that are tagged ``parameters``."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]


@contextmanager
def as_sentence() -> Iterator[None]:
    """Show errors that follow from a parameter's value as one sentence, without a traceback."""
    try:
        yield
    except (ValueError, FileNotFoundError, ConnectionError) as error:
        raise ParameterError(str(error)) from None


def declared_types(cells: list[str]) -> dict[str, str]:
    """Type by parameter: the annotated assignments of the first cell that has any."""
    for cell in cells:
        assigned = [node for node in _statements(cell) if isinstance(node, ast.AnnAssign)]
        if assigned:
            return {node.target.id: ast.unparse(node.annotation) for node in assigned}
    raise ParameterError("The notebook has no cell that declares its parameters with their types.")


def unknown_name(name: str, known: list[str]) -> str:
    """The error message for an unknown parameter, with the closest known name."""
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    return f"There is no parameter {name}.{guess} The parameters are: {', '.join(known)}."


def check_type(name: str, value: Any, declared: str) -> None:
    """Check that a value has its parameter's declared type; an int is accepted as a float.

    Raises:
        ParameterError: if it has another type; the message names the value and the type.
    """
    kind = eval(declared, {})
    wanted = (int, float) if kind is float else kind
    if isinstance(value, wanted) and (kind is bool or not isinstance(value, bool)):
        return
    message = f"{name} = {value!r} is of type {type(value).__name__}, but must be {_words(kind)}."
    if isinstance(value, str):
        message += (
            " Papermill's -p passes such values as text, and YAML reads 1e-4 as text (1.0e-4 is a"
            f" number): use -y '{name}: VALUE' or a file with -f."
        )
    raise ParameterError(message)


def _injected(cells: list[str]) -> list[str]:
    """Names that are assigned in the cell that Papermill added."""
    latest = next((cell for cell in reversed(cells) if cell.startswith("# Parameters\n")), "")
    return [node.targets[0].id for node in _statements(latest) if isinstance(node, ast.Assign)]


def _statements(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:  # an IPython magic; the parameters cell has none
        return []


def _words(kind: type) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))


def _in_notebooks(folder: Path) -> bool:
    inside = (folder / "01_preprocess.ipynb").is_file()
    return inside and (folder.parent / "Snakefile").is_file()
