"""Lock that prevents two processes from writing one folder at the same time."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import ReadWriteLock, Timeout


class FolderInUseError(RuntimeError):
    """Another process writes the folder."""


@contextmanager
def locked(path: Path, shared: bool = False) -> Iterator[None]:
    """Hold a lock for the duration of the block; it is released when the process ends.

    Args:
        path: path of the lock, in the folder to protect. ``.db`` and ``.holder`` are appended to it
            for an SQLite database and a text file, which are not deleted.
        shared: other processes may hold the lock at the same time if their lock is shared too.

    Raises:
        FolderInUseError: if another process holds the lock, with its id and machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_name(f"{path.name}.holder")
    # Not a singleton: two calls in one process exclude each other like two processes.
    lock = ReadWriteLock(f"{path}.db", blocking=False, is_singleton=False)
    try:
        held = lock.acquire_read() if shared else lock.acquire_write()
    except Timeout:
        name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise FolderInUseError(
            f"{path.parent} is being written by {name}. Wait until it ends, or choose another "
            "folder."
        ) from None
    with held:
        holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
