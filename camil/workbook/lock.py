"""Keep two runs from writing one corpus at the same time."""

import os
import platform
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has other locks; there nothing guards against a second run
    fcntl = None


@contextmanager
def locked(path: Path, shared: bool = False):
    """Hold a lock for as long as the block runs; the system frees it when the process ends.

    Args:
        path: a small file, made if it is not there; it stays.
        shared: let others hold it at the same time, if they ask for it shared as well.

    Raises:
        RuntimeError: if another process holds it, saying which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        if fcntl:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise RuntimeError(
                    f"{path.parent} is being written by {holder}. Wait for it to end, "
                    "or name another folder."
                ) from None
            except OSError:  # a file system without locks, as some clusters have: nothing guards
                pass
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield
