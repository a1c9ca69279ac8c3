"""Without the packages of an extra, an error says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

from camil.workbook.extras import optional

PROJECT = Path(__file__).parent.parent
RENDER = (
    "import numpy as np\n"
    "from camil.audio import SoundFont, default_soundfont\n"
    "one = np.ones(1)\n"
    "SoundFont(default_soundfont()).render(0, 60 * one, one, 0 * one, one, 0, 1)"
)
MAP = "import numpy as np\nfrom camil.evaluation.joint_space import umap_points\n"
MAP += "umap_points(np.ones((8, 2)))"
RUN = "import sys\nfrom camil.workbook.execute import main\n"
RUN += "sys.argv = ['execute', 'notebooks/06_results.ipynb', 'none.ipynb']\nmain()"


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("tinysoundfont", RENDER),
        ("umap", MAP),
        ("papermill", RUN),
        ("matplotlib", "import camil.figures"),
        ("ipywidgets", "import camil.widgets"),
    ],
)
def test_missing_package_of_an_extra_raises_with_the_command_to_install_it(package, code):
    without = f"import sys\nsys.modules[{package!r}] = None\n"
    run = subprocess.run(
        [sys.executable, "-c", without + code], cwd=PROJECT, capture_output=True, text=True
    )
    last = run.stderr.splitlines()[-1]
    assert f"needs the package {package}, which is not installed" in last
    assert "uv pip install -c constraints.txt -e '.[workbook]'" in last
    assert run.stderr.count("Traceback") == 1


@pytest.mark.parametrize("module", ["camil.audio", "camil.sources", "camil.corpus"])
def test_reading_notes_needs_no_extra(module):
    names = ["tinysoundfont", "umap", "papermill", "matplotlib", "ipywidgets", "jscatter"]
    code = f"import sys\nsys.modules.update(dict.fromkeys({names}))\nimport {module}"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_a_package_that_lacks_its_own_requirement_keeps_its_error(tmp_path, monkeypatch):
    (tmp_path / "incomplete.py").write_text("import not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there'"):
        optional("incomplete", "This test")
