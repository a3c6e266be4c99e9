"""A sweep analysed by one metric: the runs in groups, and each group compared with the best one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import count
from typing import Any

from abreast.errors import RunError
from abreast.metrics.margin import read_margin
from abreast.metrics.registry import bounds, by_priority, direction
from abreast.report.collect import Sweep, duplicate_notes, mark_duplicates
from abreast.report.execution import execution_notes
from abreast.report.groups import Analysis, Group, Task
from abreast.report.remarks import remark_notes
from abreast.report.run import Run
from abreast.report.settings import settings_label
from abreast.report.splits import Splits, splits_of
from abreast.runs.chance import chance_of
from abreast.statistics.ranking import Ranking, compare
from abreast.statistics.summary import summarise

# By default runs are compared by the first of these that most of them have. The loss comes last in its stage:
# runs may be trained on different losses, whose scales differ.
DEFAULT_METRICS = tuple(
    f"{stage}/{metric.name}"
    for stage in ("test", "val", "train")
    for metric in by_priority()
    if not metric.test_only and not metric.on_request
)
# Settings that change the task: results on different tasks are not compared.
TASK_GROUPS = ("data",)
NOT_TASK = ("data.augment", "data.batch_size", "data.normalize", "data.pca", "data.shuffle")


def is_task(key: str) -> bool:
    """Whether a setting changes the task.

    >>> [is_task(key) for key in ("data.name", "data.augment.mixup", "optim.lr")]
    [True, False, False]
    """
    is_treatment = any(key == name or key.startswith(f"{name}.") for name in NOT_TASK)
    return key.partition(".")[0] in TASK_GROUPS and not is_treatment


def analyse(sweep: Sweep, metric: str | None = None, margin: float | None = None) -> Analysis:
    """Group the runs of a sweep, summarise each group and compare it with the best one.

    Args:
        sweep: The runs.
        metric: The metric to compare by, such as `test/accuracy` or `accuracy`; by default the first of
            `DEFAULT_METRICS` that at least half of the finished runs have.
        margin: The difference up to which groups are equivalent, in the metric's unit.

    Returns:
        The analysis, with one winner for each task.

    Raises:
        RunError: If no run has the metric.
        ConfigError: If the margin is not one of this metric.
    """
    known = [run for run in sweep.runs if run.identified is not None]
    metric = _choose_metric(known, metric)
    mark_duplicates(sweep.runs, metric)
    counted = [run for run in known if not run.duplicate_of]
    if margin is not None:
        margin = read_margin("--margin", margin, metric)
    selection = None if metric.startswith("val/") else f"val/{metric.partition('/')[2]}"
    if selection and not any(selection in run.metrics for run in counted):
        selection = None
    higher_is_better = direction(metric) == "max"
    context = [key for key in sweep.varied if is_task(key)]
    by_task: dict[str, dict[Hashable, Group]] = {}
    for run in counted:
        task_label = settings_label({key: run.settings[key] for key in context}) if context else ""
        groups = by_task.setdefault(task_label, {})
        if run.key not in groups:
            groups[run.key] = Group(settings_label(run.settings), run.settings, run.key)
        groups[run.key].runs.append(run)
    tasks = [
        _task(label, list(groups.values()), metric, selection, margin) for label, groups in by_task.items()
    ]
    keys = tuple(key for key in sweep.varied if key not in context)
    notes = execution_notes(run for run in counted if metric in run.metrics)
    notes += duplicate_notes(sweep.runs)
    notes += remark_notes({run.name: run.remarks for run in sweep.runs})
    return Analysis(sweep, metric, selection, higher_is_better, tasks, keys, margin, notes)


def _task(label: str, groups: list[Group], metric: str, selection: str | None, margin: float | None) -> Task:
    splits = splits_of((run for group in groups for run in group.runs if metric in run.metrics), metric)
    unseeded = count(1)  # runs without a seed have nothing in common: each is a block of its own
    for group in groups:
        for run in group.runs:
            repeat = -next(unseeded) if run.seed is None else run.repeat
            if metric not in run.metrics:
                continue
            if run.is_collapsed:
                group.collapsed[repeat] = run.metrics[metric]
                continue
            group.values[repeat] = run.metrics[metric]
            if selection in run.metrics:
                group.selection[repeat] = run.metrics[str(selection)]
        group.summary = summarise(
            splits.pooled(group.values).values(),
            bounds=bounds(metric),
            collapsed=len(group.collapsed),
            examples=_examples([group], metric, splits),
            overlap=splits.overlap,
        )
        group.unit = splits.unit
        group.selection_summary = summarise(
            splits.pooled(group.selection).values(), bounds=bounds(metric), overlap=splits.overlap
        )
    task = Task(label, groups, Ranking(None, {}, ()), splits)
    task.rank(compare_groups(task, metric, margin=margin, by_selection=selection is not None))
    task.groups.sort(key=lambda group: _order(group, direction(metric) == "max"))
    return task


def compare_groups(
    task: Task,
    metric: str,
    *,
    margin: float | None = None,
    by_selection: bool = False,
    reference: str | None = None,
) -> Ranking:
    """Compare the groups of a task with one of them.

    Args:
        task: The groups, with their values.
        metric: The metric that the values are of.
        margin: The difference up to which groups are equivalent.
        by_selection: Whether the reference is the group that validated best.
        reference: The label of the reference, where it is known.
    """
    groups, pooled = task.groups, task.splits.pooled
    return compare(
        {group.label: pooled(group.values) for group in groups},
        higher_is_better=direction(metric) == "max",
        selection={group.label: pooled(group.selection) for group in groups} if by_selection else None,
        reference=reference,
        margin=margin,
        bounds=bounds(metric),
        collapsed={group.label: pooled(group.collapsed) for group in groups},
        examples=_examples(groups, metric, task.splits),
        overlap=task.splits.overlap,
    )


def _order(group: Group, higher_is_better: bool) -> tuple[bool, int, float]:
    """Sort key: the winner, the others by their mean, those that collapsed, those without values."""
    mean = group.summary.mean
    signed = 0.0 if mean is None else -mean if higher_is_better else mean
    rank = 0 if mean is not None else 1 if group.collapsed else 2
    return (group.verdict != "winner", rank, signed)


def _examples(groups: Sequence[Group], metric: str, splits: Splits) -> int | None:
    runs = [run for group in groups for run in group.runs if metric in run.metrics]
    return answers([run.result for run in runs], metric, splits)


def answers(results: Sequence[Mapping[str, Any]], metric: str, splits: Splits) -> int | None:
    """Of how many answers a value is a share, where the metric is one and this is the same in all blocks.

    Args:
        results: The contents of the runs' result.json.
        metric: The metric.
        splits: The splits of the runs, whose seeds are averaged.
    """
    if metric != "test/accuracy":
        return None
    sizes = {chance.examples if chance else None for chance in map(chance_of, results)}
    examples = sizes.pop() if len(sizes) == 1 else None
    return None if examples is None else examples * (splits.seeds if splits.count > 1 else 1)


def _choose_metric(runs: Sequence[Run], requested: str | None) -> str:
    finished = [run for run in runs if run.metrics]
    counts = Counter(name for run in finished for name in run.metrics)
    if requested is not None:
        for name in (requested, f"test/{requested}"):
            if name in counts:
                return name
        if not counts:
            return requested if "/" in requested else f"test/{requested}"
        available = ", ".join(sorted(name for name in counts if name.count("/") == 1))
        raise RunError(f"--metric {requested}: no run has this metric. Available: {available}")
    usual = [name for name in DEFAULT_METRICS if 2 * counts[name] >= max(1, len(finished))]
    fallback = [name for name in DEFAULT_METRICS if counts[name]]
    return next(iter(usual or fallback), DEFAULT_METRICS[0])
