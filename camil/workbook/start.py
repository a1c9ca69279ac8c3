"""Begin a notebook: check its parameters and paths, and print how it was run."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camil.workbook.account import Account
from camil.workbook.parameters import (
    ParameterError,
    as_sentence,
    check_parameters,
    check_values,
    declared_types,
    parameter_cells,
    use_project_folder,
)
from camil.workbook.valid_values import (
    Check,
    given,
    holds,
    is_corpus,
    output_file,
    output_folder,
    output_folder_or_none,
)

# Data sets that 01_preprocess reads from `source`, unless it downloads them to it.
FROM_FILES = ("midi", "slakh", "cocochorales")


def exists(value: str) -> str | None:
    """Check that the value is the path of a file or folder."""
    return given(value) or (None if Path(value).exists() else "does not exist")


def all_exist(values: list) -> str | None:
    """Check that all values are paths of files."""
    for value in values:
        if not isinstance(value, str):
            return f"contains {value!r}, which is not the path of a file"
    missing = [value for value in values if not Path(value).is_file()]
    return f"names files that do not exist: {', '.join(missing)}" if missing else None


_pretrained = holds("encoder.safetensors", "make one with 02_pretrain or 03_classify")
_audio_run = "make one with 03_classify, modality: audio, or with 02c_sound"
_maybe_corpus = holds("corpus.json", "make one with 01_preprocess", optional=True)
# Checks of the paths of each notebook: inputs must exist, and outputs must be named.
PATHS: dict[str, dict[str, Check]] = {
    "01_preprocess": {"soundfonts": all_exist, "corpus": output_folder, "figure": output_file},
    "02_pretrain": {
        "corpus": is_corpus,
        "pretrained_audio": holds("run.json", _audio_run, optional=True),
        "run": output_folder,
    },
    "02b_objectives": {
        "corpus": is_corpus,
        "run": holds("audio_encoder.safetensors", "make one with 02_pretrain"),
    },
    "02c_sound": {"corpus": is_corpus, "run": output_folder},
    "03_classify": {
        "corpus": is_corpus,
        "pretrained": holds("run.json", "make one with 02_pretrain", optional=True),
        "run": output_folder,
    },
    "04_confusion": {
        "run": holds("metrics.json", "make one with 03_classify"),
        "figure": output_file,
    },
    "05_umap": {
        "corpus": is_corpus,
        "run": holds("audio_encoder.safetensors", "make one with 02_pretrain"),
        "figure": output_file,
    },
    "06_results": {"runs": given, "figures": output_folder},
    "07_label": {"midi_file": exists, "output": output_folder},
    "08_baselines": {"corpus": is_corpus, "runs": output_folder},
    "09_questions": {
        "runs": given,
        "unseen": _maybe_corpus,
        "moved": _maybe_corpus,
        "figures": output_folder,
    },
    "10_transfer": {
        "corpus": is_corpus,
        "camil": _pretrained,
        "sic": _pretrained,
        "figures": output_folder,
    },
    "11_songs": {"corpus": is_corpus, "run": output_folder},
    "12_audit": {"midi_folder": exists, "output": output_folder},
    "13_ablation": {"corpus": is_corpus, "other_corpus": _maybe_corpus, "output": output_file},
    "14_tuning": {
        "corpus": is_corpus,
        "teacher": holds("encoder.safetensors", _audio_run),
        "output": output_file,
    },
    "15_other_collections": {
        "corpus": is_corpus,
        "other_corpus": is_corpus,
        "pretrained": holds("songs.safetensors", "make one with 11_songs"),
        "output": output_file,
        "calibrated": output_folder_or_none,
    },
    "16_few_labels": {"corpus": is_corpus, "output": output_file},
    "17_pretrain_songs": {"corpus": is_corpus, "output": output_file},
}


def start(notebook: str, namespace: dict[str, Any]) -> tuple[dict[str, Any], Account]:
    """Check the parameters of a notebook and print them with time, commit, versions and data.

    The project's folder becomes the working directory, so that relative paths count from it.

    Args:
        notebook: name of the notebook, a key of `PATHS`; a notebook without an entry has no checks
            of paths.
        namespace: its ``globals()``.

    Returns:
        All parameters by name, and the account, which the last cell closes.

    Raises:
        ParameterError: if a parameter is invalid; the message names it, its value and the valid
            values.
    """
    use_project_folder()
    parameters = check_parameters(namespace, **PATHS.get(notebook, {}))
    check_source(parameters)
    with as_sentence():
        account = Account(parameters, _data(parameters, PATHS.get(notebook, {})))
    return parameters, account


def check_notebook(notebook: Path | str, parameters: Mapping[str, Any]) -> None:
    """Check parameters for a notebook file without starting a kernel.

    Args:
        notebook: path of the notebook; paths in its parameters count from the working directory.
        parameters: the given parameters; the others have the notebook's defaults.

    Raises:
        ParameterError: under the conditions of `start`.
    """
    if cells := parameter_cells(notebook):
        types = declared_types(cells)
        check_values(types, parameters)
        values = _defaults(cells[0]) | dict(parameters)
        check_values(types, values, checks=PATHS.get(Path(notebook).stem))
        check_source(values)


def check_source(parameters: Mapping[str, Any]) -> None:
    """Check that the source of 01_preprocess exists, if its data set is read from files.

    Raises:
        ParameterError: if it does not.
    """
    needed = parameters.get("dataset") in FROM_FILES and not parameters.get("download")
    source = parameters.get("source", "")
    # A list of files, one path per line, is also a source.
    if needed and not (source and Path(source).exists()):
        raise ParameterError(
            f"source = {source!r} does not exist, and dataset {parameters['dataset']!r} is read "
            "from it; name a folder or file."
        )


def _defaults(cell: str) -> dict[str, Any]:
    """The default of each parameter in the parameters cell."""
    statements = [node for node in ast.parse(cell).body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: ast.literal_eval(node.value) for node in statements}


def _data(parameters: Mapping[str, Any], checks: Mapping[str, Check]) -> str:
    """The first folder that the notebook reads its data from; empty if it has none."""
    others = (None, output_folder)
    inputs = (name for name in ("corpus", "run", "pretrained") if checks.get(name) not in others)
    return next((parameters[name] for name in inputs if parameters[name]), "")
