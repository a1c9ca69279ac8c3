"""Provenance of results: git commit and package versions."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("camil", "torch", "torchvision", "numpy", "librosa", "pretty_midi", "scikit-learn")


def commit() -> str:
    """The git commit of the code, `-dirty` behind it if it has changed since; or `unknown`."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        # What a run leaves, figures among it, does not change what the next one computes, and what
        # a profile says is among the run's parameters.
        changed = _git("status", "--porcelain", "--", "camil", "notebooks", "Snakefile")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
