"""What another test set would change: the outcomes of the test examples of a task's groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.report.formatting import metric_title
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import Run
from abreast.runs.example_outcomes import CORRECT, SQUARED_ERROR, ExampleOutcomes, read_example_outcomes
from abreast.runs.files import EXAMPLES
from abreast.statistics.examples import CrossedInterval, crossed_difference, crossed_mean

# What the outcomes of examples say something about: the accuracy itself, and what squared errors stand for.
KINDS = {
    "test/accuracy": CORRECT,
    "test/r2": SQUARED_ERROR,
    "test/mae": SQUARED_ERROR,
    "test/loss": SQUARED_ERROR,
}
MOST_VALUES = 1 << 25  # runs times examples of a task
ROUNDING = 1e-6  # of the accuracy in result.json


@dataclass(frozen=True)
class GroupEvidence:
    """How far a group's mean, and its difference from the winner's, reach beyond these seeds and examples.

    Attributes:
        group: The group.
        mean: The group's mean.
        difference: The group's mean minus the winner's; None for the winner, and where it has no outcomes.
    """

    group: Group
    mean: CrossedInterval
    difference: CrossedInterval | None


@dataclass(frozen=True)
class ExampleEvidence:
    """The groups of a task that have outcomes on the same test examples.

    Attributes:
        title: What is averaged, such as `test accuracy`.
        is_metric: Whether that is the metric that groups are compared by.
        examples: The number of test examples.
        groups: The groups, in the order of the task.
        left_out: Why the other groups that have values are left out, by their label.
    """

    title: str
    is_metric: bool
    examples: int
    groups: list[GroupEvidence]
    left_out: dict[str, str] = field(default_factory=dict)

    def unsettled(self) -> list[GroupEvidence]:
        """The groups that are worse or better on these examples, but perhaps not on others."""
        return [
            evidence
            for evidence in self.groups
            if evidence.group.verdict in ("worse", "better")
            and evidence.difference is not None
            and evidence.difference.low <= 0 <= evidence.difference.high
        ]

    def as_json(self) -> Json:
        """The figures, as plain data."""
        return {
            "measured": self.title,
            "examples": self.examples,
            "groups": [
                {
                    "group": evidence.group.label,
                    "mean": _interval_json(evidence.mean),
                    "difference": evidence.difference and _interval_json(evidence.difference),
                }
                for evidence in self.groups
            ],
            "left_out": self.left_out,
        }


def example_evidence(task: Task, analysis: Analysis) -> ExampleEvidence | None:
    """Read which test examples the runs of a task got right, and what follows from it.

    Args:
        task: The groups.
        analysis: The analysis that they are from.

    Returns:
        The evidence; None if the groups are compared by something else, or no run has kept its outcomes. It
        is the task's until the task is ranked anew, so that all who ask for it read the files once.
    """
    metric = analysis.metric
    if metric not in task.evidence:
        kind = KINDS.get(metric)
        task.evidence[metric] = None if kind is None else _evidence(task, metric, kind)
    return cast("ExampleEvidence | None", task.evidence[metric])


def _evidence(task: Task, metric: str, kind: str) -> ExampleEvidence | None:
    left_out: dict[str, str] = {}
    read: list[_Read] = []
    for group in task.groups:
        runs = [run for run in group.runs if metric in run.metrics]
        runs = [run for run in runs if not run.duplicate_of and not run.is_collapsed]  # those of the mean
        most = MOST_VALUES - sum(len(outcomes.values) for one in read for outcomes in one.outcomes)
        try:
            read += [_read(group, runs, kind, most)] if runs else []
        except RunError as error:
            left_out[group.label] = str(error)
    common = Counter(outcomes.targets for one in read for outcomes in one.outcomes).most_common(1)
    kept: list[_Read] = []
    for one in read:
        targets = {outcomes.targets for outcomes in one.outcomes}
        if targets == {common[0][0]}:
            kept.append(one)
        else:
            several = "different test examples" if len(targets) > 1 else "other test examples"
            left_out[one.group.label] = f"its runs were tested on {several}"
    # Losses may differ in what they ignore.
    counted = np.logical_and.reduce([outcomes.counted for one in kept for outcomes in one.outcomes])
    if not kept or counted.sum() < 2:
        return None
    values = {
        id(one.group): np.stack([outcomes.values[counted] for outcomes in one.outcomes]) for one in kept
    }
    reference = next((one for one in kept if one.group is task.winner), None)
    evidence = []
    for one in kept:
        difference = None
        if reference is not None and one is not reference:
            difference = crossed_difference(
                values[id(one.group)], values[id(reference.group)], same_seeds=one.seeds == reference.seeds
            )
        evidence.append(GroupEvidence(one.group, crossed_mean(values[id(one.group)]), difference))
    is_metric = kind == CORRECT
    title = metric_title(metric) if is_metric else "test mean squared error"
    return ExampleEvidence(title, is_metric, int(counted.sum()), evidence, left_out)


@dataclass(frozen=True)
class _Read:
    """A group's outcomes, run by run, in the order of the seeds."""

    group: Group
    seeds: tuple[object, ...]  # of runs without a seed: the runs themselves, as they have nothing in common
    outcomes: list[ExampleOutcomes]


def _read(group: Group, runs: Sequence[Run], kind: str, most: int) -> _Read:
    """Read a group's outcomes; RunError says why there are none."""
    runs = sorted(runs, key=lambda run: (run.seed is None, run.seed or 0))
    missing = sum(not (run.path / EXAMPLES).exists() for run in runs)
    if missing:
        raise RunError(f"{missing} of {len(runs)} runs kept no {EXAMPLES}")
    read = []
    for run in runs:
        outcomes = read_example_outcomes(run.path / EXAMPLES)
        most -= len(outcomes.values)
        if most < 0:
            raise RunError(f"more than {MOST_VALUES} outcomes of examples in all")
        if outcomes.kind != kind or not np.isfinite(outcomes.values).all():
            raise RunError(f"{run.name}: {EXAMPLES} holds {outcomes.kind}, not finite {kind}")
        if kind == CORRECT:
            accuracy = outcomes.values.sum() / max(1, int(outcomes.counted.sum()))
            if abs(accuracy - run.metrics["test/accuracy"]) > ROUNDING:
                raise RunError(f"{run.name}: {EXAMPLES} and result.json disagree")
        read.append(outcomes)
    return _Read(group, tuple(run.path if run.seed is None else run.seed for run in runs), read)


def _interval_json(interval: CrossedInterval) -> Json:
    return {
        "value": interval.mean,
        "runs": interval.runs,
        "examples": interval.examples,
        "another_test_set": interval.move,
        "low": interval.low,
        "high": interval.high,
        "seed_sd": interval.seed_sd,
    }
