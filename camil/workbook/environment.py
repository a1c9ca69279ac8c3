"""Environment variables that speed up training on CPUs.

The variables are read when a process starts or torch is loaded, so they must be set before.
"""

import os

# Training frees and allocates the same memory in every step. By default glibc returns it to the
# system each time, which costs a CPU a quarter of its speed. Other systems ignore these variables.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 10**9),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 10**9),
    "MALLOC_TOP_PAD_": str(2**28),
}
# Idle OpenMP threads sleep instead of spinning. Beside one other busy process, spinning threads
# make a training step many times slower; `python -m benchmarks.busy` measures it.
SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}


def set_defaults() -> None:
    """Set the variables in this process and its children, where the user has not set them.

    OpenMP reads its variable when torch is imported. glibc has read its variables when the process
    started: they take effect in child processes, such as the kernels of notebooks.
    """
    for name, value in (KEEP_MEMORY | SLEEPING_THREADS).items():
        os.environ.setdefault(name, value)
