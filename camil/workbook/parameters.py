"""Typed parameters of notebooks: checks with readable errors, before anything slow starts.

A notebook declares its parameters in one cell, each with a type and a default; Papermill adds a
cell with the user's values below it. This module does not import torch, which takes seconds.
"""

import ast
import difflib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camil.workbook.lock import FolderInUseError
from camil.workbook.valid_values import CHECKS, Check, Registered


class ParameterError(ValueError):
    """A notebook's parameter has an unknown name, a wrong type or an unusable value."""

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback."""
        return [f"ParameterError: {self}"]


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
    """Source of the cells of a notebook file that are tagged ``parameters``.

    Raises:
        FileNotFoundError: if there is no such file.
        ParameterError: if it is not a notebook.
    """
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    except (ValueError, LookupError, TypeError):
        raise ParameterError("The file is not a Jupyter notebook.") from None
    return ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]


@contextmanager
def as_sentence() -> Iterator[None]:
    """Show errors that follow from a parameter's value as one sentence, without a traceback.

    Raises:
        ParameterError: for invalid values, files that cannot be read or written, a full disk, a
            failed download, and folders that another process writes.
    """
    try:
        yield
    except (ValueError, OSError, FolderInUseError) as error:
        raise ParameterError(sentence_of(error)) from None


def sentence_of(error: Exception) -> str:
    """The message of an error; one of the operating system without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def declared_types(cells: list[str]) -> dict[str, str]:
    """The types of the parameters as written, by name: the first cell that annotates any.

    Args:
        cells: the code cells of a notebook.

    Raises:
        ParameterError: if no cell annotates a parameter.
    """
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
        ParameterError: if it has another type or is infinite or NaN; the message names the value
            and the type.
    """
    kind = eval(declared, {})
    wanted = (int, float) if kind is float else kind
    if isinstance(value, wanted) and (kind is bool or not isinstance(value, bool)):
        if kind is float and not math.isfinite(value):
            raise ParameterError(f"{name} = {value!r} must be a finite number.")
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
