"""Trains stacks as tasks of Ray, on a cluster or on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from abreast.errors import RunError
from hydra_plugins.abreast_launcher.engines.work import WorkItem, train_in_worker, with_resources

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome


def run(
    items: Sequence[WorkItem], workers: int, settings: dict[str, Any]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items; `settings` are `init`, for `ray.init`, and `remote`, the options of a task."""
    import ray

    init, remote = dict(settings.get("init") or {}), dict(settings.get("remote") or {})
    starts_ray = not ray.is_initialized()
    if starts_ray:
        ray.init(**{"log_to_driver": True, "include_dashboard": False, **init})
    try:
        cores = ray.cluster_resources().get("CPU", 1)
        if ray.cluster_resources().get("GPU", 0) and "num_gpus" not in remote:
            remote["num_gpus"] = 1
        remote.setdefault("num_cpus", max(1, int(cores // workers)))
        task = ray.remote(train_in_worker).options(**remote)
        pending = [task.remote(item) for item in with_resources(items, workers, 0)]
        for result in pending:
            try:
                yield ray.get(result)
            except ray.exceptions.RayError as error:  # noqa: PERF203
                yield RunError(f"Ray: {str(error).splitlines()[0]}")
    finally:
        if starts_ray:
            ray.shutdown()
