"""A piece of work for an engine: a stack, or a part of one, to be trained in some process."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from abreast.runtime.directory_lock import as_worker
from abreast.runtime.given import given_objects, unpack
from abreast.runtime.output import guarded_output
from abreast.runtime.portable import portable

if TYPE_CHECKING:
    from abreast.stacking.build import Job, Outcome
    from abreast.stacking.options import Options
    from abreast.stacking.waiting import WaitingRuns

T = TypeVar("T")
_DEVICES: list[int] = []  # the GPU that this process trains on, once it has one


@dataclass(frozen=True)
class WorkItem:
    """All that a process, perhaps of another machine, needs to train a stack or a part of one.

    Attributes:
        jobs: The runs.
        options: How to train them.
        rungs: Epochs after which successive halving drops lanes; empty for none.
        keep: The share of the lanes that it keeps.
        peers: The runs that it compares, with those that an earlier start of the sweep has dropped.
        device: The only GPU that the process may see; None for all.
        path: What the process adds to `sys.path`.
        sweep_dir: The directory of the sweep, which is used as long as the process works; None for none.
        objects: The networks and data that were given in Python, which it may build, packed: their modules
            may lie in `path`.
        waiting: Gives the jobs in their order, and takes note of their ends; only within one process.
    """

    jobs: Sequence[Job]
    options: Options
    rungs: tuple[int, ...] = ()
    keep: float = 1 / 3
    peers: Sequence[Job] = ()
    device: int | None = None
    path: tuple[str, ...] = ()
    sweep_dir: Path | None = None
    objects: bytes = b""
    waiting: WaitingRuns | None = None


def train(item: WorkItem) -> list[Outcome]:
    """Train the item's jobs as one stack in this process; their outcomes, in order."""
    importlib.import_module("abreast.runtime.fast_import")  # before Lightning
    from hydra.utils import execution_whitelist

    from abreast.config.targets import own_targets
    from abreast.stacking.run import train_stack

    callbacks = []
    if item.rungs:
        from abreast.stacking.successive_halving import Halving

        callbacks.append(Halving(item.rungs, item.keep, item.peers))
    gc.enable()  # the launcher turns it off until something is trained
    with execution_whitelist(sorted({name for job in item.jobs for name in own_targets(job.cfg)})):
        return train_stack(item.jobs, item.options, callbacks, item.waiting)


def train_in_worker(item: WorkItem) -> list[Outcome] | Exception:
    """Train the item in a worker's process.

    Returns:
        The outcomes, or the exception that stopped the stack as a whole; errors are such that can be pickled.
    """
    if item.device is not None and not _DEVICES:  # CUDA looks once: a process keeps its first one
        _DEVICES.append(item.device)
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(item.device)
    sys.path.extend(entry for entry in item.path if entry not in sys.path)
    try:
        with guarded_output(), as_worker(item.sweep_dir), given_objects(unpack(item.objects)):
            outcomes = train(item)
    except Exception as error:
        portable_error = portable(error)
        assert isinstance(portable_error, Exception)
        return portable_error
    for outcome in outcomes:
        outcome.error = portable(outcome.error)
    return outcomes


def divide(stacks: Sequence[list[T]], workers: int) -> list[list[T]]:
    """Cut the largest stacks in two until there is a part for every worker."""
    parts = list(stacks)
    while len(parts) < workers and any(len(part) > 3 for part in parts):
        largest = max(range(len(parts)), key=lambda number: len(parts[number]))
        part = parts[largest]
        parts[largest : largest + 1] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return parts


def with_resources(items: Sequence[WorkItem], workers: int, gpus: int) -> list[WorkItem]:
    """Give every item one of several GPUs in turn; on CPUs, its share of the cores."""
    if gpus > 1:
        return [replace(item, device=number % gpus) for number, item in enumerate(items)]
    if gpus == 1 or workers == 1:
        return list(items)
    threads = max(1, (os.cpu_count() or 1) // workers)
    return [
        item
        if item.options.threads is not None
        else replace(item, options=replace(item.options, threads=threads))
        for item in items
    ]


def visible_gpu(number: int) -> str:
    """What CUDA calls one of the GPUs that this process sees, by its number among them.

    Where `CUDA_VISIBLE_DEVICES` lists some, or parts of one (MIG), their names are the entries of that list.
    """
    listed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return listed[number] if any(listed) else str(number)


def count_gpus() -> int:
    """The GPUs of this machine."""
    import torch

    return torch.cuda.device_count()
