"""The pages that a run is gathered into."""

import base64
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from camil.workbook import report
from camil.workbook.files import write_json
from camil.workbook.report import write_report

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def made(tmp_path):
    """Figures and runs of a small profile: a figure, a table, a run, two executed notebooks."""
    figures, runs = tmp_path / "figures", tmp_path / "runs"
    figures.mkdir()
    (figures / "fig2.png").write_bytes(DOT)
    (figures / "table1.md").write_text("| Condition | F1 |\n|:--|--:|\n| **SIC** | 0.601 |\n")
    record = {"corpus": {"source": "demo", "sha256": "abc"}, "parameters": {"seed": 3}}
    write_json(runs / "sic/run.json", record | {"commit": "c0", "device": "cpu", "seconds": 2})
    write_json(runs / "sic/metrics.json", {"condition": "SIC"})
    (runs / "notebooks").mkdir()
    picture = new_output("display_data", {"image/png": base64.b64encode(DOT).decode()})
    for name, prose in (("01_a", "Next: [2](02_b.ipynb)."), ("02_b", "$$x^2$$")):
        cells = [new_markdown_cell(prose), new_code_cell("draw()", outputs=[picture])]
        nbformat.write(new_notebook(cells=cells), runs / f"notebooks/{name}.ipynb")
    return figures, runs


def test_the_index_holds_table_figures_runs_and_links_that_lead_somewhere(made):
    index = write_report("small", *made)
    page = index.read_text()
    assert "<strong>SIC</strong>" in page
    assert base64.b64encode(DOT).decode() in page
    assert "<td>3</td>" in page  # the seed
    links = re.findall(r'href="([^"]+)"', page)
    assert links == ["notebooks/01_a.html", "notebooks/02_b.html"]
    assert all((index.parent / link).is_file() for link in links)
    assert "http" not in page


def test_a_notebooks_page_needs_no_network_but_for_equations(made):
    folder = write_report("small", *made).parent / "notebooks"
    plain, mathematical = ((folder / f"{name}.html").read_text() for name in ("01_a", "02_b"))
    for page in (plain, mathematical):
        assert base64.b64encode(DOT).decode() in page
        fetched = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(http[^"]+)', page)
        assert all("mathjax" in address.lower() for address in fetched)
    for page, addresses in ((plain, 0), (mathematical, 1)):
        assert len(re.findall(r"<script[^>]+src=", page)) == addresses
    assert 'href="../index.html"' in plain
    assert "02_b.ipynb" not in plain


def test_without_a_table_there_is_a_sentence(made, tmp_path, monkeypatch, capsys):
    (made[0] / "table1.md").unlink()
    with pytest.raises(FileNotFoundError, match="make figures"):
        write_report("small", *made)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path / "no.yaml")])
    assert report.main() == 1
    assert "No report" in capsys.readouterr().err
