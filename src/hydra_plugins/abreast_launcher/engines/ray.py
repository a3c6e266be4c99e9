"""Trains stacks as tasks of Ray, on a cluster or on this machine."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from abreast.errors import RunError, first_line
from hydra_plugins.abreast_launcher.engines.work import WorkItem, train_in_worker, with_resources

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome

POLL = 0.2  # seconds
# Of `ray.init`: what Ray says, and what it puts before each line of a run, stays out of the terminal.
DEFAULTS = {"log_to_driver": False, "include_dashboard": False, "logging_level": logging.ERROR}


def run(
    items: Sequence[WorkItem], workers: int, settings: dict[str, Any]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items; `settings` are `init`, for `ray.init`, and `remote`, the options of a task.

    What the workers print appears here line by line, as it is: Ray itself would name the process before each.
    """
    import ray
    from ray.util.queue import Queue

    init, remote = dict(settings.get("init") or {}), dict(settings.get("remote") or {})
    starts_ray = not ray.is_initialized()
    if starts_ray:
        ray.init(**DEFAULTS | init)
    try:
        cores = ray.cluster_resources().get("CPU", 1)
        if ray.cluster_resources().get("GPU", 0) and "num_gpus" not in remote:
            remote["num_gpus"] = 1
        remote.setdefault("num_cpus", max(1, int(cores // workers)))
        lines = Queue(actor_options={"num_cpus": 0})
        task = ray.remote(_train).options(**remote)
        for result in [task.remote(item, lines) for item in with_resources(items, workers, 0)]:
            while not ray.wait([result], timeout=POLL)[0]:
                _print(lines)
            _print(lines)
            try:
                yield ray.get(result)
            except ray.exceptions.RayError as error:
                yield RunError(f"Ray: {first_line(error)}")
    finally:
        if starts_ray:
            ray.shutdown()


def _train(item: WorkItem, lines: Any) -> list[Outcome] | Exception:
    with redirect_stdout(_Lines(lines)):
        return train_in_worker(item)


def _print(lines: Any) -> None:
    for line in lines.get_nowait_batch(lines.qsize()):
        sys.stdout.write(line)
    sys.stdout.flush()


class _Lines(io.TextIOBase):
    """Sends each line that is written into a queue of Ray."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._rest = ""

    def write(self, text: str) -> int:
        *complete, self._rest = (self._rest + text).split("\n")
        for line in complete:
            self._lines.put(f"{line}\n")
        return len(text)
