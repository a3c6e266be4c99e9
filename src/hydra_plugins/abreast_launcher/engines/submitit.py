"""Trains stacks as jobs of submitit, on a Slurm cluster or in local processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abreast.errors import RunError, first_line
from hydra_plugins.abreast_launcher.engines.work import (
    WorkItem,
    count_gpus,
    train_in_worker,
    with_resources,
)

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome

TIMEOUT_MINUTES = 24 * 60


def run(
    items: Sequence[WorkItem], workers: int, settings: dict[str, Any]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items; `settings` are `folder`, `cluster`, and parameters of `submitit.AutoExecutor`."""
    import submitit

    folder, cluster = settings.pop("folder"), settings.pop("cluster", None)
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    if executor.cluster == "slurm":
        settings.setdefault("slurm_array_parallelism", workers)
    executor.update_parameters(**{"timeout_min": TIMEOUT_MINUTES, **settings})
    if executor.cluster in ("local", "debug"):
        items = with_resources(items, workers, count_gpus())
    jobs = executor.map_array(train_in_worker, list(items))
    try:
        for job in jobs:
            try:
                yield job.result()
            except Exception as error:  # noqa: PERF203
                yield RunError(f"job {job.job_id} of {executor.cluster}: {first_line(error)}")
    finally:
        for job in jobs:
            if not job.done():
                job.cancel(check=False)
        with suppress(OSError):
            Path(folder).rmdir()  # submitit makes one that is really named %j
