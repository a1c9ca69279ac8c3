"""The book contains every notebook and page of docs/, and needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
pytest.importorskip("sphinx_book_theme", reason="the extra book is not installed")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the built book."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", "book"]
    command += ["-d", str(folder / "doctrees"), ".", str(folder / "html")]
    built = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    # A page that is missing in the contents, an unknown language or a broken image is a warning.
    assert "WARNING" not in built.stderr, built.stderr
    return folder / "html"


def test_every_notebook_and_page_is_in_the_book(book):
    pages = [*PROJECT.glob("notebooks/*.ipynb"), *PROJECT.glob("docs/*.md")]
    assert len(pages) > 20
    for page in pages:
        assert (book / page.relative_to(PROJECT)).with_suffix(".html").is_file()
    contents = (book / "book/index.html").read_text(encoding="utf-8")
    for page in PROJECT.glob("notebooks/*.ipynb"):
        assert f"notebooks/{page.stem}.html" in contents
    assert "book/index.html" in (book / "index.html").read_text(encoding="utf-8")


def test_no_page_fetches_anything_from_a_network(book):
    for page in book.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|link|img|iframe|audio|source)\b[^>]*>", text)
        assert not [tag for tag in tags if re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag)]


def test_equations_and_search_work_from_files_of_the_book(book):
    page = (book / "notebooks/02_pretrain.html").read_text(encoding="utf-8")
    (script,) = set(re.findall(r'src="([^"?]*mathjax[^"?]*)', page))
    assert (book / "notebooks" / script).resolve().is_file()
    assert "math notranslate" in page
    assert "margin" in (book / "searchindex.js").read_text(encoding="utf-8")
