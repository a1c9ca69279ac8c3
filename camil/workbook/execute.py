"""Run a notebook unattended: the command line.

python -m camil.workbook.execute notebooks/03_classify.ipynb runs/03.ipynb -y "{epochs: 3, seed: 1}"

With several GPUs, torchrun starts one notebook per GPU, and they train together (see
`camil.training.devices`):

torchrun --nproc-per-node 4 -m camil.workbook.execute notebooks/02_pretrain.ipynb runs/02.ipynb
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from camil.workbook.extras import optional
from camil.workbook.parameters import ParameterError, sentence_of
from camil.workbook.start import check_notebook


def main() -> int:
    """Run the command line; the exit status is 1 if a parameter is wrong or a cell failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("notebook", type=Path)
    arguments.add_argument("output", type=Path, help="path of the executed copy")
    arguments.add_argument("-y", "--yaml", default="{}", help="parameters, as YAML")
    arguments.add_argument("--cell-timeout", type=int, default=12 * 3600, help="seconds")
    given = arguments.parse_args()
    try:
        parameters = parameters_of(given.yaml)
        check_notebook(given.notebook, parameters)
    except ParameterError as error:
        print(f"{given.notebook}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(sentence_of(error), file=sys.stderr)
        return 1
    # Imported after the check: Papermill takes two seconds, and an error should not wait for it.
    optional("papermill", "Running a notebook unattended")
    from papermill import PapermillExecutionError

    from camil.workbook.kernels import execute, execute_without_results

    if int(os.environ.get("RANK", 0)) > 0:
        execute_without_results(given.notebook, parameters, given.cell_timeout)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        execute(given.notebook, given.output, parameters, given.cell_timeout)
    except PapermillExecutionError as error:
        print("\n".join(error.traceback), file=sys.stderr)
        print(f"\n{given.notebook} failed; see {given.output}", file=sys.stderr)
        return 1
    return 0


def parameters_of(text: str) -> dict[str, Any]:
    """The parameters in a YAML text, by name.

    Raises:
        ParameterError: if the text is not YAML, or no mapping whose keys are text.
    """
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise ParameterError(f"-y {text!r} is not YAML: {' '.join(str(error).split())}") from None
    given = {} if loaded is None else loaded
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise ParameterError(
            f"-y {text!r} must name parameters and their values, such as '{{epochs: 3, seed: 1}}'."
        )
    return given


if __name__ == "__main__":
    sys.exit(main())
