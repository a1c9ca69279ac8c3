"""Run a notebook unattended: Papermill, with another try for kernels that never start or hang.

python -m camil.workbook.execute notebooks/03_classify.ipynb runs/03.ipynb -y "{epochs: 3, seed: 1}"

With several GPUs, torchrun starts a notebook for each, and they train together (camil.training.devices):

torchrun --nproc-per-node 4 -m camil.workbook.execute notebooks/02_pretrain.ipynb runs/02.ipynb
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

import papermill
import yaml
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from camil.workbook.environment import KEEP_MEMORY

ATTEMPTS = 3
START_TIMEOUT = 60  # seconds; a kernel needs two to seven
# What a kernel race, a hang or a lack of memory raises; an error in a cell is none of these.
FAULTS_OF_THE_KERNEL = (RuntimeError, CellTimeoutError, DeadKernelError, TimeoutError, OSError)


class SocketKernelManager(AsyncKernelManager):
    """Talks to the kernel through sockets in a folder of its own: no ports to race for."""

    def __init__(self, **settings):
        self._folder = tempfile.TemporaryDirectory(prefix="camil-")
        super().__init__(transport="ipc", ip=f"{self._folder.name}/kernel", **settings)


# Windows has no such sockets.
KERNEL_MANAGER = AsyncKernelManager if sys.platform == "win32" else SocketKernelManager


def execute(notebook: Path, output: Path, parameters: dict, cell_timeout: int) -> None:
    """Execute a notebook; its copy with outputs is written as it goes, also when it fails.

    A kernel that does not start, dies or hangs is begun again, up to three times; a training
    then goes on from its last checkpoint. An error in a cell is not tried again.

    Args:
        cell_timeout: seconds that one cell may take.

    Raises:
        papermill.PapermillExecutionError: if a cell raises.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    for name, value in KEEP_MEMORY.items():
        os.environ.setdefault(name, value)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            papermill.execute_notebook(
                notebook,
                output,
                parameters,
                start_timeout=START_TIMEOUT,
                execution_timeout=cell_timeout,
                kernel_manager_class=KERNEL_MANAGER,
                log_output=True,
                progress_bar=False,
            )
            return
        except (papermill.PapermillExecutionError, NoSuchKernel):
            raise
        except FAULTS_OF_THE_KERNEL as fault:
            print(f"{notebook}: attempt {attempt} of {ATTEMPTS}: {fault}", file=sys.stderr)
            if attempt == ATTEMPTS:
                raise


def _along(notebook: Path, parameters: dict, cell_timeout: int) -> int:
    """Another process of `torchrun`: it computes its share; what it writes is not kept."""
    with tempfile.TemporaryDirectory() as folder:
        if "run" in papermill.inspect_notebook(notebook):
            parameters = parameters | {"run": f"{folder}/run"}
        execute(notebook, Path(folder) / notebook.name, parameters, cell_timeout)
    return 0


def main() -> int:
    """The command line; the exit status is 1 if a cell failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("notebook", type=Path)
    arguments.add_argument("output", type=Path, help="where the executed copy goes")
    arguments.add_argument("-y", "--yaml", default="{}", help="the parameters, as YAML")
    arguments.add_argument("--cell-timeout", type=int, default=12 * 3600, help="seconds")
    given = arguments.parse_args()
    parameters = yaml.safe_load(given.yaml)
    if int(os.environ.get("RANK", 0)) > 0:
        return _along(given.notebook, parameters, given.cell_timeout)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        execute(given.notebook, given.output, parameters, given.cell_timeout)
    except papermill.PapermillExecutionError as error:
        print("\n".join(error.traceback), file=sys.stderr)
        print(f"\n{given.notebook} failed; see {given.output}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
