"""What the jobs of a multirun would come to: which are left to train, in which stacks, or individually."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from abreast.errors import ConfigError, RunError
from abreast.stacking.grouping import UNMATCHED, plan
from abreast.validation.preflight import sweep_overrides_of, values_of
from hydra_plugins.abreast_launcher._composing import Composer
from hydra_plugins.abreast_launcher._jobs import Checked, SweepJob, compose, identify, why_invalid
from hydra_plugins.abreast_launcher.engines.choose import LOCAL

ENDED = ("finished", "dropped")


@dataclass(frozen=True)
class Batch:
    """Jobs that a sweeper hands over at once.

    Attributes:
        name: What it is called; "" for the only one.
        overrides: The overrides of each job.
        is_certain: Whether it is run whatever the results of those before.
        are_settings_known: Whether the jobs will have these settings, and not others of the same kind.
        lanes: Jobs at a time, if each is asked for when a lane is free; None if all are handed over.
    """

    name: str
    overrides: Sequence[Sequence[str]]
    is_certain: bool = True
    are_settings_known: bool = True
    lanes: int | None = None


@dataclass
class PlannedBatch:
    """What a batch comes to.

    Attributes:
        batch: The batch.
        repeated: How many jobs ask for a run that another one asks for.
        finished: How many were finished by an earlier start of the same command.
        invalid: What is wrong with jobs, by the message.
        stacks: The jobs of each stack.
        individual: The jobs that are trained individually, by the reason why.
        most_lanes: The most jobs of a stack that are trained at a time.
    """

    batch: Batch
    repeated: int = 0
    finished: int = 0
    invalid: dict[str, int] = field(default_factory=dict)
    stacks: list[list[SweepJob]] = field(default_factory=list)
    individual: dict[str, list[SweepJob]] = field(default_factory=dict)
    most_lanes: int | None = None


def batches(config: DictConfig, loader: ConfigLoader) -> list[Batch]:
    """The batches of a multirun's sweeper.

    Raises:
        ConfigError: The sweeper chooses its runs in a way that is not known here.
    """
    sweeper = str(config.hydra.runtime.choices.get("hydra/sweeper"))
    settings = config.hydra.sweeper
    if sweeper == "basic":
        jobs = [list(values) for values in product(*values_of(config).values())]
        most = settings.get("max_batch_size") or len(jobs)
        return [Batch("", jobs[at : at + most]) for at in range(0, len(jobs), most)]
    if sweeper == "abreast_study":
        from abreast.study.run import prepare

        protocol = prepare(config, loader).protocol
        repeats = protocol.repeat_runs([0] * len(protocol.cells))
        return [
            Batch("tuning", protocol.tuning_runs()),
            Batch("repeats", repeats, are_settings_known=False),
        ]
    if sweeper == "abreast_decide":
        from abreast.study.decide.run import prepare_decision

        decision = prepare_decision(config, loader)
        return [
            Batch("waves", decision.runs(seeds), is_certain=number == 0)
            for number, seeds in enumerate(decision.waves())
        ]
    if sweeper == "abreast_search":
        trials = list(_trials(config))
        size = int(settings.batch)
        if _asks(config.hydra):
            lanes = min(size, int(config.hydra.launcher.max_lanes))
            return [Batch("trials", trials, are_settings_known=False, lanes=lanes)]
        return [
            Batch("trials", trials[at : at + size], are_settings_known=False)
            for at in range(0, len(trials), size)
        ]
    raise ConfigError(
        f"hydra/sweeper={sweeper} chooses its runs while it trains, so that they cannot be planned; plan one "
        "of its runs: leave out the sweeper, -m and the swept values"
    )


def _asks(hydra: Any) -> bool:
    """Whether a search asks for a trial when a lane is free, as `launcher.launch_asked` says."""
    if hydra.runtime.choices.get("hydra/launcher") != "abreast":
        return False
    return bool(hydra.launcher.engine == LOCAL and hydra.launcher.devices == 1)


def _trials(config: DictConfig) -> Iterator[list[str]]:
    """Trials that a search might make: all combinations of listed values in turn, each interval evenly."""
    listed, trials = values_of(config), int(config.hydra.sweeper.n_trials)
    intervals: dict[str, Any] = {
        override.get_key_element(): override.value()
        for override in OverridesParser.create().parse_overrides(sweep_overrides_of(config))
        if override.is_interval_sweep()
    }
    combinations = [list(values) for values in product(*listed.values())]
    for number in range(trials if intervals else min(trials, len(combinations))):
        share = (number + 0.5) / trials
        drawn = {key: value.start + share * (value.end - value.start) for key, value in intervals.items()}
        yield [
            *combinations[number % len(combinations)],
            *(f"{key}={_like(intervals[key].start, value)}" for key, value in drawn.items()),
        ]


def _like(end: float, value: float) -> float:
    """The value as an integer where the interval's end is one."""
    return round(value) if isinstance(end, int) else value


def plan_batch(composer: Composer, batch: Batch, first: int) -> PlannedBatch:
    """Plan a batch, as the multirun's launcher would run it. Nothing is written.

    Args:
        composer: Composes the jobs.
        batch: The batch.
        first: The number of its first job.
    """
    hydra = composer.sweep_config.hydra
    launcher = str(hydra.runtime.choices.get("hydra/launcher"))
    stacks = launcher == "abreast"
    result = PlannedBatch(batch)
    checked: Checked = {}
    jobs = compose(composer, batch.overrides, first)
    for job in jobs:
        message = why_invalid(job, hydra.launcher.get("matmul_precision") if stacks else None, checked)
        if message is not None:
            result.invalid[message] = result.invalid.get(message, 0) + 1
    valid = [job for job in jobs if job.run_config is not None]
    if launcher != "basic":
        identify(jobs)
    if stacks:
        unique = list({job.id: job for job in reversed(valid)}.values())[::-1]
        result.repeated = len(valid) - len(unique)
        valid = unique
    left = [job for job in valid if not _has_ended(job)]
    result.finished = len(valid) - len(left)
    if stacks:
        most = int(hydra.launcher.max_lanes)
        waits = batch.lanes is not None or (hydra.launcher.halving is None and most > 1)
        planned = plan([job.run_config or {} for job in left], max(1, len(left)) if waits else most)
        result.most_lanes = batch.lanes or most
        result.stacks = [[left[number] for number in stack] for stack in planned.stacks]
        result.individual = {
            reason: [left[number] for number in numbers] for reason, numbers in planned.individual.items()
        }
        if batch.lanes is not None:  # a trial is a lane also where no other one is
            result.stacks += [[job] for job in result.individual.pop(UNMATCHED, [])]
        if len(jobs) == 1 and UNMATCHED in result.individual:
            result.individual = {"it is the only run": left}
    elif left:
        result.individual[f"hydra/launcher={launcher} trains no stacks"] = left
    return result


def _has_ended(job: SweepJob) -> bool:
    """Whether an earlier start of the command has finished the run; looked at, and nothing else."""
    try:
        status = job.directory.read_status()
    except RunError:
        return False
    return status.get("status") in ENDED or "diverged_at" in status
