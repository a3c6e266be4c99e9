"""Trains stacks in processes of joblib, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hydra_plugins.abreast_launcher.engines.work import (
    WorkItem,
    count_gpus,
    train_in_worker,
    with_resources,
)

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome


def run(
    items: Sequence[WorkItem], workers: int, settings: dict[str, Any]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items; `settings` are arguments of `joblib.Parallel`."""
    from joblib import Parallel, delayed

    parallel = Parallel(**{"n_jobs": workers, "return_as": "generator", **settings})
    yield from parallel(
        delayed(train_in_worker)(item) for item in with_resources(items, workers, count_gpus())
    )
