"""Coverage-guided fuzzing of the MIDI reader, and mutations of real files.

``CAMIL_FUZZ_SECONDS`` sets the length of the fuzzing run (60 in CI, otherwise 10).
``CAMIL_MUTATE`` names a folder of MIDI files, each of which is read in two mutations.
"""

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest
from midi_bytes import END, chunk, header, seeds

from camil.midi.score import MidiError, read_midi, score_of

SECONDS = int(os.environ.get("CAMIL_FUZZ_SECONDS", "60" if "CI" in os.environ else "10"))


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed (it has wheels for Linux only)",
)
def test_fuzzing_finds_no_crash_hang_or_excessive_memory(tmp_path):
    limits = [f"-max_total_time={SECONDS}", "-timeout=2", "-rss_limit_mb=500", "-max_len=4096"]
    target = Path(__file__).with_name("fuzz_reader.py")
    # Through a small process: the peak memory that a process reports includes that of the process
    # which started it.
    small = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    command = [sys.executable, "-c", small, sys.executable, str(target)]
    command += [str(tmp_path / "corpus"), *limits]
    paths = os.pathsep.join([str(target.parent.parent), str(target.parent)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A copy with changed, removed or doubled bytes at a few offsets, or without its end."""
    bad = bytearray(data)
    for _ in range(draw.choice((1, 2, 8))):
        offset, size = draw.randrange(len(bad)), draw.randrange(1, 9)
        kind = draw.randrange(6)
        if kind < 2:
            bad[offset] = draw.choice((0, 0x7F, 0x80, 0xC0, 0xF0, 0xFF, draw.randrange(256)))
        elif kind == 2:
            bad[offset] ^= 1 << draw.randrange(8)
        elif kind == 3 and len(bad) > size:
            del bad[offset : offset + size]
        elif kind == 4:
            bad[offset:offset] = bad[offset : offset + 4 * size]
        elif offset > len(bad) // 2:
            del bad[offset:]
    return bytes(bad)


def test_mutated_files_raise_only_midi_error(tmp_path):
    if "CAMIL_MUTATE" in os.environ:
        folder = Path(os.environ["CAMIL_MUTATE"])
        files = [file.read_bytes() for file in sorted(folder.rglob("*.mid"))]
    else:
        files = list(seeds()) * 20
    draw, path, counts = random.Random(5), tmp_path / "a.mid", [0, 0, 0]
    for data in files:
        for _ in range(2):
            path.write_bytes(mutated(data, draw))
            for index, strict in enumerate((True, False)):
                begin = process_time()
                try:
                    score = read_midi(path, strict)
                    counts[index] += 1
                    counts[2] += bool(score.warnings)
                except MidiError:
                    pass
                assert process_time() - begin < 2
    strict, lenient, repaired = counts
    print(f"{2 * len(files)} mutations: {strict} read strictly, {lenient} leniently")
    assert strict + repaired == lenient
    assert lenient > strict


@pytest.mark.parametrize(
    "body",
    [
        bytes([0, 0xC0, 5]) + bytes(1_000_000),
        b"\xff" * 1_000_000,
        bytes([0, 0x90, 60, 200]) * 250_000,
        b"\0\xff\x51\3\1\2\3\1\xff\x51\3\1\2\4" * 70_000,
        b"".join(bytes([0, 0xC0, i % 128, 0, 0x90, 60, 64, 1, 60, 0]) for i in range(100_000)),
    ],
)
def test_large_files_are_read_or_refused_quickly(body):
    data = header(1) + chunk(body + END)
    for strict in (True, False):
        begin = process_time()
        try:
            score_of(data, strict)
        except ValueError as refusal:
            print(refusal)
        assert process_time() - begin < 2
