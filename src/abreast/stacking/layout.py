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

T = TypeVar("T")

CACHE = 10 << 20  # bytes of weights, gradients and two moments that stay in a thread's part of common caches
WRITERS = 8  # files that are written at once: a disk takes longer to say that it has one than to take it
HEAVY = 20e6  # multiplications of a lane's step from which a second thread pays


@dataclass(frozen=True)
class Layout:
    """`threads` that train chunks side by side, the most lanes to a chunk, whether they share batches."""

    threads: int
    most: int
    shares: bool = False

    def parts(self, lanes: int) -> int:
        """The number of chunks for so many lanes: every thread as many, where there are enough."""
        parts = math.ceil(lanes / self.most)
        return min(lanes, math.ceil(parts / self.threads) * self.threads)


def layout(
    weights: int, rows: int, threads: int | None = None, most: int | None = None, *, shares: bool = False
) -> Layout:
    """For lanes of so many weights and rows to a mini-batch; `threads` and `most` where somebody chose."""
    if threads is None:
        threads = max(1, len(_cores())) if weights * rows * 3 > HEAVY else 1
    return Layout(threads, most or max(1, CACHE // (16 * weights)), shares)


def _cores() -> Sequence[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def workers(threads: int) -> Iterator[Executor | None]:
    """As many threads, with one intra-op thread each; none for one."""
    if threads == 1:
        yield None
        return

    def begin() -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)

    with ThreadPoolExecutor(threads, initializer=begin) as pool:
        yield pool


def each(action: Callable[[T], object], items: Sequence[T], pool: Executor | None) -> None:
    """Do something to each of them, side by side where there are threads."""
    if pool is None:
        for item in items:
            action(item)
    else:
        list(pool.map(action, items))


def side_by_side(action: Callable[[T], object], items: Sequence[T]) -> None:
    """Do something for each of them that mostly waits for the disk."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(action, items))


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread: lanes are the parallelism, and sums then round as a single-threaded run's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
