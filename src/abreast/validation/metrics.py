"""Mistakes in the `metrics` group. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.config.options import conf_dir, groups, option
from abreast.config.schema import TASKS
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.metrics.registry import METRICS, Metric, lookup
from abreast.metrics.requested import mode_of, nodes, requested, tasks_of
from abreast.static.definitions import find
from abreast.suggestions import listed


def check_metrics(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[str]:
    """A message for each metric that the run cannot measure, or whose direction nothing says."""
    data = config.get("data")
    task = data.get("task") if isinstance(data, Mapping) else None
    for name, node in nodes(config).items():
        if not _exists(str(node.get("_target_"))):  # which is said with the nearest name
            continue
        try:
            requested({"metrics": {name: node}})
        except ConfigError as error:
            yield str(error)
            continue
        metric = next((metric for metric in METRICS if metric.name == name), None)
        if metric is not None:
            yield from _of_table(metric, node)
        tasks = tasks_of(node) if metric is None else metric.tasks
        if task in TASKS and task not in tasks:
            options = (other for other in groups(folders).get("metrics", ()) if other != "default")
            fitting = [other for other in options if task in _tasks(other)]
            yield (
                f"metrics.{name}: is for {listed(tasks)}, but data.task={task}. "
                f"Metrics that fit: {listed(fitting)}"
            )


def _of_table(metric: Metric, node: Config) -> Iterator[str]:
    """What is wrong with a node whose name has a meaning."""
    key, shipped = f"metrics.{metric.name}", option("metrics", metric.name, [conf_dir()])[metric.name]
    if node.get("_target_") != shipped["_target_"]:
        yield f"{key}: is the name of {shipped['_target_']}; give {node.get('_target_')} another name"
    elif mode_of(metric.name, node) != metric.mode:
        yield f"{key}.mode: {node['mode']} is the wrong way; write null, or {metric.mode}"
    elif (
        not metric.on_request and not metric.test_only and {**node, "mode": None} != {**shipped, "mode": None}
    ):
        yield f"{key}: is measured as conf/metrics/{metric.name}.yaml has it; give another one another name"


def _exists(target: str) -> bool:
    try:
        find(target)
    except LookupError:
        return False
    return True


def _tasks(name: str) -> Sequence[str]:
    metric = lookup(name)
    return TASKS if metric is None else metric.tasks
