"""The rooms of camil: their order, and the rooms that each job of the graph depends on."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from camil.corpus import corpus
from camil.corpus.build import ROOMS as CORPUS_ROOMS
from camil.encoders import song, song_batch
from camil.losses import songs
from camil.midi import instruments, segments
from camil.sources import protocol
from camil.workbook import rooms
from camil.workbook.rooms import DATA, NOTEBOOKS, ORDER, RUN

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "camil"
TOP = ("__init__", "cli")  # above all rooms: public names and the command line
DISPLAY = ("figures", "widgets")  # they change nothing that a notebook writes as data
CODE_LINES, TOP_ENTRIES, LAYERS = 300, 15, 7


def file_of(module: str) -> Path | None:
    """The file of a module of camil, or None if there is no such module."""
    path = PROJECT.joinpath(*module.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def imported(source: str) -> set[str]:
    """The modules of camil that a source text imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # A name may be a module of the package or something defined in it.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] == "camil" and file_of(name)}
    return found


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules that a module imports, with the packages that contain it."""
    source = file_of(module).read_text(encoding="utf-8")
    parents = {module.rsplit(".", depth)[0] for depth in range(1, module.count("."))}
    return frozenset(imported(source) | parents)


def room_of(module: str) -> str:
    """The room of a module, as named in `rooms.ORDER`."""
    name = module.split(".")[1]
    return name if (PACKAGE / name).is_dir() else f"{name}.py"


def closure(start: set[str], leave_out: tuple[str, ...] = ()) -> set[str]:
    """The rooms that modules depend on.

    Args:
        start: modules of camil.
        leave_out: rooms that are not followed.
    """
    waiting, seen = [m for m in start if m != "camil"], set()
    while waiting:
        module = waiting.pop()
        if module in seen or room_of(module) in leave_out:
            continue
        seen.add(module)
        waiting += [name for name in imports_of(module) if name != "camil"]
    return {room_of(module) for module in seen}


def source_of(notebook: str) -> str:
    """The code of a notebook; lines with IPython magics are dropped."""
    cells = json.loads((PROJECT / f"notebooks/{notebook}.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE)


def needed(notebook: str) -> set[str]:
    """The rooms that the results of a notebook depend on."""
    leave_out = DISPLAY if notebook in DATA else ()
    return closure(imported(source_of(notebook)), leave_out)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_inputs_of_each_rule_cover_the_import_closure_of_its_notebook(notebook):
    assert needed(notebook) <= set(NOTEBOOKS[notebook])


def test_every_rule_of_the_snakefile_takes_the_rooms_of_its_notebook():
    snakefile = (PROJECT / "Snakefile").read_text()
    used = re.findall(r'notebook=ancient\("notebooks/(\w+)\.ipynb"\),\n\s+code=code_of\("(\w+)"\)',
                      snakefile)  # fmt: skip
    assert len(used) == snakefile.count("ancient(")
    assert all(notebook == code for notebook, code in used)
    assert {notebook for notebook, _ in used} == set(NOTEBOOKS)
    executed = re.findall(r'execute\("(\w+)"', snakefile)
    assert sorted(executed) == sorted(notebook for notebook, _ in used)


@pytest.mark.parametrize("notebook", ["01_preprocess", "03_classify", "06_results"])
def test_a_missing_room_is_detected(notebook):
    """Each room that a notebook imports is in its closure, so that its removal fails above."""
    for module in imported(source_of(notebook)) - {"camil"}:
        if not (notebook in DATA and room_of(module) in DISPLAY):
            assert room_of(module) in needed(notebook)
    assert not needed(notebook) <= set(NOTEBOOKS[notebook]) - {"midi"}


def test_imports_are_followed_through_modules_and_functions():
    assert "midi" in closure({"camil.corpus.merge"})
    assert "camil.midi.instruments" in imported("def f():\n    from camil.midi import instruments")
    assert imported("import numpy\nfrom camil.midi import nothing") == {"camil.midi"}


def test_finished_runs_depend_on_the_rooms_of_the_notebooks_that_leave_runs():
    for notebook in ("02_pretrain", "03_classify", "08_baselines", "11_songs"):
        assert needed(notebook) <= set(RUN)


def test_fingerprint_of_a_corpus_covers_what_builds_it():
    # A corpus does not depend on either: the workbook room writes files and the registry finds the
    # source, whose name and description are in the fingerprint.
    assert closure({"camil.corpus.build"}) - {"workbook", "registry.py"} <= {
        *CORPUS_ROOMS,
        "audio.py",
    }


ALLOWED = {"torch", "torchvision", "camil"}


@pytest.mark.parametrize("room", ["samplers", "losses", "encoders"])
def test_networks_and_losses_import_only_torch(room):
    for file in (PACKAGE / room).rglob("*.py"):
        tree = ast.walk(ast.parse(file.read_text("utf-8")))
        names = {
            (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
            for node in tree
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        further = {"huggingface_hub", "safetensors"} if file.name == "hub.py" else set()
        assert names - set(sys.stdlib_module_names) <= ALLOWED | further, file


def test_repeated_constants_are_equal():
    assert corpus.SPLITS == protocol.SPLITS
    assert song.PROGRAMS == songs.PROGRAMS == instruments.PROGRAMS
    for name in ("PITCHES", "SEGMENT_STEPS"):
        assert getattr(song_batch, name) == getattr(segments, name)


def test_import_linter_forbids_every_other_dependency_to_networks_and_losses():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (forbidden,) = [c for c in contracts if c["type"] == "forbidden"]
    names = {re.split(r"[<>=!~; ]", text)[0] for text in project["project"]["dependencies"]}
    modules = {"pyyaml": "yaml", "scikit-learn": "sklearn", "lightning-fabric": "lightning_fabric"}
    expected = {modules.get(name, name) for name in names} - ALLOWED
    assert expected <= set(forbidden["forbidden_modules"])


def room_graph() -> dict[str, set[str]]:
    """The rooms that each room imports."""
    graph: dict[str, set[str]] = {room: set() for room in ORDER}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PROJECT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if module == "camil" or parts[1] in TOP:
            continue
        below = {room_of(name) for name in imported(file.read_text("utf-8")) if name != "camil"}
        graph[room_of(module)] |= below - {room_of(module)}
    return graph


def test_rooms_form_no_cycle_and_at_most_seven_layers():
    graph = room_graph()
    layer: dict[str, int] = {}
    for room in TopologicalSorter(graph).static_order():  # raises CycleError
        layer[room] = 1 + max((layer[below] for below in graph[room]), default=0)
    assert max(layer.values()) <= LAYERS, layer


def test_every_room_imports_only_rooms_before_it():
    for room, below in room_graph().items():
        later = {other for other in below if ORDER.index(other) > ORDER.index(room)}
        assert not later, f"{room} imports {', '.join(later)}"


def test_top_level_of_the_package_holds_the_rooms_and_nothing_else():
    entries = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__pycache")}
    assert entries - {f"{name}.py" for name in TOP} == set(ORDER)
    assert len(ORDER) <= TOP_ENTRIES


def test_no_file_is_longer_than_300_lines():
    files = [
        path for folder in ("camil", "benchmarks") for path in (PROJECT / folder).rglob("*.py")
    ]
    lengths = {str(path): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lengths.items() if count > CODE_LINES} == {}


def test_import_linter_has_the_same_order_of_rooms():
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [c["layers"] for c in contracts["contracts"] if c["type"] == "layers"]
    order = [f"camil.{room.removesuffix('.py')}" for room in reversed(ORDER)]
    assert [layer for layer in layers if layer != "(camil.cli)"] == order


def test_import_linter_contracts_hold():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_rooms_module_lists_each_room_once():
    assert len(set(ORDER)) == len(ORDER)
    assert all(set(names) <= set(ORDER) for names in [RUN, *NOTEBOOKS.values()])
    assert set(rooms.DATA) <= set(NOTEBOOKS)
