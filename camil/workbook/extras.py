"""Import packages of the extra ``workbook``, with an error that says what to install."""

import importlib
from types import ModuleType


def optional(package: str, purpose: str) -> ModuleType:
    """Import a package that is not among camil's mandatory dependencies.

    Args:
        package: name of the module to import.
        purpose: what needs it, the subject of the error message.

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
            "'workbook' in a copy of the repository: uv pip install -c constraints.txt "
            "-e '.[workbook]'",
            name=package,
        ) from None
