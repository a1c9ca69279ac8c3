"""Provenance of benchmark results: command, commit, device and versions."""

import hashlib
import platform
import sys
import time
from pathlib import Path

import torch

from camil.workbook.provenance import commit, versions

PROJECT = Path(__file__).parent.parent


def provenance(device: torch.device) -> dict:
    """The entries of a result file that identify code, machine and date.

    ``source`` is a checksum of ``camil`` and ``benchmarks``, for machines without git.
    """
    files = sorted(
        file for room in ("camil", "benchmarks") for file in PROJECT.glob(f"{room}/**/*.py")
    )
    return {
        "command": " ".join(["python", _program(), *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "source": hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "versions": versions(),
    }


def _program() -> str:
    spec = sys.modules["__main__"].__spec__
    return f"-m {spec.name}" if spec else Path(sys.argv[0]).name


def _processor() -> str:
    """The processor's model name, and whether it computes in bfloat16."""
    lines = Path("/proc/cpuinfo")
    found = lines.read_text().splitlines() if lines.is_file() else []
    name = next((line.split(":")[1].strip() for line in found if line.startswith("model name")), "")
    fast = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return f"{name or platform.processor()}, bfloat16 {'yes' if fast else 'no'}"
