import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


def test_the_table_is_that_of_the_committed_demo_run():
    for line in (PROJECT / "figures/demo/table1.md").read_text().splitlines():
        assert line in README


def anchors(page: Path) -> set[str]:
    """What can be linked to in a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_file_and_heading_that_is_linked_is_there(page, link):
    path, _, heading = link.partition("#")
    file = page.parent / path if path else page
    assert file.exists()
    assert not heading or heading in anchors(file)


@pytest.mark.parametrize("path", re.findall(r"`((?:config|camil|notebooks)/[\w./]+)`", TEXT))
def test_every_file_that_is_named_is_there(path):
    assert (PROJECT / path).exists()


def test_the_profiles_that_are_named_are_there():
    for name in re.findall(r"PROFILE=([\w./]+)", TEXT):
        assert yaml.safe_load((PROJECT / name).read_text())["name"]
