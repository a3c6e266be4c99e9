"""What a sweep says: its runs in groups that differ in nothing but the seed, and the groups compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abreast.errors import RunError
from abreast.report.collect import Run, Sweep
from abreast.report.settings import label
from abreast.statistics.comparison import Comparison, Ranking, Summary, Verdict, compare, summarise

# The first that there is. Not the loss where runs may have different ones: their scales differ.
METRICS = (
    *("test/accuracy", "test/r2", "test/mae", "test/loss"),
    *("val/accuracy", "val/r2", "val/mae", "val/loss", "train/accuracy", "train/r2", "train/loss"),
)
# Settings of the data that change the task: what was got under different ones is not compared.
TASK = ("data",)
NO_TASK = ("data.batch_size", "data.normalize", "data.shuffle")


@dataclass
class Group:
    """Runs that differ in their seed alone; `values` and `selection` are by seed, of those that finished."""

    label: str
    settings: Mapping[str, Any]
    runs: list[Run] = field(default_factory=list)
    values: dict[int, float] = field(default_factory=dict)
    selection: dict[int, float] = field(default_factory=dict)
    summary: Summary = field(default_factory=lambda: Summary(0, None))
    chosen: Summary = field(default_factory=lambda: Summary(0, None))  # of `selection`
    verdict: Verdict = "untested"
    comparison: Comparison | None = None

    def count(self, status: str) -> int:
        """Runs with that status."""
        return sum(run.status == status for run in self.runs)

    @property
    def ended(self) -> int:
        """Runs that finished or failed."""
        return self.count("finished") + self.count("failed")

    @property
    def failure_rate(self) -> float | None:
        """Failed among the runs that ended."""
        return self.count("failed") / self.ended if self.ended else None

    @property
    def seconds(self) -> float | None:
        """Mean time of the runs that finished."""
        times = [run.seconds for run in self.runs if run.status == "finished" and run.seconds is not None]
        return sum(times) / len(times) if times else None

    def best_run(self, higher: bool) -> Run | None:
        """The run that validated best, or without validation the one with the best value."""
        by_seed = self.selection or self.values
        if not by_seed:
            return None
        seed = (max if higher else min)(by_seed, key=lambda seed: by_seed[seed])
        return next((run for run in self.runs if run.seed == seed and run.status == "finished"), None)


@dataclass
class Task:
    """The groups that have one task, the winner first and then by their mean."""

    label: str
    groups: list[Group]
    ranking: Ranking

    @property
    def winner(self) -> Group | None:
        """The group that all others are compared with."""
        return next((group for group in self.groups if group.label == self.ranking.winner), None)

    @property
    def best(self) -> list[Group]:
        """The winner and the groups that are not shown to be worse."""
        return [group for group in self.groups if group.label in self.ranking.best]


@dataclass
class Answer:
    """A sweep's answer in one metric; `selection` is the validation metric that chose the winners."""

    sweep: Sweep
    metric: str
    selection: str | None
    higher: bool
    tasks: list[Task]
    keys: tuple[str, ...]  # the settings that set groups of one task apart

    @property
    def groups(self) -> list[Group]:
        """All groups."""
        return [group for task in self.tasks for group in task.groups]


def is_higher_better(metric: str) -> bool:
    """Accuracies and R² are to be high; losses and errors low."""
    return metric.split("/")[1:2] in (["accuracy"], ["r2"])


def answer(sweep: Sweep, metric: str | None = None) -> Answer:
    """Group, summarise and compare. Raises RunError for a metric that no run has."""
    counted = [run for run in sweep.runs if run.config and not run.repeats]
    metric = _metric(counted, metric)
    name = metric.partition("/")[2]
    selection = f"val/{name}" if not metric.startswith("val/") else None
    if selection and not any(selection in run.metrics for run in counted):
        selection = None
    higher = is_higher_better(metric)
    context = [key for key in sweep.varied if key.split(".")[0] in TASK and key not in NO_TASK]
    by_task: dict[str, dict[str, Group]] = {}
    for run in counted:
        where = by_task.setdefault(label({key: run.settings[key] for key in context}) if context else "", {})
        group = where.setdefault(label(run.settings), Group(label(run.settings), run.settings))
        group.runs.append(run)
    tasks = [
        _task(name, list(groups.values()), metric, selection, higher) for name, groups in by_task.items()
    ]
    keys = tuple(key for key in sweep.varied if key not in context)
    return Answer(sweep, metric, selection, higher, tasks, keys)


def _task(name: str, groups: list[Group], metric: str, selection: str | None, higher: bool) -> Task:
    for group in groups:
        for place, run in enumerate(group.runs):
            seed = run.seed if run.seed is not None else -1 - place
            if metric in run.metrics:
                group.values[seed] = run.metrics[metric]
            if selection in run.metrics and metric in run.metrics:
                group.selection[seed] = run.metrics[str(selection)]
        group.summary = summarise(group.values.values())
        group.chosen = summarise(group.selection.values())
    ranking = compare(
        {group.label: group.values for group in groups},
        higher_is_better=higher,
        selection={group.label: group.selection for group in groups} if selection else None,
    )
    for group in groups:
        group.verdict = ranking.verdict(group.label)
        group.comparison = ranking.comparisons.get(group.label)

    def order(group: Group) -> tuple[bool, bool, float]:
        mean = group.summary.mean
        return (
            group.verdict != "winner",
            mean is None,
            (-mean if higher else mean) if mean is not None else 0.0,
        )

    return Task(name, sorted(groups, key=order), ranking)


def _metric(runs: Sequence[Run], wanted: str | None) -> str:
    finished = [run for run in runs if run.metrics]
    found = Counter(name for run in finished for name in run.metrics)
    if wanted is not None:
        for name in (wanted, f"test/{wanted}"):
            if name in found:
                return name
        if not found:
            return wanted if "/" in wanted else f"test/{wanted}"
        there = ", ".join(sorted(name for name in found if name.count("/") == 1))
        raise RunError(f"--metric {wanted}: no run has it; there are {there}")
    usual = [name for name in METRICS if 2 * found[name] >= max(1, len(finished))]
    return next(iter(usual or [name for name in METRICS if found[name]]), METRICS[0])


def left_out(found: Answer) -> list[Run]:
    """The runs that count for nothing in the table: those that did not finish, and repeats of others."""
    return [run for run in found.sweep.runs if run.repeats or found.metric not in run.metrics]
