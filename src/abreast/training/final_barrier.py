"""Where the ranks of a run wait for each other before they end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count

import torch.distributed as dist

from abreast.errors import DivergedError, Interrupted

LIMIT = 20.0  # seconds; torch's launcher kills a rank that does not end within 30 after another one
INTERVAL = 0.01  # seconds between two looks

_barriers = count()


@contextmanager
def final_barrier(world: int) -> Iterator[None]:
    """Let no rank leave before all have done what is inside, or were told to stop there, or diverged there.

    A rank that ends closes its connections, and torch's launcher then stops the others: one that is still
    about to receive a last message, or to write a checkpoint, would count as failed.

    Args:
        world: The number of ranks, which all come to the same end.
    """
    try:
        yield
    except (Interrupted, DivergedError):
        wait(world)
        raise
    wait(world)


def wait(world: int, limit: float = LIMIT) -> bool:
    """Wait until all ranks have called this as often; not for the ranks' messages, but for their processes.

    Args:
        world: The number of ranks.
        limit: Seconds after which to continue without the others.

    Returns:
        Whether all have come.
    """
    if world == 1:
        return True
    end = time.monotonic() + limit
    key = f"abreast/final_barrier/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{next(_barriers)}"
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    with suppress(RuntimeError, OSError):  # the store is gone: so is the process that keeps it
        # This fails at once, where the store tries again and again.
        socket.create_connection(address, limit).close()
        store = dist.TCPStore(  # type: ignore[attr-defined]
            *address,
            is_master=False,
            timeout=timedelta(seconds=limit),
        )
        arrived = store.add(key, 1)
        while arrived < world and time.monotonic() < end:
            time.sleep(INTERVAL)
            arrived = store.add(key, 0)
        return arrived >= world
    return False
