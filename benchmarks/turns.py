"""Several loops on one machine, each in a process of its own, timed in turns.

A loop calls its `Gate` before each of its steps and is let through while it has the turn.
"""

import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

PAUSE = 0.7  # seconds


class Gate:
    """Where a loop waits for its turn, and what times it.

    Args:
        ready: batches that may lie ready from before, whose steps are not timed.
    """

    def __init__(self, wire: Connection, device: torch.device, ready: int):
        self._wire, self._device, self._ready = wire, device, ready
        self._count = self._left = 0

    def __call__(self) -> None:
        """Come back when there is a step to do.

        Raises:
            EOFError: when there will be none.
        """
        if self._left == 0:
            if self._count:
                self._wire.send(self._clock() - self._begun)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()  # the next loop needs the room
            self._count = self._wire.recv()
            self._left = self._ready + self._count
        if self._left == self._count:
            self._begun = self._clock()
        self._left -= 1

    def _clock(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Loop:
    """A loop in a process of its own.

    Args:
        run: called there with a `Gate` and `arguments`; importable, as `multiprocessing` wants it.
    """

    def __init__(self, run: Callable, *arguments, device: torch.device, ready: int):
        self._wire, far = (context := get_context("spawn")).Pipe()
        inside = (run, far, device, ready, arguments)
        self._process = context.Process(target=_inside, args=inside)
        self._process.start()
        far.close()

    def turn(self, steps: int) -> float:
        """Seconds for so many steps, after those that are not timed.

        Raises:
            RuntimeError: with the traceback, if the loop has failed.
        """
        self._wire.send(steps)
        try:
            answer = self._wire.recv()
        except EOFError:
            raise RuntimeError(f"killed, exit code {self._process.exitcode}") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        # Loaders get their coming batches ready and leave the processor to the next.
        time.sleep(PAUSE)
        return answer

    def close(self) -> None:
        """End the process."""
        self._wire.close()
        self._process.join(20)
        self._process.terminate()


def _inside(run: Callable, wire: Connection, device: torch.device, ready: int, arguments) -> None:
    try:
        run(Gate(wire, device, ready), *arguments)
    except EOFError:
        pass
    except Exception:  # torch.compile, say, where there is no compiler
        wire.send(traceback.format_exc())
