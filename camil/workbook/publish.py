"""Execute the notebooks on the demonstration corpus and keep them with their outputs.

python -m camil.workbook.publish        all notebooks, in order (make notebooks)
python -m camil.workbook.publish 06_results 09_questions

Runs that `make figures` has made are shown, not repeated. A notebook is replaced when it has been
executed to its end; its metadata then hold checksums of its cells and of the package's code.
"""

import argparse
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from camil.workbook.files import write_text
from camil.workbook.provenance import code_checksum
from camil.workbook.rooms import NOTEBOOKS, ORDER

FOLDER = Path("notebooks")
CELL_TIMEOUT = 3600  # seconds
PALETTE = 128  # colours of a picture; figures have few, and a third of the bytes remain
# Colour codes of terminals, which tracebacks and progress lines contain.
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def publish(path: Path) -> None:
    """Execute a notebook with its defaults and replace it by the executed copy.

    Raises:
        papermill.PapermillExecutionError: if a cell fails; the notebook is left as it is.
    """
    # Imported here: the checks of published notebooks need no Papermill, which takes seconds.
    from camil.workbook.kernels import execute

    with tempfile.TemporaryDirectory() as folder:
        executed = Path(folder) / path.name
        execute(path, executed, {}, CELL_TIMEOUT)
        notebook = nbformat.read(executed, as_version=4)
    tidy(notebook)
    notebook.metadata["camil"] = checksums(path.stem, notebook)
    write_text(path, nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n")


def checksums(name: str, notebook: Any) -> dict[str, str]:
    """SHA-256 of a notebook's code cells, and of the rooms of the package that it depends on."""
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    joined = "\n\n".join("".join(source) for source in cells)
    return {
        "cells": hashlib.sha256(joined.encode()).hexdigest(),
        "code": code_checksum(NOTEBOOKS.get(name, ORDER)),
    }


def tidy(notebook: Any) -> None:
    """Remove content that differs between executions, and shrink pictures; changes the argument."""
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _joined(one for one in cell.outputs if not _is_progress(one))
            for output in cell.outputs:
                _tidy_output(output)


def _is_progress(output: Any) -> bool:
    """Whether an output is a progress line or a warning of a library, on standard error."""
    return output.output_type == "stream" and output.name == "stderr"


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """The outputs, with the lines that a cell printed one after another as one output."""
    found: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and found and found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def _tidy_output(output: Any) -> None:
    output.pop("metadata", None) if output.output_type == "stream" else None
    if "text" in output:
        output.text = _without_paths(ANSI.sub("", output.text))
    data = output.get("data", {})
    data.pop("application/vnd.jupyter.widget-view+json", None)
    for kind, content in data.items():
        if kind == "image/png":
            data[kind] = _smaller(content)
        elif kind.startswith("text/"):
            data[kind] = _without_paths(content)


def _without_paths(text: str) -> str:
    """The text with paths relative to the project's folder."""
    for folder in (f"{Path.cwd()}{os.sep}", f"{Path.home()}{os.sep}"):
        text = text.replace(folder, "")
    return text


def _smaller(png: str) -> str:
    """A PNG in base64, with a palette; unchanged if that is not smaller."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    file = io.BytesIO()
    # The method that keeps rare colours too, such as those of small legends.
    palette = image.quantize(PALETTE, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(file, "PNG", optimize=True)
    reduced = base64.b64encode(file.getvalue()).decode()
    return reduced if len(reduced) < len(png) else png


def main() -> int:
    """Run the command line; the exit status is 1 if a notebook failed."""
    from papermill import PapermillExecutionError

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", help="names without suffix; default: all")
    names = parser.parse_args().notebooks
    paths = [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        print(path, flush=True)
        try:
            publish(path)
        except PapermillExecutionError as error:
            print(f"{path} failed:\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
