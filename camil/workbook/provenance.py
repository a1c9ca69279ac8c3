"""Provenance of results: git commit, package versions and code checksum."""

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("camil", "torch", "torchvision", "numpy", "librosa", "pretty_midi", "scikit-learn")
PACKAGE = Path(__file__).parents[1]  # camil/
# Files under figures/ do not affect results; settings of a profile are recorded as the run's
# parameters.
CODE = ("camil", "notebooks", "Snakefile")


def commit() -> str:
    """The git commit of the code, with ``-dirty`` if the code has uncommitted changes.

    ``unknown`` outside a git repository.
    """
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty" if changed else head


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    return found | {name: package_version(name) for name in PACKAGES}


def package_version(name: str) -> str:
    """The version of an installed package, else ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def code_files(rooms: Iterable[str]) -> list[Path]:
    """All Python files of rooms of ``camil``, such as ``midi`` (a folder) or ``audio.py``."""
    paths = [PACKAGE / room for room in rooms]
    return [
        file for path in paths for file in ([path] if path.suffix else sorted(path.rglob("*.py")))
    ]


def code_checksum(rooms: Iterable[str]) -> str:
    """SHA-256 of the code of rooms."""
    content = b"".join(file.read_bytes() for file in code_files(rooms))
    return hashlib.sha256(content).hexdigest()


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()
