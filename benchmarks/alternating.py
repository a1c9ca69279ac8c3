"""Time several loops on one machine in alternation, each in a separate process.

A loop calls its `Gate` before each step; the gate blocks until the turn of the loop begins.
"""

import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

PAUSE = 0.7  # seconds


class Gate:
    """Hold a loop until its turn, and time its steps.

    Args:
        connection: to the process that assigns turns.
        ready: batches that may have been prefetched during the pause, whose steps are not timed.
    """

    def __init__(self, connection: Connection, device: torch.device, ready: int):
        self._connection, self._device, self._ready = connection, device, ready
        self._count = self._left = 0

    def __call__(self) -> None:
        """Return when the loop may make a step.

        Raises:
            EOFError: when there are no further turns.
        """
        if self._left == 0:
            if self._count:
                self._connection.send(self._clock() - self._begun)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()  # the next loop needs the memory
            self._count = self._connection.recv()
            self._left = self._ready + self._count
        if self._left == self._count:
            self._begun = self._clock()
        self._left -= 1

    def _clock(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Loop:
    """A loop in a separate process.

    Args:
        run: called in that process with a `Gate` and ``arguments``; must be importable, as
            `multiprocessing` requires.
        ready: as in `Gate`.
    """

    def __init__(self, run: Callable, *arguments, device: torch.device, ready: int):
        self._connection, far = (context := get_context("spawn")).Pipe()
        inside = (run, far, device, ready, arguments)
        self._process = context.Process(target=_inside, args=inside)
        self._process.start()
        far.close()

    def turn(self, steps: int) -> float:
        """Seconds for ``steps`` steps, after the ``ready`` steps that are not timed.

        Raises:
            RuntimeError: with the traceback, if the loop has failed.
        """
        self._connection.send(steps)
        try:
            answer = self._connection.recv()
        except EOFError:
            raise RuntimeError(f"the loop ended, exit code {self._process.exitcode}") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        # Data loaders prefetch their next batches now, not during the next loop's turn.
        time.sleep(PAUSE)
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(20)
        self._process.terminate()


def _inside(run: Callable, connection: Connection, device, ready: int, arguments) -> None:
    try:
        run(Gate(connection, device, ready), *arguments)
    except EOFError:
        pass
    except Exception:  # for example torch.compile without a compiler
        connection.send(traceback.format_exc())
