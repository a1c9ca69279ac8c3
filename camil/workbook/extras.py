"""Import packages of the optional extras, with an error that says what to install."""

import importlib
from types import ModuleType


def optional(package: str, purpose: str, extra: str = "workbook") -> ModuleType:
    """Import a package that is not among camil's mandatory dependencies.

    Args:
        package: name of the module to import.
        purpose: what needs it, the subject of the error message.
        extra: the extra of ``pyproject.toml`` that contains it.

    Raises:
        ModuleNotFoundError: if it is not installed; the message names the command to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # the package is installed, one that it needs is not
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs the package {package}, which is not installed. Install the extra "
            f"{extra!r} in a copy of the repository: uv pip install -c constraints.txt "
            f"-e '.[{extra}]'",
            name=package,
        ) from None
