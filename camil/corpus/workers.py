"""Worker processes for jobs on files, which are replaced if a damaged file ends them."""

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from threadpoolctl import threadpool_limits

ATTEMPTS = 3  # per file: a process may also die because another one used up the memory

# A job calls `report(name)` before each of its files, and omits those in `faults`.
Report = Callable[[str], None]
Faults = dict[str, str]


@dataclass
class _Worker:
    process: Any
    connection: Connection
    job: int | None = None
    file: str = ""
    since: float = 0.0


def in_parallel(
    jobs: Sequence[Any],
    work: Callable[[Any, Faults, Report], Any],
    workers: int,
    seconds_per_file: float,
    on_file: Callable[[str], None] = lambda name: None,
) -> Iterator[Any]:
    """Do jobs in several processes.

    A process that dies is replaced, and its job starts again. A file at which processes died three
    times, or which takes too long, is given up: the job receives it in ``faults``, with the reason.

    Args:
        jobs: pickled.
        work: ``work(job, faults, report)``; pickled once per process.
        workers: number of processes.
        seconds_per_file: wall time limit of one file.
        on_file: called with the name of each file that a process begins.

    Yields:
        The results of the jobs, in the order in which they finish.

    Raises:
        OSError, MemoryError, ...: raised by a job; the other processes are ended.
    """
    crew: list[_Worker] = []
    waiting = deque(range(len(jobs)))
    faults: dict[int, Faults] = {number: {} for number in waiting}
    deaths: Counter = Counter()
    try:
        while waiting or any(worker.job is not None for worker in crew):
            while waiting and len(crew) < workers:
                with _interrupts_delayed():
                    crew.append(_start(work))
            for worker in crew:
                if worker.job is None and waiting:
                    _assign(worker, waiting.popleft(), jobs, faults)
            ready = wait([worker.connection for worker in crew], timeout=1.0)
            for worker in [*crew]:
                gone = ""
                if worker.connection in ready:
                    try:
                        kind, content = worker.connection.recv()
                    except (EOFError, OSError):
                        gone = "died"
                    else:
                        if kind == "file":
                            worker.file, worker.since = content, time.monotonic()
                            on_file(content)
                        elif kind == "error":
                            raise content
                        else:
                            worker.job, worker.file = None, ""
                            yield content
                elif worker.file and time.monotonic() - worker.since > seconds_per_file:
                    gone = "took too long"
                if gone:
                    crew.remove(worker)
                    _end(worker)
                    if worker.job is not None:
                        _note(worker, gone, seconds_per_file, deaths, faults)
                        waiting.appendleft(worker.job)
    finally:
        for worker in crew:
            _end(worker)


def _start(work: Callable) -> _Worker:
    context = get_context("spawn")
    parent_end, child_end = context.Pipe()
    process = context.Process(target=_serve, args=(child_end, work, os.getpid()), daemon=True)
    process.start()
    child_end.close()
    return _Worker(process, parent_end)


@contextmanager
def _interrupts_delayed() -> Iterator[None]:
    """Block SIGINT in this thread, and for good in processes that it starts here.

    Such a process would otherwise print a traceback if Ctrl-C arrives while it imports modules. The
    parent ends it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # else the first start begins it, which unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _assign(worker: _Worker, job: int, jobs: Sequence[Any], faults: dict[int, Faults]) -> None:
    worker.job, worker.file, worker.since = job, "", time.monotonic()
    try:
        worker.connection.send((jobs[job], faults[job]))
    except OSError:  # the process is dead, which is noticed when its result is awaited
        return


def _note(worker, gone: str, seconds: float, deaths: Counter, faults: dict[int, Faults]) -> None:
    key = (worker.job, worker.file)
    deaths[key] += 1
    if gone == "took too long":
        faults[worker.job][worker.file] = f"reading it takes longer than {seconds:.0f} seconds"
    elif deaths[key] >= ATTEMPTS:
        if not worker.file:
            raise RuntimeError(
                f"A worker process died {ATTEMPTS} times before it began a file, with exit code "
                f"{worker.process.exitcode}. The machine may be out of memory."
            )
        faults[worker.job][worker.file] = (
            f"the process that reads it dies every time (exit code {worker.process.exitcode})"
        )


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


def _serve(connection: Connection, work: Callable, parent: int) -> None:
    """Run jobs in a worker process until the parent has no more jobs or has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # handled by the parent
    threadpool_limits(1)  # the processes share the cores already

    def report(name: str) -> None:
        if os.getppid() != parent:
            os._exit(1)  # the parent has ended, and a new run may have begun
        connection.send(("file", name))

    try:
        while True:
            job, faults = connection.recv()
            try:
                answer = ("done", work(job, faults, report))
            except Exception as error:
                answer = ("error", error)
            connection.send(answer)
    except (EOFError, ConnectionError):
        return  # the parent has ended
