import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from camil.workbook.lock import FolderInUseError
from camil.workbook.parameters import (
    ParameterError,
    as_sentence,
    check_parameters,
    use_project_folder,
)
from camil.workbook.valid_values import (
    CHECKS,
    above_zero,
    at_least,
    below_one,
    fraction,
    holds,
    inner_fraction,
    one_of,
    output_file,
    output_folder,
    within,
)

PROJECT = Path(__file__).parent.parent
DECLARED = (
    'name: str = "a"\nepochs: int = 3\nrate: float = 0.1\nfreeze: bool = True\nmany: list = []'
)


def notebook(injected: str = "") -> dict:
    """The globals of a kernel after the parameters cell and the cell that Papermill adds."""
    cells = ["", DECLARED, f"# Parameters\n{injected}\n", "check_parameters(globals())"]
    namespace: dict = {}
    exec(DECLARED, namespace)
    exec(injected, namespace)
    return namespace | {"In": cells}


def test_defaults_and_valid_values_are_accepted():
    assert check_parameters(notebook())["epochs"] == 3
    given = check_parameters(notebook("epochs = 5\nrate = 1\nfreeze = False"))
    assert given == {"name": "a", "epochs": 5, "rate": 1, "freeze": False, "many": []}


def test_unknown_parameter_raises_with_closest_name():
    with pytest.raises(ParameterError, match=r"no parameter epohcs. Did you mean epochs\?"):
        check_parameters(notebook("epohcs = 5"))


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("freeze = 'false'", r"freeze = 'false' is of type str, but must be true or false"),
        ("rate = '1e-4'", r"rate = '1e-4' .* must be a number. .*1.0e-4"),
        ("epochs = 2.5", "epochs = 2.5 .* must be a whole number"),
        ("epochs = True", "epochs = True .* must be a whole number"),
        ("rate = float('inf')", "rate = inf must be a finite number"),
        ("rate = float('nan')", "rate = nan must be a finite number"),
        ("name = 3", "name = 3 .* must be text"),
        ("many = 'x'", "many = 'x' .* must be list"),
    ],
)
def test_wrong_type_raises_with_value_and_required_type(injected, message):
    with pytest.raises(ParameterError, match=message):
        check_parameters(notebook(injected))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (at_least(1), 1, 0),
        (above_zero, 0.1, 0),
        (fraction, 1.0, 1.01),
        (fraction, 0.5, 0.0),
        (inner_fraction, 0.5, 1.0),
        (inner_fraction, 0.05, 0.0),
        (below_one, 0.0, 1.0),
        (below_one, 0.99, -0.1),
        (within(0, 1), 0, -0.1),
        (within(0, 1), 1, 1.1),
        (one_of("a", "b"), "b", "c"),
    ],
)
def test_value_out_of_range_raises(check, good, bad):
    namespace = notebook()
    namespace["name"] = good
    check_parameters(namespace | {"name": "a"}, name=lambda _: check(good))
    with pytest.raises(ParameterError, match="name = 'a' must be"):
        check_parameters(namespace | {"name": "a"}, name=lambda _: check(bad))


def test_holds_requires_the_file_in_the_folder(tmp_path):
    check = holds("run.json", "make one with 02_pretrain")
    assert "does not exist; make one with 02_pretrain" in check(str(tmp_path / "no"))
    assert "contains no run.json" in check(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert check(str(tmp_path)) is None
    assert check("") == "is empty; make one with 02_pretrain"
    assert holds("run.json", "", optional=True)("") is None


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """The working directory is the folder notebooks/ of a project."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "01_preprocess.ipynb").touch()
    (tmp_path / "Snakefile").touch()
    monkeypatch.chdir(folder)
    return folder


def test_use_project_folder_leaves_notebooks_and_stays_elsewhere(notebooks):
    use_project_folder()
    assert os.getcwd() == str(notebooks.parent)
    use_project_folder()
    assert os.getcwd() == str(notebooks.parent)


def test_check_parameters_keeps_the_working_directory(notebooks):
    with pytest.raises(ParameterError, match=r"Call use_project_folder\(\) before"):
        check_parameters(notebook())
    assert os.getcwd() == str(notebooks)
    use_project_folder()
    check_parameters(notebook())
    assert os.getcwd() == str(notebooks.parent)


def test_names_and_types_are_checked_before_torch_is_imported():
    code = (
        "import sys\n"
        "from camil.workbook.parameters import ParameterError, check_values\n"
        "types = {'objective': 'str', 'epochs': 'int'}\n"
        "try:\n"
        "    check_values(types, {'objective': 'contrastive', 'epochs': 0})\n"
        "except ParameterError as error:\n"
        "    print(error, 'torch' in sys.modules)\n"
        "try:\n"
        "    check_values(types, {'objective': 'contrastve', 'epochs': 1})\n"
        "except ParameterError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = run.stdout.splitlines()
    assert first == "epochs = 0 must be at least 1. False"
    assert second.startswith("objective = 'contrastve' must be one of 'contrastive', ")


def test_instrument_table_must_be_readable(tmp_path):
    check = CHECKS["instruments"]
    assert check("") is None
    assert check(str(PROJECT / "config/families5.yaml")) is None
    assert "is not a usable instrument table" in check(str(tmp_path / "none.yaml"))
    (tmp_path / "one.yaml").write_text("name: x\ninstruments: []\n")
    assert "two or more different classes" in check(str(tmp_path / "one.yaml"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("choose another"), "choose another"),
        (OSError(errno.ENOSPC, "The disk is full", "c"), "c: The disk is full"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/proc/x"), "/proc/x: No such file"),
        (PermissionError("no permission to write to c"), "no permission to write to c"),
        (FolderInUseError("c is being written"), "c is being written"),
    ],
)
def test_expected_errors_become_sentences(error, sentence):
    with pytest.raises(ParameterError, match=f"^{sentence}$"), as_sentence():
        raise error


def test_other_errors_keep_their_traceback():
    with pytest.raises(RuntimeError, match="shapes differ"), as_sentence():
        raise RuntimeError("shapes differ")


def test_outputs_must_not_be_files_or_lie_below_files(tmp_path):
    file = tmp_path / "file"
    file.touch()
    wrong = f"cannot be written, because {file} is a file; name another path"
    assert output_folder(str(file)) == output_folder(str(file / "a" / "b")) == wrong
    assert output_file(str(file / "a")) == output_file(str(file / "a" / "b")) == wrong
    assert output_file(str(file)) is output_folder(str(tmp_path)) is None
    assert output_folder(str(tmp_path / "a" / "b")) is output_file("new/a") is None
    assert output_folder(" ") == output_file("") == "is empty; name a file or folder"
