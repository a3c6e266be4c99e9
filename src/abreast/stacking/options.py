"""How stacks are trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How stacks are trained; see `hydra/launcher=abreast`.

    Attributes:
        max_lanes: The most runs that are trained at a time; None for no limit.
        threads: Threads that train chunks side by side; None to choose.
        chunk_lanes: The most lanes in a chunk; None to choose.
        processes: Forked processes that train side by side on the CPU; None to choose.
        save_every: Seconds between two writings of checkpoints, which are kept in memory meanwhile.
        memory_gib: Memory for the lanes' weights and their state in GiB; None for as much as they need.
        shared_batches: Whether lanes of one seed share their mini-batches.
    """

    max_lanes: int | None = None
    threads: int | None = None
    chunk_lanes: int | None = None
    processes: int | None = None
    save_every: float = 30.0
    memory_gib: float | None = None
    shared_batches: bool = False
