"""The groups of a sweep ranked over its data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from abreast.metrics.registry import direction
from abreast.report.analysis import DEFAULT_METRICS
from abreast.report.figures.base import unique_names
from abreast.report.groups import Analysis, Group, Task
from abreast.report.readers.metric_names import direction_of
from abreast.report.settings import settings_label
from abreast.runs.schema import data_digest
from abreast.statistics.dataset_ranks import DatasetRanks, rank_over_datasets
from abreast.statistics.summary import summarise

# Settings that vary a data set; their values are averaged, as a data set counts once.
VARIANTS = (
    "data.label_noise",
    "data.split_seed",
    "data.val_fraction",
    "data.test_fraction",
    "data.fold",
    "data.folds",
)
Name = Callable[[Group], str]
Scores = dict[str, dict[str, dict[str, float | None]]]  # by group, data set and its variant


@dataclass(frozen=True)
class Datasets:
    """The groups of a sweep over its data sets.

    Attributes:
        names: The data sets.
        metrics: The metric of each.
        ranks: The ranks, by the groups' names; None where fewer than two groups have them all.
        scores: Each group's mean on each data set; infinite where all its runs failed.
        left_out: Groups that were not run on all data sets, with what is missing.
        not_ranked: Data sets on which fewer than half of the groups were run.
        failed: Groups that have the last rank on some data set because all their runs failed there.
    """

    names: tuple[str, ...]
    metrics: Mapping[str, str]
    ranks: DatasetRanks[str, str] | None
    scores: Mapping[str, Mapping[str, float]]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_ranked: tuple[str, ...] = ()
    failed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def over_datasets(analysis: Analysis) -> Datasets | None:
    """Rank the groups over the data sets of an analysis, by their settings other than the data's.

    Returns:
        The ranks; None for a single data set.
    """
    name = _without_data(analysis)
    tasks: dict[str, list[Task]] = {}
    first: dict[str, str] = {}  # options with the same content are one data set
    for task in analysis.tasks:
        label = _dataset(task, analysis)
        digests = (data_digest(run.result) for group in task.groups for run in group.runs)
        data = first.setdefault(next(filter(None, digests), label), label)
        tasks.setdefault(data, []).append(task)
    metrics = {data: _metric(of_data, analysis) for data, of_data in tasks.items()}
    scores: Scores = {}
    for data, of_data in tasks.items():
        for index, task in enumerate(of_data):
            ended = [group for group in task.groups if group.ended]
            for group_name, group in zip(unique_names([name(group) for group in ended]), ended, strict=True):
                by_variant = scores.setdefault(group_name, {}).setdefault(data, {})
                by_variant[str(index)] = _mean(group, metrics[data])
    return rank_scores(scores, metrics)


def rank_scores(scores: Scores, metrics: Mapping[str, str]) -> Datasets | None:
    """Rank groups by their scores.

    Args:
        scores: Each group's mean by data set and variant of the data set (see `VARIANTS`), whose mean counts;
            None where all its runs failed. A group has an entry where it was run.
        metrics: The metric of each data set.

    Returns:
        The ranks; None for a single data set.
    """
    if len(metrics) < 2:
        return None
    means: dict[str, dict[str, float]] = {group: {} for group in scores}
    failed: dict[str, tuple[str, ...]] = {}
    for data, metric in metrics.items():
        worst = -math.inf if direction(metric) == "max" else math.inf
        variants = {variant for row in scores.values() for variant in row.get(data, {})}
        for group, row in scores.items():
            values = [worst if value is None else value for value in row.get(data, {}).values()]
            if values and len(values) == len(variants):
                means[group][data] = sum(values) / len(values)
                if worst in values:
                    failed[group] = (*failed.get(group, ()), data)
    # A data set on which hardly any group was run would leave hardly any group.
    names = [data for data in metrics if 2 * sum(data in row for row in means.values()) >= len(means)]
    complete = {group: row for group, row in means.items() if all(data in row for data in names)}
    missing = {group: tuple(data for data in names if data not in row) for group, row in means.items()}
    ranks = None
    if len(names) > 1 and len(complete) > 1:
        ranks = rank_over_datasets(complete, {data: direction(metrics[data]) == "max" for data in names})
    return Datasets(
        tuple(names),
        metrics,
        ranks,
        complete,
        left_out={group: gaps for group, gaps in missing.items() if gaps},
        not_ranked=tuple(data for data in metrics if data not in names),
        failed={group: failed[group] for group in complete if group in failed},
    )


def _without_data(analysis: Analysis) -> Name:
    """Names groups by the settings in which groups of a task differ; other settings get another name."""
    names: dict[tuple[tuple[str, str, object], ...], str] = {}

    def name(group: Group) -> str:
        settings = {key: group.settings.get(key) for key in analysis.keys}
        key = tuple((key, type(value).__name__, value) for key, value in settings.items())
        if key not in names:
            label = settings_label(settings) or "all runs"
            alike = sum(other.partition(" (")[0] == label for other in names.values())
            names[key] = f"{label} ({alike + 1})" if alike else label
        return names[key]

    return name


def _dataset(task: Task, analysis: Analysis) -> str:
    """The settings of a task's data, without those that only vary it."""
    group = task.groups[0]
    keys = [key for key in analysis.sweep.varied if key not in analysis.keys and key not in VARIANTS]
    label = settings_label({key: group.settings.get(key) for key in keys})
    return label.removeprefix("data=") if " " not in label else label


def _metric(tasks: list[Task], analysis: Analysis) -> str:
    """What groups are compared by on a data set: the analysis's metric, or else the usual one of its runs."""
    runs = [run for task in tasks for group in task.groups for run in group.runs if run.metrics]
    others = dict.fromkeys(
        name for run in runs if run.is_foreign for name in run.metrics if direction_of(name)
    )
    for metric in (analysis.metric, *DEFAULT_METRICS, *others):
        if runs and 2 * sum(metric in run.metrics for run in runs) >= len(runs):
            return metric
    return analysis.metric


def _mean(group: Group, metric: str) -> float | None:
    """The mean of all runs that have the metric, those at chance too: collapsing must not pay."""
    values = [run.metrics[metric] for run in group.runs if metric in run.metrics and not run.duplicate_of]
    return summarise(values).mean
