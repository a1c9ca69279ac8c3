"""Sphinx configuration of the book: the executed notebooks and the pages of docs/.

``make book`` builds it into ``book/html``. Nothing is executed, and the result needs no network:
MathJax, fonts and icons are copied from installed packages.
"""

from pathlib import Path

project = "CAMIL"
author = "The CAMIL authors"
copyright = "The CAMIL authors, MIT licence"

# The source folder is the project, so that links between notebooks, docs and figures are as in the
# repository.
root_doc = "book/index"
include_patterns = ["book/*.md", "docs/*.md", "notebooks/*.ipynb", "figures/**/*.md"]
include_patterns += ["camil/labelling/pretrained/README.md"]
exclude_patterns = [".*", "corpora", "runs", "tests", "benchmarks", "book/html", "**/.ipynb_*"]
exclude_patterns += ["figures/demo"]

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
myst_enable_extensions = ["amsmath", "attrs_inline", "dollarmath", "html_image"]
myst_heading_anchors = 4
# Links to folders and to files that are not pages (code, CSV) have no target in the book.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure", "toc.not_included"]
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_merge_streams = True
nb_ipywidgets_js: dict = {}  # widgets need a kernel; their JavaScript would come from a network
html_js_files: list = []

html_theme = "sphinx_book_theme"
html_title = "CAMIL"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 1,
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
}


def setup(app) -> None:
    """Register the hook that writes the page which a browser opens first."""
    app.connect("build-finished", _write_entry_page)


def _write_entry_page(app, exception) -> None:
    if exception or app.builder.name != "html":
        return
    page = '<!doctype html><meta charset="utf-8"><title>CAMIL</title>'
    page += '<meta http-equiv="refresh" content="0; url=book/index.html">'
    page += '<a href="book/index.html">CAMIL</a>\n'
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
