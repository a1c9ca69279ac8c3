"""Tests of the notebooks in JupyterLab, run in a browser.

The notebooks depend on each other's results, so the tests run in order.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROJECT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="Chromium is not installed (Debian package: chromium)"
)

# Replacements of defaults, for a corpus and networks that are prepared in seconds.
TINY = {
    "songs: int = 240": "songs: int = 24",
    "max_segments_per_track: int = 4": "max_segments_per_track: int = 2",
    "workers: int = 0": "workers: int = 1",
    "width: int = 16": "width: int = 4",
    "epochs: int = 8": "epochs: int = 1",
    "points: int = 1000": "points: int = 40",
    "interactive: bool = False": "interactive: bool = True",
    # The classifier trained by these tests; quotes are escaped in the JSON of a notebook.
    r"\"\"  # run of 03_classify on MIDI": r"\"runs/demo/sic-seed0\"  # run of 03, on MIDI",
}
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are on the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PATIENCE = 300_000  # milliseconds, for a busy machine
# JupyterLab displays errors and other output to standard error alike.
ERRORS = """[...document.querySelectorAll(
    '[data-mime-type="application/vnd.jupyter.error"], '
    + '[data-mime-type="application/vnd.jupyter.stderr"]'
)].map(output => output.innerText).filter(text => /^\\w*(Error|Interrupt)\\b/m.test(text))"""
ALL_HAVE_RUN = f"""() => {{
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
    return {ERRORS}.length
        || prompts.length && prompts.every(prompt => /\\d/.test(prompt.innerText));
}}"""
WIDGET_PICTURES = ".jupyter-widgets img"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """URL and token of a JupyterLab on a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    project = home / "project"
    shutil.copytree(PROJECT / "notebooks", project / "notebooks")
    shutil.copy(PROJECT / "Snakefile", project)  # marks the folder of a project
    for notebook in project.glob("notebooks/*.ipynb"):
        text = _without_outputs(notebook.read_text(encoding="utf-8"))
        for usual, tiny in TINY.items():
            text = text.replace(usual, tiny)
        notebook.write_text(text, encoding="utf-8")
    for name, values in SETTINGS.items():
        path = home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR",
               "JUPYTER_DATA_DIR", "IPYTHONDIR")}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--notebook-dir={project}", f"--LabApp.user_settings_dir={home}/settings"]
    command += [f"--LabApp.workspaces_dir={home}/workspaces"]
    environment = os.environ | folders | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield _address(server, home)
    finally:
        server.terminate()
        server.wait(30)


def _without_outputs(notebook: str) -> str:
    """A notebook as it is before its execution, so that every output on the page is new."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(content, indent=1, ensure_ascii=False)


def _address(server, home: Path) -> tuple[str, str]:
    """Wait for the file in which Jupyter records its URL."""
    for _ in range(600):
        for record in home.glob("JUPYTER_RUNTIME_DIR/jpserver-*.json"):
            known = json.loads(record.read_text())
            return known["url"], known["token"]
        assert server.poll() is None, (home / "log").read_text()
        time.sleep(0.1)
    raise AssertionError((home / "log").read_text())


@pytest.fixture(scope="module")
def browser():
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield opened
        opened.close()


@pytest.fixture
def run(lab, browser):
    """A function that opens a notebook, runs all cells and returns the page."""
    url, token = lab
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)

    def run_all(notebook: str):
        page.goto(f"{url}doc/tree/notebooks/{notebook}.ipynb?token={token}")
        page.get_by_text("| Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_function(ALL_HAVE_RUN)
        errors = page.evaluate(ERRORS)
        assert not errors, errors[0]
        return page

    yield run_all
    if folder := os.environ.get("CAMIL_SCREENSHOTS"):
        _screenshot(page, Path(folder))
    headers = {"Authorization": f"token {token}"}
    for kernel in page.request.get(f"{url}api/kernels", headers=headers).json():
        page.request.delete(f"{url}api/kernels/{kernel['id']}", headers=headers)
    page.close()


def _screenshot(page, folder: Path) -> None:
    """Write a screenshot of the whole notebook."""
    folder.mkdir(parents=True, exist_ok=True)
    outer = "document.querySelector('.jp-WindowedPanel-outer')"
    height = page.evaluate("document.querySelector('.jp-WindowedPanel-inner').scrollHeight")
    page.set_viewport_size({"width": 1300, "height": height + 150})
    page.evaluate(f"{outer}.scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    page.screenshot(path=folder / f"{Path(page.url.split('?')[0]).stem}.png")


def pictures(page) -> int:
    """Number of figures that are loaded and larger than an icon."""
    return page.evaluate(
        "[...document.querySelectorAll('.jp-OutputArea img')]"
        ".filter(image => image.naturalWidth > 200 && image.naturalHeight > 100).length"
    )


def loudness(page) -> list[float]:
    """Root mean square of the samples of each player on the page."""
    sources = page.evaluate(
        "[...document.querySelectorAll('audio')]"
        ".map(audio => audio.src || audio.querySelector('source').src)"
    )
    clips = [soundfile.read(io.BytesIO(base64.b64decode(s.split(",")[1])))[0] for s in sources]
    return [float(np.sqrt(np.mean(clip**2))) for clip in clips]


def changes(page, act, seen=WIDGET_PICTURES) -> None:
    """Wait until an action has changed the figure of the widget."""
    before = page.get_attribute(seen, "src")
    act()
    page.wait_for_function(
        "([seen, before]) => document.querySelector(seen).src !== before", arg=[seen, before]
    )


def test_01_shows_and_plays_the_chosen_song(run):
    page = run("01_preprocess")
    assert pictures(page) >= 3
    assert len(loudness(page)) == 3  # one above, two where segments are chosen
    assert min(loudness(page)) > 0.01
    changes(page, lambda: page.locator(".widget-dropdown select").first.select_option(index=3))
    assert min(loudness(page)) > 0.01


def test_02_redraws_the_loss_when_the_margin_moves(run):
    page = run("02_pretrain")
    assert pictures(page) >= 4
    slider = page.locator(".widget-slider .noUi-handle").first
    changes(page, lambda: slider.press("ArrowRight"))
    assert page.locator(".widget-readout").first.inner_text() == "1.05"


def test_03_shows_its_figures(run):
    assert pictures(run("03_classify")) >= 3


def test_04_shows_and_plays_segments_of_the_clicked_cell(run):
    page = run("04_confusion")
    assert pictures(page) >= 2
    assert len(loudness(page)) == 2
    assert min(loudness(page)) > 0.01
    filled = page.locator(".jupyter-widgets button:enabled")
    shown = page.get_attribute(WIDGET_PICTURES, "alt").split(" (")[0]
    other = next(cell for cell in filled.all() if cell.get_attribute("title") != shown)
    changes(page, other.click)
    alt = page.get_attribute(WIDGET_PICTURES, "alt")
    assert alt.split(" (")[0] == other.get_attribute("title")


def test_05_shows_and_plays_a_point_and_its_nearest_neighbours(run):
    page = run("05_umap")
    assert pictures(page) >= 5
    scatter = page.locator(".jupyter-widgets canvas").first
    assert scatter.bounding_box()["width"] > 300
    slider = page.locator(".widget-slider .noUi-handle").first
    changes(page, lambda: slider.press("ArrowRight"))
    assert (
        page.locator(".jupyter-widgets audio").count() == 5
    )  # notes and audio, and three neighbours
    assert min(loudness(page)) > 0.01
    page.locator(".widget-dropdown select").first.select_option("probe")
    assert page.locator(".jupyter-widgets").get_by_text("Nearest sounds").is_visible()


def test_06_shows_the_table_and_its_figures(run):
    page = run("06_results")
    assert pictures(page) >= 3
    assert page.locator(".jp-OutputArea table").first.get_by_text("SIC", exact=True).is_visible()


def test_07_shows_and_plays_labels(run):
    page = run("07_label")
    assert pictures(page) >= 2
    assert len(loudness(page)) == 4  # the song and one part, as written and as labelled
    assert min(loudness(page)) > 0.01
    changes(page, lambda: page.locator(".widget-dropdown select").last.select_option(index=1))
