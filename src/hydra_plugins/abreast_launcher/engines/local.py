"""Trains stacks in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hydra_plugins.abreast_launcher.engines.work import WorkItem, train

if TYPE_CHECKING:
    from abreast.stacking.build import Outcome


def run(
    items: Sequence[WorkItem], workers: int, settings: dict[str, object]
) -> Iterator[list[Outcome] | Exception]:
    """Train the items in turn, each when its result is asked for."""
    for item in items:
        try:
            yield train(item)
        except Exception as error:  # noqa: PERF203
            yield error
