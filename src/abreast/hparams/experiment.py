"""The columns of HPARAMS in the form in which TensorBoard takes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tensorboard.plugins.hparams import api_pb2

from abreast.metrics.registry import by_priority, lookup

Value = str | int | float | bool
TESTED = "weights/"  # before the name of a metric of the tested weights
STAGES = ("test", "val", "train")


class Column(NamedTuple):
    """A hyperparameter.

    Attributes:
        name: Its name, as in the rows of the runs.
        values: All its values.
        is_ticked: Whether it is among the columns that TensorBoard is to show at first.
    """

    name: str
    values: Sequence[Value]
    is_ticked: bool


def experiment(columns: Sequence[Column], metrics: Mapping[str, str]) -> api_pb2.Experiment:
    """The columns of runs.

    Args:
        columns: The hyperparameters.
        metrics: Titles of the metrics by tag, in their order.
    """
    infos = []
    for column in columns:
        kinds = {_data_type(value) for value in column.values}
        kind = kinds.pop() if len(kinds) == 1 else api_pb2.DATA_TYPE_STRING
        info = api_pb2.HParamInfo(name=column.name, type=kind, differs=column.is_ticked)
        if kind == api_pb2.DATA_TYPE_FLOAT64:
            numbers = [value for value in column.values if not isinstance(value, str)]
            info.domain_interval.min_value, info.domain_interval.max_value = min(numbers), max(numbers)
        else:
            values = sorted(set(column.values), key=str)
            is_bool = kind == api_pb2.DATA_TYPE_BOOL
            info.domain_discrete.extend(value if is_bool else _text(value) for value in values)
        infos.append(info)
    titles = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=title)
        for tag, title in metrics.items()
    ]
    return api_pb2.Experiment(hparam_infos=infos, metric_infos=titles, time_created_secs=time.time())


def titles_of(tags: Iterable[str]) -> dict[str, str]:
    """Titles by tag of the metrics of tested weights, those first that runs are compared by.

    >>> tags = {"weights/val/loss", "weights/test/loss", "val/loss", "weights/test/accuracy"}
    >>> list(titles_of(tags).values())
    ['test accuracy', 'test loss', 'val loss']
    """
    order = {metric.name: number for number, metric in enumerate(by_priority())}
    ranked = []
    for tag in tags:
        stage, _, name = tag.removeprefix(TESTED).partition("/")
        if tag.startswith(TESTED) and stage in STAGES and name:
            metric = lookup(name)
            rank = len(order) if metric is None else order[metric.name]
            title = name if metric is None or metric.name != name else metric.title
            ranked.append((STAGES.index(stage), rank, name, tag, f"{stage} {title}"))
    return {tag: title for _, _, _, tag, title in sorted(ranked)}


def _data_type(value: Value) -> int:
    if isinstance(value, bool):
        return int(api_pb2.DATA_TYPE_BOOL)
    return int(api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64)


def _text(value: Value) -> str:
    """A value as TensorBoard writes it in a column of texts."""
    return str(value).lower() if isinstance(value, bool) else str(value)
