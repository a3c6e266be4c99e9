"""How the lanes of a stack are laid out: in which chunks, on how many threads."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from abreast.runtime.job_progress import reported
from abreast.stacking.network_size import NetworkSize

T = TypeVar("T")

# Bytes of weights, gradients, two moments and feature maps that stay in a thread's part of common caches.
CACHE_BYTES = 10 << 20
MOST_LANES = 1 << 20  # of a chunk on another device than the CPU: all that there are
WRITERS = 8  # files that are written at once: a disk takes longer to confirm one than to write it
THREADED_FROM = 20e6  # multiplications of a lane's step from which a second thread pays off


@dataclass(frozen=True)
class Layout:
    """How lanes are divided into chunks.

    Attributes:
        threads: Threads that train chunks side by side.
        max_lanes: The most lanes in a chunk.
        shared_batches: Whether lanes of one seed share their mini-batches.
    """

    threads: int
    max_lanes: int
    shared_batches: bool = False

    def chunks(self, lanes: int) -> int:
        """The number of chunks for so many lanes: as many for every thread, if there are enough lanes."""
        chunks = math.ceil(lanes / self.max_lanes)
        return min(lanes, math.ceil(chunks / self.threads) * self.threads)


def choose_layout(
    size: NetworkSize,
    batch_size: int,
    threads: int | None = None,
    max_lanes: int | None = None,
    *,
    shared_batches: bool = False,
    on_cpu: bool = True,
    processes: int = 1,
) -> Layout:
    """Choose the layout for networks of a size; `threads` and `max_lanes` are kept where they are given.

    Another device takes all lanes at once, from one thread: the more work a kernel has, the better.

    Args:
        size: The size of one network.
        batch_size: Examples in a mini-batch.
        threads: Threads, or None to choose.
        max_lanes: The most lanes in a chunk, or None to choose.
        shared_batches: Whether lanes of one seed share their mini-batches.
        on_cpu: Whether it is the CPU that trains.
        processes: Processes that train side by side.
    """
    if not on_cpu:
        return Layout(1, max_lanes or MOST_LANES, shared_batches)
    if threads is None:
        threads = (
            max(1, len(cores()) // processes) if size.multiplications * batch_size * 3 > THREADED_FROM else 1
        )
    lane_bytes = 16 * size.parameters + 4 * batch_size * size.features
    return Layout(threads, max_lanes or max(1, CACHE_BYTES // lane_bytes), shared_batches)


def cores() -> Sequence[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def workers(threads: int) -> Iterator[Executor | None]:
    """A pool of threads with one intra-op thread each; None for a single thread."""
    if threads == 1:
        yield None
        return

    def start_thread() -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)

    with ThreadPoolExecutor(threads, initializer=start_thread) as pool:
        yield pool


def for_each(action: Callable[[T], object], items: Sequence[T], pool: Executor | None) -> None:
    """Call the action on every item, in the pool's threads if there is one."""
    if pool is None:
        for item in items:
            action(item)
    else:
        list(pool.map(action, items))


def write_each(action: Callable[[T], object], items: Sequence[T], noun: str = "files") -> None:
    """Call an action that mostly waits for the disk on every item, several at once.

    Args:
        action: The action.
        items: The items.
        noun: What is written, for the progress.
    """
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in reported(pool.map(action, items), "Wrote", noun, len(items)):
            pass
