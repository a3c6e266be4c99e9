"""The runs of a sweep in groups that differ only in the seed, and the groups compared with the best one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from abreast.report.collect import Sweep
from abreast.report.run import Run
from abreast.report.settings import Settings
from abreast.report.splits import Splits
from abreast.runs.chance import Chance, chance_of
from abreast.statistics.comparison import Comparison, Verdict
from abreast.statistics.ranking import Ranking
from abreast.statistics.summary import Summary


@dataclass
class Group:
    """Runs that differ only in the seed, or in the seed and the split of the data.

    Attributes:
        label: The settings as on the command line, unlike that of any other group.
        settings: The settings that all runs of the group have in common.
        key: The exact identity of the settings.
        runs: The runs, whatever their status.
        values: The metric by repeat (`Run.repeat`), of the runs that have it and did better than guessing.
        collapsed: The metric by repeat, of the runs that ended at chance.
        selection: The validation metric by repeat, of the runs in `values`.
        summary: Mean and interval of `values`, or of their means by split where there are several splits.
        selection_summary: Mean and interval of `selection`.
        verdict: How the group compares with the winner.
        comparison: The comparison with the winner; None for the winner and for a group without values.
        unit: What `summary` counts: `seed`, `split` or `fold`.
    """

    label: str
    settings: Settings
    key: Hashable = None
    runs: list[Run] = field(default_factory=list)
    values: dict[Hashable, float] = field(default_factory=dict)
    collapsed: dict[Hashable, float] = field(default_factory=dict)
    selection: dict[Hashable, float] = field(default_factory=dict)
    summary: Summary = field(default_factory=lambda: Summary(0, None))
    selection_summary: Summary = field(default_factory=lambda: Summary(0, None))
    verdict: Verdict = "untested"
    comparison: Comparison | None = None
    unit: str = "seed"

    def count(self, status: str) -> int:
        """Count the runs with a status."""
        return sum(run.status == status for run in self.runs)

    @property
    def ended(self) -> int:
        """Number of runs that finished or failed."""
        return self.count("finished") + self.count("failed")

    @property
    def chance(self) -> Chance | None:
        """What guessing reaches on the test examples of the runs that ended at chance; None if none did."""
        return next((chance_of(run.result) for run in self.runs if run.is_collapsed), None)

    @property
    def failure_rate(self) -> float | None:
        """Share of failed runs among those that ended, in [0, 1]; None if none ended."""
        return self.count("failed") / self.ended if self.ended else None

    @property
    def collapse_rate(self) -> float | None:
        """Share of runs that ended at chance among those with the metric, in [0, 1]; None without any."""
        runs = len(self.values) + len(self.collapsed)
        return len(self.collapsed) / runs if runs else None

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
        return next((run for run in self.runs if run.repeat == seed and run.status == "finished"), None)


@dataclass
class Task:
    """The groups of one task.

    Attributes:
        label: The settings of the data; empty if the whole sweep has one task.
        groups: The winner first, the others by their mean, those without values last.
        ranking: The comparisons with the winner.
        splits: The splits of the data that the runs were trained on.
        evidence: By metric, the `ExampleEvidence` that was asked for since the groups were last ranked.
    """

    label: str
    groups: list[Group]
    ranking: Ranking
    splits: Splits = field(default_factory=Splits)
    evidence: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

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
        self.evidence.clear()
        for group in self.groups:
            lost = bool(group.collapsed and not group.values)
            group.verdict = "collapsed" if lost else ranking.verdict(group.label)
            group.comparison = ranking.comparisons.get(group.label)
            group.summary = ranking.summaries.get(group.label, group.summary)


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
        margin: The difference up to which groups are equivalent, in the metric's unit; None without one.
        notes: What else limits the conclusions, a sentence each.
    """

    sweep: Sweep
    metric: str
    selection: str | None
    higher_is_better: bool
    tasks: list[Task]
    keys: tuple[str, ...]
    margin: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[Group]:
        """The groups of all tasks."""
        return [group for task in self.tasks for group in task.groups]

    def excluded_runs(self) -> list[Run]:
        """Return the runs that no mean includes: those without the metric, at chance, and duplicates."""
        return [
            run
            for run in self.sweep.runs
            if run.duplicate_of or run.is_collapsed or self.metric not in run.metrics
        ]
