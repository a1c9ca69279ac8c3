"""A page with everything a run of the graph has made: the table, the figures, the notebooks.

python -m camil.workbook.report config/demo.yaml    reads figures/demo and runs/demo, writes runs/demo/report

The pages hold their pictures and sounds themselves and open without a server or a network; only
equations, in pages that have some, are typeset by MathJax from the network, and else stand as TeX.
(Snakemake's own `--report` fetches its program from the network for every report.)
"""

import argparse
import base64
import re
import sys
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
import yaml
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html

from camil.evaluation.results import find_runs
from camil.workbook.files import write_text

CAPTIONS = {
    "segment": "Two measures of one part, as notes and as sound",
    "fig1": "Fig. 1: the architecture, drawn from the model as built",
    "fig2": "Fig. 2: which instruments are taken for which",
    "umap": "The joint space: notes and sounds of the same segments",
    "data_efficiency": "What fewer songs cost",
    "training_curves": "Training curves",
}
PAGE = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CAMIL: {{ name }}</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 78em; margin: 2em auto; padding: 0 1em; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 0.85em; white-space: nowrap; }
  th, td { padding: 0.25em 0.8em; border-bottom: 1px solid color-mix(in srgb, currentColor 25%,
    transparent); text-align: left; }
  .figures { display: flex; flex-wrap: wrap; gap: 2em; }
  figure { margin: 0; }
  figure img { height: 24em; max-width: 100%; object-fit: contain; background: white; }
</style>
<h1>CAMIL: {{ name }}</h1>
<h2>Table I</h2>
<div class="wide">{{ table }}</div>
<h2>Figures</h2>
<div class="figures">
{% for file, caption, data in figures %}
<figure><img src="data:image/png;base64,{{ data }}" alt="{{ caption }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
<h2>Notebooks, as they were executed</h2>
<ul>
{% for page, title in notebooks %}<li><a href="notebooks/{{ page }}">{{ title }}</a></li>
{% endfor %}
</ul>
<h2>Runs</h2>
<div class="wide">{{ runs }}</div>
</html>
""")


def write_report(name: str, figures: Path, runs: Path) -> Path:
    """Write `index.html` and a page a notebook into the folder `report` of `runs`.

    Args:
        name: of the profile, the heading.
        figures: where notebook 6 left `table1.md` and the figures.
        runs: the folder of runs, with the executed notebooks in `notebooks`.

    Returns:
        The index.

    Raises:
        FileNotFoundError: if there is no table yet.
    """
    table = figures / "table1.md"
    if not table.is_file():
        raise FileNotFoundError(f"{table} does not exist; run the graph first (make figures).")
    folder = runs / "report"
    pages = [
        (_page(notebook, folder / "notebooks"), notebook.stem)
        for notebook in sorted((runs / "notebooks").glob("*.ipynb"))
    ]
    pictures = sorted(figures.glob("*.png"), key=_place)
    summary = pd.DataFrame([run.summary() for run in find_runs(str(runs))])
    index = PAGE.render(
        name=name,
        table=Markup(markdown2html(table.read_text(encoding="utf-8"))),
        figures=[(p.name, CAPTIONS.get(p.stem, p.stem), _base64(p)) for p in pictures],
        notebooks=pages,
        runs=Markup(summary.to_html(index=False, border=0)),
    )
    write_text(folder / "index.html", index)
    return folder / "index.html"


def _page(notebook: Path, folder: Path) -> str:
    """An executed notebook as HTML; links to other notebooks lead to the index."""
    content = nbformat.read(notebook, as_version=4)
    prose = [cell for cell in content.cells if cell.cell_type == "markdown"]
    exporter = HTMLExporter(embed_images=True)
    exporter.require_js_url = exporter.jquery_url = exporter.mermaid_js_url = ""
    if not any("$" in cell.source for cell in prose):
        exporter.mathjax_url = ""
    for cell in prose:
        cell.source = re.sub(r"\]\(\w+\.ipynb\)", "](../index.html)", cell.source)
    html, _ = exporter.from_notebook_node(content, {"metadata": {"name": notebook.stem}})
    html = re.sub(r'<script src=""[^>]*>\s*</script>', "", html)  # of the addresses left out
    write_text(folder / f"{notebook.stem}.html", html)
    return f"{notebook.stem}.html"


def _place(picture: Path) -> tuple[int, str]:
    known = list(CAPTIONS)
    return known.index(picture.stem) if picture.stem in known else len(known), picture.stem


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def main() -> int:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("profile", type=Path)
    profile = arguments.parse_args().profile
    try:
        name = yaml.safe_load(profile.read_text(encoding="utf-8"))["name"]
        print(f"Open {write_report(name, Path('figures') / name, Path('runs') / name)}")
    except (FileNotFoundError, ValueError) as error:
        print(f"No report: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
