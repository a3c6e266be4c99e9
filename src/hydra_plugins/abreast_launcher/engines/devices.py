"""Trains stacks on several devices of this machine, one at a time on each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING

from abreast.errors import ConfigError, RunError, first_line
from hydra_plugins.abreast_launcher.engines.work import WorkItem, train_in_worker, visible_gpu, with_resources

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome

CPU = "cpu"


def choose_devices(value: object, gpus: int) -> list[str]:
    """The devices to train on: numbers of GPUs, or `cpu` for a process without one.

    Args:
        value: `hydra.launcher.devices`: `all`, how many, or a list of them.
        gpus: The GPUs of this machine.

    Raises:
        ConfigError: There are no such devices.
    """
    if value == "all":
        return [str(number) for number in range(gpus)] or [CPU]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        names = [str(number) for number in range(value)] if gpus or value > 1 else [CPU]
    else:
        names = [str(name) for name in value] if isinstance(value, Sequence) and value else []
        names = [] if isinstance(value, str) else names
    if not names or not all(name == CPU or name.isdecimal() for name in names):
        raise ConfigError(f"hydra.launcher.devices={value}: must be all, a number from 1, or such as [0,1]")
    missing = [name for name in names if name != CPU and int(name) >= gpus]
    if missing:
        here = f"its GPUs are 0 to {gpus - 1}" if gpus else "this machine has no GPU"
        raise ConfigError(f"hydra.launcher.devices={value}: there is no GPU {missing[0]}; {here}")
    return names


def train_on_devices(
    items: Sequence[WorkItem], devices: Sequence[str]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items, each on the next device that is free, in a process that sees no other one.

    Args:
        items: What to train.
        devices: The devices, of `choose_devices`.
    """
    free: SimpleQueue[Executor] = SimpleQueue()

    def train(item: WorkItem) -> list[Outcome] | Exception:
        pool = free.get()
        try:
            return pool.submit(train_in_worker, item).result()
        except Exception as error:  # a process that was killed
            return RunError(f"the process of a stack has ended: {first_line(error)}")
        finally:
            free.put(pool)

    on_cpu = [*devices].count(CPU)
    with ExitStack() as stack:
        for device in devices:
            free.put(stack.enter_context(_process(device)))
        threads = stack.enter_context(ThreadPoolExecutor(len(devices)))
        yield from threads.map(train, with_resources(items, on_cpu, 0) if on_cpu else items)


def _process(device: str) -> Executor:
    """A process that sees one device alone, from its start: CUDA does not look again."""
    visible = "" if device == CPU else visible_gpu(int(device))
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, context, initializer=_see_only, initargs=(visible,))


def _see_only(device: str) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = device
