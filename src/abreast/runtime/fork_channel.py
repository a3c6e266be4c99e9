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
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import NamedTuple

from abreast.errors import Interrupted
from abreast.runtime.portable import portable

# SIGHUP: the terminal was closed, or the connection to the machine was lost.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))


class Ended(NamedTuple):
    """The end of a forked process.

    Attributes:
        error: What ended its work early, or None.
        trace: Where that was.
    """

    error: BaseException | None
    trace: str = ""


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
        getattr(sys, self.stream).write(self.text)


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
        """Send a message, and wait for the answer to it. One thread asks at a time."""
        self.tell(message)
        return self._connection.recv()

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
    """Prints in the process that has made this one."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name

    def write(self, text: str) -> int:
        self._channel.tell(Printed(self._name, text))
        return len(text)


def work_in_fork(work: Callable[[Channel], object], connection: Connection, life: tuple[int, int]) -> None:
    """Do the work of a forked process, from its start to its end.

    Args:
        work: What it does.
        connection: Its way to the process that has made it.
        life: A pipe of which that one alone has the writing end, and never writes.
    """
    os.close(life[1])
    # The threads that start here inherit this: a signal that reached one would not wake the main thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_end_with, args=(life[0],), daemon=True).start()
    channel = Channel(connection)
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)  # the other process hears of Ctrl-C
        else:
            signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    logging.root.handlers = [_Handler(channel)]
    sys.stdout, sys.stderr = _Text(channel, "stdout"), _Text(channel, "stderr")
    error: BaseException | None = None
    trace = ""
    try:
        work(channel)
    except Interrupted as interrupted:
        error = interrupted
    except Exception as raised:
        error, trace = portable(raised), traceback.format_exc()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    channel.tell(Ended(error, trace))
    channel.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _end_with(life: int) -> None:
    """End this process when the one that has made it has ended, however that was."""
    os.read(life, 1)
    os._exit(1)
