"""The runs of a sweep in groups that differ only in the seed, and the groups compared with the best one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from abreast.errors import RunError
from abreast.metrics.registry import by_priority, direction
from abreast.report.collect import Sweep
from abreast.report.run import Run
from abreast.report.settings import Settings, settings_label
from abreast.statistics.comparison import Comparison, Verdict
from abreast.statistics.ranking import Ranking, compare
from abreast.statistics.summary import Summary, summarise

# By default runs are compared by the first of these that most of them have. The loss comes last in its stage:
# runs may be trained on different losses, whose scales differ.
DEFAULT_METRICS = tuple(
    f"{stage}/{metric.name}"
    for stage in ("test", "val", "train")
    for metric in by_priority()
    if not metric.test_only
)
# Settings that change the task: results on different tasks are not compared.
TASK_GROUPS = ("data",)
NOT_TASK = ("data.batch_size", "data.normalize", "data.shuffle")


@dataclass
class Group:
    """Runs that differ only in the seed.

    Attributes:
        label: The settings as on the command line.
        settings: The settings that all runs of the group have in common.
        runs: The runs, whatever their status.
        values: The metric by seed, of the runs that have it.
        selection: The validation metric by seed, of the same runs.
        summary: Mean and interval of `values`.
        selection_summary: Mean and interval of `selection`.
        verdict: How the group compares with the winner.
        comparison: The comparison with the winner; None for the winner and for a group without values.
    """

    label: str
    settings: Settings
    runs: list[Run] = field(default_factory=list)
    values: dict[int, float] = field(default_factory=dict)
    selection: dict[int, float] = field(default_factory=dict)
    summary: Summary = field(default_factory=lambda: Summary(0, None))
    selection_summary: Summary = field(default_factory=lambda: Summary(0, None))
    verdict: Verdict = "untested"
    comparison: Comparison | None = None

    def count(self, status: str) -> int:
        """Count the runs with a status."""
        return sum(run.status == status for run in self.runs)

    @property
    def ended(self) -> int:
        """Number of runs that finished or failed."""
        return self.count("finished") + self.count("failed")

    @property
    def failure_rate(self) -> float | None:
        """Share of failed runs among those that ended, in [0, 1]; None if none ended."""
        return self.count("failed") / self.ended if self.ended else None

    @property
    def seconds(self) -> float | None:
        """Mean training time of the finished runs."""
        times = [run.seconds for run in self.runs if run.status == "finished" and run.seconds is not None]
        return sum(times) / len(times) if times else None

    def best_run(self, higher_is_better: bool) -> Run | None:
        """Return the run with the best validation metric, or without validation the best metric."""
        by_seed = self.selection or self.values
        if not by_seed:
            return None
        seed = (max if higher_is_better else min)(by_seed, key=lambda seed: by_seed[seed])
        return next((run for run in self.runs if run.seed == seed and run.status == "finished"), None)


@dataclass
class Task:
    """The groups of one task.

    Attributes:
        label: The settings of the data; empty if the whole sweep has one task.
        groups: The winner first, the others by their mean, those without values last.
        ranking: The comparisons with the winner.
    """

    label: str
    groups: list[Group]
    ranking: Ranking

    @property
    def winner(self) -> Group | None:
        """The group that all others are compared with."""
        return next((group for group in self.groups if group.label == self.ranking.winner), None)

    @property
    def best(self) -> list[Group]:
        """The winner and the groups that are not significantly worse."""
        return [group for group in self.groups if group.label in self.ranking.best]

    def rank(self, ranking: Ranking) -> None:
        """Take over a ranking's verdicts."""
        self.ranking = ranking
        for group in self.groups:
            group.verdict = ranking.verdict(group.label)
            group.comparison = ranking.comparisons.get(group.label)


@dataclass
class Analysis:
    """A sweep analysed by one metric.

    Attributes:
        sweep: The runs.
        metric: The metric that groups are compared by, such as `test/accuracy`.
        selection: The validation metric that selected the winners; None if there is none.
        higher_is_better: Direction of the metric.
        tasks: The groups of each task.
        keys: The settings in which groups of one task differ.
    """

    sweep: Sweep
    metric: str
    selection: str | None
    higher_is_better: bool
    tasks: list[Task]
    keys: tuple[str, ...]

    @property
    def groups(self) -> list[Group]:
        """The groups of all tasks."""
        return [group for task in self.tasks for group in task.groups]

    def excluded_runs(self) -> list[Run]:
        """Return the runs that no mean includes: those without the metric, and duplicates."""
        return [run for run in self.sweep.runs if run.duplicate_of or self.metric not in run.metrics]


def analyse(sweep: Sweep, metric: str | None = None) -> Analysis:
    """Group the runs of a sweep, summarise each group and compare it with the best one.

    Args:
        sweep: The runs.
        metric: The metric to compare by, such as `test/accuracy` or `accuracy`; by default the first of
            `DEFAULT_METRICS` that at least half of the finished runs have.

    Returns:
        The analysis, with one winner for each task.

    Raises:
        RunError: If no run has the metric.
    """
    counted = [run for run in sweep.runs if run.config and not run.duplicate_of]
    metric = _choose_metric(counted, metric)
    selection = None if metric.startswith("val/") else f"val/{metric.partition('/')[2]}"
    if selection and not any(selection in run.metrics for run in counted):
        selection = None
    higher_is_better = direction(metric) == "max"
    context = [key for key in sweep.varied if key.split(".")[0] in TASK_GROUPS and key not in NOT_TASK]
    by_task: dict[str, dict[str, Group]] = {}
    for run in counted:
        task_label = settings_label({key: run.settings[key] for key in context}) if context else ""
        groups = by_task.setdefault(task_label, {})
        label = settings_label(run.settings)
        groups.setdefault(label, Group(label, run.settings)).runs.append(run)
    tasks = [
        _task(label, list(groups.values()), metric, selection, higher_is_better)
        for label, groups in by_task.items()
    ]
    keys = tuple(key for key in sweep.varied if key not in context)
    return Analysis(sweep, metric, selection, higher_is_better, tasks, keys)


def _task(
    label: str, groups: list[Group], metric: str, selection: str | None, higher_is_better: bool
) -> Task:
    for group in groups:
        for index, run in enumerate(group.runs):
            seed = run.seed if run.seed is not None else -1 - index
            if metric in run.metrics:
                group.values[seed] = run.metrics[metric]
            if selection in run.metrics and metric in run.metrics:
                group.selection[seed] = run.metrics[str(selection)]
        group.summary = summarise(group.values.values())
        group.selection_summary = summarise(group.selection.values())
    ranking = compare(
        {group.label: group.values for group in groups},
        higher_is_better=higher_is_better,
        selection={group.label: group.selection for group in groups} if selection else None,
    )

    def order(group: Group) -> tuple[bool, bool, float]:
        mean = group.summary.mean
        signed = 0.0 if mean is None else -mean if higher_is_better else mean
        return (group.label != ranking.winner, mean is None, signed)

    task = Task(label, sorted(groups, key=order), ranking)
    task.rank(ranking)
    return task


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
