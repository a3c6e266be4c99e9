"""The signals that ask a process to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# SIGHUP: the terminal was closed, or the connection to the machine was lost.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stop_deferred() -> Iterator[None]:
    """Let SIGTERM and SIGHUP wait for the end of the block: what is written there is written whole.

    A process that was told to stop is often told again, by itself and with its group. Ctrl-C does not wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS if number != signal.SIGINT}
    deferred = [number for number, handler in before.items() if handler not in (None, signal.SIG_IGN)]
    for number in deferred:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number in deferred:
            signal.signal(number, before[number])
        for number in came[:1]:
            signal.raise_signal(number)
