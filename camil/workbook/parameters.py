"""The parameters of a notebook: checked before anything long begins.

A notebook declares its parameters in one cell, each with a type and a default; Papermill puts
the user's values into a cell of its own below it. `check_parameters` reads both and answers a
wrong name, type or value with a sentence.
"""

import ast
import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Check = Callable[[Any], str | None]


class ParameterError(ValueError):
    """A parameter of a notebook is not what the notebook can work with."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines in place of a traceback: the sentence says it all."""
        return [f"ParameterError: {self}"]


def one_of(*choices: str) -> Check:
    """The value is one of the choices."""
    return lambda value: (
        None if value in choices else f"must be one of {', '.join(map(repr, choices))}"
    )


def at_least(low: float) -> Check:
    """The value is a number not below `low`."""
    return lambda value: None if value >= low else f"must be at least {low}"


def above_zero(value: float) -> str | None:
    """The value is a positive number."""
    return None if value > 0 else "must be above 0"


def fraction(value: float) -> str | None:
    """The value is a share: above 0, at most 1."""
    return None if 0 < value <= 1 else "must be above 0 and at most 1 (0.5 is half)"


def given(value: str) -> str | None:
    """The value is not empty."""
    return None if value.strip() else "is empty; name a file or folder"


def holds(file: str, hint: str, optional: bool = False) -> Check:
    """The value is a folder with `file` in it; `hint` says how to make one.

    Args:
        optional: whether the value may be empty.
    """

    def check(value: str) -> str | None:
        if not value.strip():
            return None if optional else f"is empty; {hint}"
        if (Path(value) / file).is_file():
            return None
        missing = f"holds no {file}" if Path(value).is_dir() else "does not exist"
        return f"names a folder that {missing}; {hint}"

    return check


is_corpus = holds("corpus.json", "make one with 01_preprocess")


def is_file(value: str) -> str | None:
    """The value is the path of a file."""
    return None if Path(value).is_file() else "is not a file"


@contextmanager
def as_sentence() -> Iterator[None]:
    """Show what a wrong parameter led to as its sentence alone, without the way it took."""
    try:
        yield
    except (ValueError, FileNotFoundError, ConnectionError) as error:
        raise ParameterError(str(error)) from None


def registered(load: Callable[[], Mapping[str, Any]]) -> Check:
    """The value is a name in a registry.

    Args:
        load: returns the registry; called when a value is checked.
    """
    return lambda value: one_of(*load())(value)


# Imported when a value is checked: torch takes seconds, which the other checks need not wait for.
def _sources() -> Mapping[str, Any]:
    from camil.sources import SOURCES

    return SOURCES


def _losses() -> Mapping[str, Any]:
    from camil.losses import LOSSES

    return LOSSES


def _encoders() -> Mapping[str, Any]:
    from camil.encoders import ENCODERS

    return ENCODERS


def _samplers() -> Mapping[str, Any]:
    from camil.samplers import SAMPLERS

    return SAMPLERS


# What the parameters of the notebooks must be beyond their types, wherever they are given.
CHECKS: dict[str, Check] = {
    "dataset": registered(_sources),
    "midi_source": one_of("stem", "all_src"),
    "download": one_of("", "baby", "2100-redux"),
    "songs": at_least(3),
    "workers": at_least(0),
    "max_segments_per_track": at_least(1),
    "sample_rate": at_least(8000),
    "objective": registered(_losses),
    "encoder": registered(_encoders),
    "mining": one_of("uniform", "semi-hard", "hardest"),
    "memory_bank": at_least(0),
    "temperature": above_zero,
    "softness": above_zero,
    "projection": at_least(0),
    "imbalance": one_of("none", "weights", "balanced", "logit-adjustment"),
    "transpose": at_least(0),
    "patience": at_least(0),
    "schedule": one_of("cosine", "warmup", "constant"),
    "negatives": registered(_samplers),
    "negatives_per_anchor": at_least(1),
    "margin": above_zero,
    "modality": one_of("midi", "audio"),
    "train_fraction": fraction,
    "width": at_least(1),
    "depth": one_of(10, 18, 34),
    "embedding": at_least(2),
    "epochs": at_least(1),
    "batch_size": at_least(2),
    "learning_rate": above_zero,
    "points": at_least(4),
    "seed": at_least(0),
}


def check_parameters(namespace: dict[str, Any], **checks: Check) -> dict[str, Any]:
    """The notebook's parameters by name, once each is known to be usable.

    Relative paths count from the working directory; a kernel that was started in `notebooks/`,
    as JupyterLab and VS Code do, moves up to the project's folder first, so that the same path
    means the same folder wherever the notebook runs.

    Args:
        namespace: the notebook's `globals()`.
        checks: a check for each parameter that needs more than its type and `CHECKS`.

    Raises:
        ParameterError: naming the parameter, its value and what would be right.
    """
    here = Path.cwd()
    if (here / "01_preprocess.ipynb").is_file() and (here.parent / "Snakefile").is_file():
        os.chdir(here.parent)
    cells = namespace["In"]
    types = declared_types(cells)
    for name in _injected(cells):
        if name not in types:
            raise ParameterError(unknown_name(name, list(types)))
    for name, kind in types.items():
        check_type(name, namespace[name], kind)
    known = {name: check for name, check in CHECKS.items() if name in types}
    for name, check in (known | checks).items():
        if problem := check(namespace[name]):
            raise ParameterError(f"{name} = {namespace[name]!r} {problem}.")
    return {name: namespace[name] for name in types}


def declared_types(cells: list[str]) -> dict[str, str]:
    """Name and type of each parameter: the annotated assignments of the first cell that has any."""
    for cell in cells:
        assigned = [node for node in _statements(cell) if isinstance(node, ast.AnnAssign)]
        if assigned:
            return {node.target.id: ast.unparse(node.annotation) for node in assigned}
    raise ParameterError("The notebook has no cell that declares its parameters with their types.")


def _injected(cells: list[str]) -> list[str]:
    """The names that Papermill was told to set."""
    latest = next((cell for cell in reversed(cells) if cell.startswith("# Parameters\n")), "")
    return [node.targets[0].id for node in _statements(latest) if isinstance(node, ast.Assign)]


def _statements(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:  # a cell with a magic in it, which is not where parameters stand
        return []


def unknown_name(name: str, known: list[str]) -> str:
    """The sentence for a name that is none of the parameters."""
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    return f"There is no parameter {name}.{guess} The parameters are: {', '.join(known)}."


def check_type(name: str, value: Any, declared: str) -> None:
    """See that a value is of its parameter's declared type; a whole number is a number, too.

    Raises:
        ParameterError: telling the value and what would be right.
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


def _words(kind: type) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))
