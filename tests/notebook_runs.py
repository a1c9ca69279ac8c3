"""Run notebooks in tests, in this process or in another one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import yaml

PROJECT = Path(__file__).parent.parent
TINY = {"width": 2, "depth": 10, "embedding": 8, "epochs": 1, "batch_size": 32, "device": "cpu"}


def run_notebook(name, tiny=TINY, **parameters):
    """Run the code cells of a notebook in this process, parameters injected like Papermill."""
    matplotlib.use("agg")
    content = json.loads((PROJECT / f"notebooks/{name}.ipynb").read_text())
    cells = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]
    given = "\n".join(f"{name} = {value!r}" for name, value in (tiny | parameters).items())
    cells.insert(1, f"# Parameters\n{given}\n")
    namespace = {"In": ["", *cells], "__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, name, "exec"), namespace)
    matplotlib.pyplot.close("all")
    return namespace


def execute(
    notebook, folder, parameters, environment=None, runner="camil.workbook.execute"
) -> None:
    """Execute a notebook in another process; the executed one is written to a folder."""
    command = [sys.executable, "-m", runner, f"notebooks/{notebook}.ipynb"]
    command += [str(folder / f"{notebook}.ipynb"), "-y", yaml.safe_dump(parameters)]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


def environment_with_package(folder, name, code, entry_points):
    """Environment variables with which Python finds a package as if it were installed.

    Args:
        folder: folder that the package is written to.
        name: name of the distribution; its module has underscores instead of hyphens.
        code: content of the module.
        entry_points: content of ``entry_points.txt``.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}
