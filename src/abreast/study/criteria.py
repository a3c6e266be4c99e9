"""What a study is judged by: each cell's validation metric, and the test metric of all cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from abreast.build.data_fit import FitCheck
from abreast.config.override_keys import key_of
from abreast.errors import ConfigError
from abreast.metrics.objective import monitor, worst
from abreast.metrics.registry import Mode, by_priority, direction, measured
from abreast.metrics.requested import nodes
from abreast.runtime.job_progress import reported
from abreast.study.cells import Cell
from abreast.study.overrides import override
from abreast.study.protocol import SWEEPER, Protocol
from abreast.study.space import Values, contains_space
from abreast.suggestions import did_you_mean, listed
from abreast.validation.variants import mistakes, variants

_ABSENT = object()


@dataclass(frozen=True)
class Criterion:
    """What the runs of a cell are chosen by.

    Attributes:
        config: The configuration of the cell's first setting, with interpolations as they are written.
        metric: The validation metric.
        mode: Whether `max` or `min` of it is best.
        worst: The worst value it can have: that of a failed run.
    """

    config: Mapping[str, Any]
    metric: str
    mode: Mode
    worst: float


@dataclass(frozen=True)
class Criteria:
    """What a study is judged by: a criterion for each cell, and the test metric they are compared by."""

    cells: tuple[Criterion, ...]
    metric: str

    @property
    def mode(self) -> Mode:
        """Whether `max` or `min` of the test metric is best."""
        return direction(self.metric)


def read_criteria(protocol: Protocol, config: DictConfig) -> Criteria:
    """Compose the configuration of every cell, check it, and find what its runs are judged by.

    Args:
        protocol: The study.
        config: The configuration of the multirun.

    Raises:
        ConfigError: With a line for each mistake in the configuration of a cell.
        Stop: If the overrides of a cell cannot be composed.
    """
    cells_by_mistake: dict[str, list[str]] = {}
    criteria, resolved = [], []
    fits = FitCheck()
    for cell in reported(protocol.cells, "Checked", "cells"):
        shown = list(variants(config, _swept_values(protocol, cell)))
        message = mistakes(shown, fits.check_variant)
        plain: Any = None if message else shown[0].resolved
        lines = message.split("\n") if message else list(_unsuitable(plain, cell))
        for line in lines:
            cells_by_mistake.setdefault(line, []).append(cell.name)
        if not lines:
            monitored = monitor(plain)
            assert monitored is not None
            metric, mode = monitored
            criteria.append(Criterion(shown[0].written, metric, mode, worst(plain)))
            resolved.append(plain)
    if cells_by_mistake:
        count = len(protocol.cells)
        raise ConfigError(
            "\n".join(
                line if len(names) == count else f"{names[0]}: {line}"
                for line, names in cells_by_mistake.items()
            )
        )
    names = [cell.name for cell in protocol.cells]
    metric = choose_test_metric(protocol.metric, dict(zip(names, resolved, strict=True)))
    return Criteria(tuple(criteria), metric)


def _swept_values(protocol: Protocol, cell: Cell) -> dict[str, list[str]]:
    """The overrides of a cell's tuning runs by key; for an interval its ends."""
    values = {key_of(line): [line] for line in (*protocol.fixed, *cell.overrides)}
    for key, dimension in cell.space.items():
        tried = dimension.values if isinstance(dimension, Values) else (dimension.low, dimension.high)
        values[key] = [override(key, value) for value in tried]
    return values | {"seed": [f"seed={protocol.tune_seeds[0]}"], "test": ["test=true"]}


def _unsuitable(config: Mapping[str, Any], cell: Cell) -> Iterator[str]:
    """Why the runs of a cell, although valid, cannot be chosen by their validation metric."""
    monitored = monitor(config)
    if monitored is None:
        yield (
            "data.val_fraction: 0 leaves no validation examples, which a study needs for choosing; "
            "write data.val_fraction=0.1"
        )
    elif not monitored[0].startswith("val/"):
        yield f"monitor: a study chooses by a validation metric, got {monitored[0]}; write monitor=null"
    elif monitored[0] == "val/loss" and (keys := [key for key in cell.space if key.startswith("loss")]):
        metrics = [f"val/{name}" for name in _metric_names(config) if name != "loss"]
        yield (
            f"monitor: val/loss cannot choose between settings of the loss itself ({listed(keys)}); write "
            f"monitor={metrics[0]}"
        )


def choose_test_metric(
    name: str | None, configs: Mapping[str, Mapping[str, Any]], compared: str = "cells"
) -> str:
    """Choose the test metric that settings are compared by.

    Args:
        name: The metric that was asked for, such as `accuracy`; None: the first one of the task.
        configs: The configuration of each cell, by its name.
        compared: What the message calls them.

    Returns:
        The metric's key, such as `test/accuracy`.

    Raises:
        ConfigError: If they have no such metric in common.
    """
    tasks = {cell: str(config["data"]["task"]) for cell, config in configs.items()}
    if len({*tasks.values()}) > 1:
        pairs = listed(f"{cell}: {task}" for cell, task in tasks.items())
        raise ConfigError(f"data.task: {compared} with different tasks have no metric in common ({pairs})")
    names = _metric_names(next(iter(configs.values())))
    chosen = name or names[0]
    if chosen not in names:
        near = did_you_mean(chosen, names)
        raise ConfigError(f"{SWEEPER}.metric: the task has {listed(names)}, got {chosen}{near}")
    losses = {str(config["loss"]) for config in configs.values()}
    if chosen == "loss" and len(losses) > 1:
        others = listed(other for other in names if other != "loss")
        raise ConfigError(
            f"{SWEEPER}.metric: the {compared} are trained on different losses, whose values are not "
            f"comparable; write {others}"
        )
    return f"test/{chosen}"


def _metric_names(config: Mapping[str, Any]) -> list[str]:
    metrics = measured(str(config["data"]["task"]), requested=tuple(nodes(config)))
    return [
        metric.name for metric in by_priority(metrics) if not metric.test_only or metric.name in nodes(config)
    ]


def containing_pairs(cells: Sequence[Cell], criteria: Sequence[Criterion]) -> list[tuple[int, int]]:
    """Find the pairs of cells of which the first can take every configuration of the second.

    Args:
        cells: The cells.
        criteria: Their configurations.

    Returns:
        Pairs of indices (outer, inner).
    """
    leaves = [dict(_leaves(criterion.config)) for criterion in criteria]
    texts = [{(key, repr(value)) for key, value in of_cell.items()} for of_cell in leaves]
    pairs = []
    for outer, outer_cell in enumerate(cells):
        for inner, inner_cell in enumerate(cells):
            differing = {key for key, _ in texts[outer] ^ texts[inner]}
            differences = [
                (key, leaves[outer].get(key, _ABSENT), leaves[inner].get(key, _ABSENT))
                for key in {*differing, *outer_cell.space, *inner_cell.space}
            ]
            if outer != inner and contains_space(outer_cell.space, inner_cell.space, differences):
                pairs.append((outer, inner))
    return pairs


def _leaves(node: object, key: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, Mapping) and node:
        for name, child in node.items():
            yield from _leaves(child, f"{key}.{name}" if key else str(name))
    else:
        yield key, node
