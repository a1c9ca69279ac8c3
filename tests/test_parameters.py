import os

import pytest

from camil.workbook.parameters import (
    ParameterError,
    above_zero,
    at_least,
    check_parameters,
    fraction,
    holds,
    one_of,
)

DECLARED = (
    'name: str = "a"\nepochs: int = 3\nrate: float = 0.1\nfreeze: bool = True\nmany: list = []'
)


def notebook(injected: str = "") -> dict:
    """The globals of a kernel after the parameters cell and what Papermill puts below it."""
    cells = ["", DECLARED, f"# Parameters\n{injected}\n", "check_parameters(globals())"]
    namespace: dict = {}
    exec(DECLARED, namespace)
    exec(injected, namespace)
    return namespace | {"In": cells}


def test_defaults_and_right_values_pass():
    assert check_parameters(notebook())["epochs"] == 3
    given = check_parameters(notebook("epochs = 5\nrate = 1\nfreeze = False"))
    assert given == {"name": "a", "epochs": 5, "rate": 1, "freeze": False, "many": []}


def test_an_unknown_name_is_told_with_the_nearest_known_one():
    with pytest.raises(ParameterError, match=r"no parameter epohcs. Did you mean epochs\?"):
        check_parameters(notebook("epohcs = 5"))


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("freeze = 'false'", r"freeze = 'false' is of type str, but must be true or false"),
        ("rate = '1e-4'", r"rate = '1e-4' .* must be a number. .*1.0e-4"),
        ("epochs = 2.5", "epochs = 2.5 .* must be a whole number"),
        ("epochs = True", "epochs = True .* must be a whole number"),
        ("name = 3", "name = 3 .* must be text"),
        ("many = 'x'", "many = 'x' .* must be list"),
    ],
)
def test_a_wrong_type_is_told_with_the_value_and_what_would_be_right(injected, message):
    with pytest.raises(ParameterError, match=message):
        check_parameters(notebook(injected))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (at_least(1), 1, 0),
        (above_zero, 0.1, 0),
        (fraction, 1.0, 1.01),
        (fraction, 0.5, 0.0),
        (one_of("a", "b"), "b", "c"),
    ],
)
def test_a_value_out_of_range_is_named(check, good, bad):
    namespace = notebook()
    namespace["name"] = good
    check_parameters(namespace | {"name": "a"}, name=lambda _: check(good))
    with pytest.raises(ParameterError, match="name = 'a' must be"):
        check_parameters(namespace | {"name": "a"}, name=lambda _: check(bad))


def test_a_folder_must_hold_what_is_needed(tmp_path):
    check = holds("run.json", "make one with 02_pretrain")
    assert "does not exist; make one with 02_pretrain" in check(str(tmp_path / "no"))
    assert "holds no run.json" in check(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert check(str(tmp_path)) is None
    assert check("") == "is empty; make one with 02_pretrain"
    assert holds("run.json", "", optional=True)("") is None


def test_a_kernel_started_in_notebooks_moves_to_the_project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/01_preprocess.ipynb").touch()
    (tmp_path / "Snakefile").touch()
    monkeypatch.chdir(tmp_path / "notebooks")
    check_parameters(notebook())
    assert os.getcwd() == str(tmp_path)
    check_parameters(notebook())
    assert os.getcwd() == str(tmp_path)
