"""The committed notebooks: executed, small, and made by the code beside them."""

import base64
import io
import json
import os
import tempfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from camil import figures
from camil.midi.instruments import FAMILIES
from camil.workbook.publish import _smaller, checksums, tidy

PROJECT = Path(__file__).parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
WITHOUT_PICTURE = ("02b_objectives", "13_ablation", "14_tuning", "15_other_collections")
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@EACH
def test_notebook_is_executed_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@EACH
def test_notebook_shows_results_and_no_error(path):
    outputs = [output for cell in code_cells(path) for output in cell["outputs"]]
    assert (
        any("image/png" in output.get("data", {}) for output in outputs)
        or path.stem in WITHOUT_PICTURE
    )
    assert not any(output["output_type"] == "error" for output in outputs)
    with_output = sum(bool(cell["outputs"]) for cell in code_cells(path))
    assert with_output >= len(code_cells(path)) / 3


@EACH
def test_notebook_belongs_to_its_cells_and_to_the_code(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["camil"] == checksums(path.stem, notebook), (
        "the notebook or the package has changed since it was executed: run make notebooks"
    )


@EACH
def test_notebook_names_no_path_of_the_machine_it_was_executed_on(path):
    text = path.read_text()
    folders = {str(PROJECT), str(Path.home()), tempfile.gettempdir(), "/home", "/Users"} - {os.sep}
    for folder in folders:
        assert f"{folder}{os.sep}" not in text


def test_lines_that_a_cell_prints_one_after_another_are_one_output():
    picture = nbformat.v4.new_output("display_data", {"text/plain": "picture"})
    outputs = [nbformat.v4.new_output("stream", text=text) for text in ("a\n", "b\n")]
    progress = nbformat.v4.new_output("stream", name="stderr", text="50 %\n")
    last = nbformat.v4.new_output("stream", text="c\n")
    cell = nbformat.v4.new_code_cell(outputs=[outputs[0], progress, outputs[1], picture, last])
    tidy(nbformat.v4.new_notebook(cells=[cell]))
    assert [one.get("text") for one in cell.outputs] == ["a\nb\n", None, "c\n"]


def test_a_smaller_picture_keeps_the_colours_of_small_marks():
    names = list(FAMILIES.names)
    file = io.BytesIO()
    figures.confusion(names * 3, names + names[::-1] + names[:4] * 2).savefig(file, dpi=150)
    reduced = base64.b64decode(_smaller(base64.b64encode(file.getvalue()).decode()))
    assert len(reduced) < len(file.getvalue())
    before, after = (
        np.asarray(Image.open(png).convert("RGB")).astype(int)
        for png in (file, io.BytesIO(reduced))
    )
    assert np.abs(after - before).max() <= 16


def test_notebooks_are_small():
    sizes = {path.name: path.stat().st_size for path in NOTEBOOKS}
    assert max(sizes.values()) < 1_000_000, sizes
    assert sum(sizes.values()) < 8_000_000, sizes


@EACH
def test_code_cells_are_short(path):
    lengths = sorted(
        len("".join(cell["source"]).splitlines())
        for cell in code_cells(path)
        if "parameters" not in cell["metadata"].get("tags", [])
    )
    assert lengths[-1] <= 15
    assert lengths[len(lengths) // 2] <= 6
