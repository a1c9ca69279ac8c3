"""Execute notebooks with Papermill; a kernel that fails to start, dies or hangs is restarted."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from camil.workbook.environment import set_defaults

ATTEMPTS = 3
START_TIMEOUT = 60  # seconds; a kernel needs two to seven
# Raised by a port conflict, a hang or a lack of memory; an error in a cell is none of these.
KERNEL_ERRORS = (RuntimeError, CellTimeoutError, DeadKernelError, TimeoutError, OSError)


class SocketKernelManager(AsyncKernelManager):
    """Connect to the kernel through sockets in a separate folder, without port conflicts."""

    def __init__(self, **settings):
        self._folder = tempfile.TemporaryDirectory(prefix="camil-")
        super().__init__(transport="ipc", ip=f"{self._folder.name}/kernel", **settings)


# Windows has no such sockets.
KERNEL_MANAGER = AsyncKernelManager if sys.platform == "win32" else SocketKernelManager


def execute(notebook: Path, output: Path, parameters: dict[str, Any], cell_timeout: int) -> None:
    """Execute a notebook and write its copy with outputs, also if a cell fails.

    A kernel that fails is restarted, up to three attempts in total; a training then resumes from
    its last checkpoint. An error in a cell is not retried.

    Args:
        notebook: path of the notebook.
        output: path of the executed copy; its folder is created.
        parameters: values of the notebook's parameters.
        cell_timeout: time limit per cell, in seconds.

    Raises:
        papermill.PapermillExecutionError: if a cell raises.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    set_defaults()
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
        except KERNEL_ERRORS as error:
            print(f"{notebook}: attempt {attempt} of {ATTEMPTS}: {error}", file=sys.stderr)
            if attempt == ATTEMPTS:
                raise


def execute_without_results(notebook: Path, parameters: dict[str, Any], cell_timeout: int) -> None:
    """Execute a notebook in one of torchrun's further processes; its files are discarded."""
    with tempfile.TemporaryDirectory() as folder:
        if "run" in papermill.inspect_notebook(notebook):
            parameters = parameters | {"run": f"{folder}/run"}
        execute(notebook, Path(folder) / notebook.name, parameters, cell_timeout)
