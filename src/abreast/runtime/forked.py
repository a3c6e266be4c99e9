"""Forked processes that work side by side, and speak with the process that has made them.

A forked process has all that this one has imported and built, without a copy of it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from types import FrameType, TracebackType

from abreast.errors import Interrupted, LostProcessError
from abreast.runtime.fork_channel import Channel, Ended, Logged, Printed, work_in_fork
from abreast.runtime.portable import PackedError
from abreast.runtime.signals import SIGNALS

SECONDS_TO_END = 30.0  # for a process to save what it does

log = logging.getLogger(__name__)


def can_fork() -> bool:
    """Whether forked processes can compute as this one does: not on a GPU, and tried on Linux alone."""
    import torch

    is_free = not multiprocessing.current_process().daemon  # such a process may have no others
    return sys.platform == "linux" and is_free and not torch.accelerator.is_available()


def is_alone() -> bool:
    """Whether this process has no other thread of Python: its locks would stay closed in a fork."""
    return threading.active_count() == 1 and threading.current_thread() is threading.main_thread()


class CannotForkError(Exception):
    """The system allows no other process; the message says why."""


class ForkedProcesses:
    """Processes forked from this one. To be used in a `with` block, at whose end they have ended.

    SIGTERM, SIGHUP and Ctrl-C reach each of them as SIGTERM; once they have saved what they do, `messages`
    raises Interrupted. The second Ctrl-C ends them at once.

    Args:
        works: What each process does with its channel; where the system allows fewer, the first ones.
        before_output: Called before something is printed or logged for a process.

    Raises:
        CannotForkError: It allows none.
    """

    def __init__(
        self, works: Sequence[Callable[[Channel], object]], before_output: Callable[[], object] = lambda: None
    ) -> None:
        self._works = works
        self._before_output = before_output
        self._processes: list[ForkProcess] = []
        self._connections: list[Connection] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._stopped_by: int | None = None

    def __enter__(self) -> ForkedProcesses:
        reading, self._life = os.pipe()  # nobody writes: the reading end ends when this process has ended
        try:
            self._handle_signals()
            for work in self._works:
                self._fork(work, (reading, self._life))
        except OSError as error:
            if not self._processes:
                self.__exit__(type(error), error, None)
                raise CannotForkError(error.strerror) from error
            log.info(
                "Of %d processes only %d could be forked: %s",
                len(self._works),
                len(self._processes),
                error.strerror,
            )
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        finally:
            os.close(reading)
        if self._stopped_by is not None:  # while some were not there yet
            self._terminate()
        return self

    def _fork(self, work: Callable[[Channel], object], life: tuple[int, int]) -> None:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        ours = [*self._connections, here]
        process = context.Process(target=work_in_fork, args=(work, there, ours, life))
        with there, warnings.catch_warnings():
            # Python 3.12 warns of threads, such as those of idle libraries.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            process.start()
        self._processes.append(process)
        self._connections.append(here)

    def _handle_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                self._handlers[number] = signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopped_by == signal.SIGINT == number:
            raise KeyboardInterrupt
        self._stopped_by = number
        self._terminate()

    def _terminate(self) -> None:
        for process in self._processes:
            if process.is_alive():
                process.terminate()

    @property
    def are_stopping(self) -> bool:
        """Whether they were told to save what they do, and to end."""
        return self._stopped_by is not None

    def messages(self) -> Iterator[tuple[int, object]]:
        """What the processes tell, with the number of each, until all have ended; `Ended` is each one's last.

        Raises:
            Interrupted: A signal has stopped them.
        """
        running = dict(enumerate(self._connections))
        while running:
            ready = wait([*running.values()])
            for number, connection in [*running.items()]:
                if connection not in ready:
                    continue
                message = self._next(number)
                if isinstance(message, Ended):
                    del running[number]
                if isinstance(message, Logged | Printed):
                    self._before_output()
                    message.repeat()
                else:
                    yield number, message
        if self._stopped_by is not None:
            raise Interrupted(self._stopped_by)

    def _next(self, number: int) -> object:
        """The next message of a process, or its end."""
        try:
            message: object = self._connections[number].recv()
        except (EOFError, OSError):
            process = self._processes[number]
            process.join()
            return Ended(PackedError.of(LostProcessError(_how_it_ended(process.exitcode))))
        return message

    def answer(self, number: int, content: object) -> None:
        """Answer what a process has asked."""
        with suppress(OSError):  # it has been killed, as its end will say
            self._connections[number].send(content)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for process, connection in zip(self._processes, self._connections, strict=True):
                connection.close()
                if isinstance(error, Exception):
                    process.terminate()
                elif error is not None:
                    process.kill()
            until = time.monotonic() + SECONDS_TO_END
            for process in self._processes:
                process.join(max(0.0, until - time.monotonic()))
        finally:
            for process in self._processes:
                process.kill()
                process.join()
                process.close()
            os.close(self._life)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    memory = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
    known = {number.value: number.name for number in signal.Signals}
    return f"was ended by {known.get(-code, f'signal {-code}')}{memory}"
