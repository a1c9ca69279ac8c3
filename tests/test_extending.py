"""The package of docs/extending.md, built from the code on the page and used in notebooks."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from notebook_runs import environment_with_package, execute

from camil.workbook.files import read_json

PROJECT = Path(__file__).parent.parent
PAGE = (PROJECT / "docs/extending.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Environment variables with which Python finds the page's package as if it were installed."""
    folder = tmp_path_factory.mktemp("package")
    (about,) = blocks("toml")
    groups = tomllib.loads(about)["project"]["entry-points"]
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    code = "\n".join(blocks("python"))
    return environment_with_package(folder, "my-camil", code, "\n".join(lines))


def test_notebooks_run_with_every_extension_of_the_page(tmp_path, environment, tiny_corpus):
    for name in ("scores", "others"):
        shutil.copytree(tiny_corpus / "midi", tmp_path / "songs" / name)
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    made = {"dataset": "scores", "source": str(tmp_path / "songs"), "corpus": str(corpus)}
    made |= {"max_segments_per_track": 2, "figure": str(tmp_path / "segment")}
    execute("01_preprocess", tmp_path, made, environment)
    about = read_json(corpus / "corpus.json")
    assert about["source"]["name"] == "scores"
    assert about["songs"] == len(list((tiny_corpus / "midi").glob("*.mid")))
    trained = {"corpus": str(corpus), "run": str(run), "objective": "cosine", "encoder": "tall"}
    trained |= {"negatives": "next", "width": 4, "depth": 10, "epochs": 1, "device": "cpu"}
    execute("02_pretrain", tmp_path, trained, environment)
    code = "import my_camil, camil, sys; print(type(camil.load_encoder(sys.argv[1])))"
    read = [sys.executable, "-c", code, str(run / "encoder.safetensors")]
    result = subprocess.run(read, env=environment, capture_output=True, text=True, check=True)
    assert "my_camil.TallEncoder" in result.stdout
