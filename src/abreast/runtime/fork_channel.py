"""The side of a forked process: it works, and speaks with the process that has made it.

It prints and logs through that one, and ends with it: a process that is killed leaves none that trains on.
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import NamedTuple

from abreast.errors import Interrupted, RunError
from abreast.runtime.portable import PackedError
from abreast.runtime.signals import SIGNALS


class Ended(NamedTuple):
    """The end of a forked process.

    Attributes:
        error: What ended its work early, or None.
        trace: Where that was.
    """

    error: PackedError | None
    trace: str = ""

    def raised(self) -> BaseException | None:
        """The error, whose cause says where it was."""
        if self.error is None:
            return None
        error = self.error.error()
        if self.trace:
            error.__cause__ = RunError(f"in a forked process:\n{self.trace}")
        return error


class Logged(NamedTuple):
    """What was logged."""

    record: logging.LogRecord

    def repeat(self) -> None:
        """Log it in this process."""
        logging.getLogger(self.record.name).handle(self.record)


class Printed(NamedTuple):
    """What was printed to `stdout` or `stderr`."""

    stream: str
    text: str

    def repeat(self) -> None:
        """Print it in this process."""
        stream = getattr(sys, self.stream)
        if stream is not None:  # it is closed
            stream.write(self.text)


class Channel:
    """A forked process's way to speak with the process that has made it.

    A thread sends the messages, one whole message after the other: what a signal raises in the main thread
    cannot cut one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[bytes | None] = SimpleQueue()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def _send(self) -> None:
        with suppress(OSError):  # the other process does not listen any more
            while (message := self._messages.get()) is not None:
                self._connection.send_bytes(message)

    def tell(self, message: object) -> None:
        """Send a message."""
        self._messages.put(pickle.dumps(message))

    def ask(self, message: object) -> object:
        """Send a message, and wait for the answer to it. One thread asks at a time.

        Raises:
            Interrupted: The other process does not listen any more.
        """
        self.tell(message)
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise Interrupted(signal.SIGTERM) from None

    def close(self) -> None:
        """Wait until all messages are sent."""
        self._messages.put(None)
        self._sender.join()


class _Handler(logging.handlers.QueueHandler):
    """Logs in the process that has made this one."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._channel = channel

    def enqueue(self, record: logging.LogRecord) -> None:
        self._channel.tell(Logged(record))


class _Text(io.TextIOBase):
    """Prints whole lines in the process that has made this one."""

    encoding = "utf-8"

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._lock = threading.Lock()
        self._rest = ""

    def write(self, text: str) -> int:
        with self._lock:
            lines, end, self._rest = (self._rest + text).rpartition("\n")
            if end:
                self._channel.tell(Printed(self._name, lines + end))
        return len(text)

    def close(self) -> None:
        """Print what is left of the last line."""
        with self._lock:
            if self._rest:
                self._channel.tell(Printed(self._name, self._rest))
            self._rest = ""


def work_in_fork(
    work: Callable[[Channel], object],
    connection: Connection,
    others: Sequence[Connection],
    life: tuple[int, int],
) -> None:
    """Do the work of a forked process, from its start to its end.

    Args:
        work: What it does.
        connection: Its way to the process that has made it.
        others: Ends of connections that belong to that one.
        life: A pipe of which that one alone has the writing end, and never writes.
    """
    os.close(life[1])
    for other in others:
        other.close()
    # The threads that start here inherit this: a signal that reached one would not wake the main thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_end_with, args=(life[0],), daemon=True).start()
    channel = Channel(connection)
    for number in SIGNALS:
        is_ignored = number == signal.SIGINT or signal.getsignal(number) == signal.SIG_IGN
        if is_ignored and number != signal.SIGTERM:  # by which the other process tells of Ctrl-C, too
            signal.signal(number, signal.SIG_IGN)
        else:
            signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    logging.root.handlers = [_Handler(channel)]
    streams = [_Text(channel, "stdout"), _Text(channel, "stderr")]
    sys.stdout, sys.stderr = streams
    error: BaseException | None = None
    trace = ""
    try:
        work(channel)
    except Interrupted as interrupted:
        error = interrupted
    except BaseException as raised:
        error, trace = raised, traceback.format_exc()
    finally:
        _ignore_signals()
        for stream in streams:
            stream.close()
        channel.tell(Ended(PackedError.of(error), trace))
        channel.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    _ignore_signals()  # once is enough: another one would interrupt what is saved
    raise Interrupted(number)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_with(life: int) -> None:
    """End this process when the one that has made it has ended, however that was."""
    os.read(life, 1)
    os._exit(1)
