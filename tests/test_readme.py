"""README and docs: links, named files, budgets, tables, and the code of the recipes."""

import ast
import importlib
import importlib.util
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from camil.midi.instruments import InstrumentTable
from camil.sources.midi_folder import MidiFolder

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [
    PROJECT / "README.md",
    PROJECT / "camil/labelling/pretrained/README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
ALL_TEXT = "\n".join(TEXT.values())
FOLDERS = "benchmarks|camil|config|docs|figures|notebooks|tests"
NOTEBOOKS = {
    path: "\n\n".join(
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    )
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb"))
}
LINKS = [
    (page, link)
    for page, text in (TEXT | NOTEBOOKS).items()
    for link in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub writes them in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tables(text: str) -> list[list[str]]:
    """The rows of each Markdown table, header and rule included."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [block.splitlines() for block in blocks]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_link_leads_to_an_existing_file_and_heading(page, link):
    path, _, heading = link.partition("#")
    file = page.parent / path if path else page
    assert file.exists()
    assert not heading or heading in anchors(file)


@pytest.mark.parametrize("path", sorted(set(re.findall(rf"`((?:{FOLDERS})/[\w./]+)`", ALL_TEXT))))
def test_named_file_exists(path):
    # The demo's figures can be made again; one file is an example of a file of the reader.
    assert (PROJECT / path).exists() or path == "config/my_families.yaml"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"-m (benchmarks\.\w+)", ALL_TEXT))))
def test_named_benchmark_exists(name):
    assert importlib.util.find_spec(name)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"PROFILE=([\w./]+)", ALL_TEXT))))
def test_named_profile_has_a_name(name):
    assert yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))["name"]


def test_readme_keeps_its_budget_of_words_tables_and_rows():
    assert len(README.split()) <= 1200
    assert len(tables(README)) <= 2
    assert all(len(rows) - 2 <= 8 for rows in tables(README))


def test_every_row_of_the_readme_is_in_the_results_page():
    rows = [row for table in tables(README) for row in table[2:]]
    assert rows
    assert not [row for row in rows if row not in TEXT[PROJECT / "docs/results.md"]]


def test_file_tree_of_the_readme_lists_every_room():
    listed = re.findall(r"^  ([a-z_]+)(?:/|\.py)  ", README, re.MULTILINE)
    package = PROJECT / "camil"
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    rooms |= {path.stem for path in package.glob("*.py")} - {"__init__", "cli", "registry"}
    assert sorted(listed) == sorted(rooms)


def recipes() -> list[tuple[str, str]]:
    return [
        (page.name, code)
        for page, text in TEXT.items()
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ]


@pytest.mark.parametrize(("page", "code"), recipes())
def test_python_of_the_docs_imports_existing_names(page, code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "camil":
            module = importlib.import_module(node.module)
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


def test_instrument_tables_of_the_docs_are_valid():
    blocks = [
        yaml.safe_load(code) for code in re.findall(r"```yaml\n(.*?)```", ALL_TEXT, re.DOTALL)
    ]
    tables = [InstrumentTable.from_json(block) for block in blocks if "instruments" in block]
    assert [table.of_program(12) for table in tables] == ["Mallets"]


def test_recipe_for_pdmx_selects_permissive_scores_of_two_parts(tmp_path, tiny_corpus, monkeypatch):
    (code,) = [code for _, code in recipes() if "PDMX.csv" in code]
    files = sorted((tiny_corpus / "midi").glob("*.mid"))[:5]
    (tmp_path / "PDMX/mid").mkdir(parents=True)
    for file in files:
        shutil.copy(file, tmp_path / "PDMX/mid")
    table = pd.DataFrame(
        {
            "mid": [f"./mid/{file.name}" for file in files[:4]] + [None],
            "license": "https://creativecommons.org/publicdomain/zero/1.0/",
            "n_tracks": [3, 1, 2, 5, 2],
            "subset:no_license_conflict": [True, True, False, True, True],
            "subset:deduplicated": [True, True, True, True, True],
        }
    )
    table.to_csv(tmp_path / "PDMX/PDMX.csv", index=False)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    songs = MidiFolder("PDMX/manifest.csv", audio=False).songs()
    assert [song.path.name for song in songs] == [files[0].name, files[3].name]
    assert all(song.group is None for song in songs)
