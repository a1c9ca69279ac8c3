import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()


def test_the_table_is_that_of_the_committed_demo_run():
    for line in (PROJECT / "figures/demo/table1.md").read_text().splitlines():
        assert line in README


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 10
    for link in links:
        assert (PROJECT / link).is_file(), link


@pytest.mark.parametrize("path", re.findall(r"`((?:config|camil|notebooks)/[\w./]+)`", README))
def test_every_file_that_is_named_is_there(path):
    assert (PROJECT / path).exists()


def test_the_profiles_that_are_named_are_there():
    for name in re.findall(r"PROFILE=([\w./]+)", README):
        assert yaml.safe_load((PROJECT / name).read_text())["name"]
