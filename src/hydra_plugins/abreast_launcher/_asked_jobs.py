"""The jobs of a search's stack: as many are asked for as there are free lanes, by the epochs trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from hydra.core.utils import JobReturn

from abreast.config.targets import own_targets
from abreast.metrics.objective import ranked_by
from abreast.stacking.build import Job, Outcome
from abreast.stacking.grouping import shared_settings, split_key
from abreast.stacking.rungs import recorded_cost
from abreast.stacking.waiting import Phase, Reached, phase
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob
from hydra_plugins.abreast_launcher._stacks import stack_job
from hydra_plugins.abreast_launcher._waiting import WaitingJobs


class Trial(NamedTuple):
    """A run that a search wants.

    Attributes:
        number: Its number in the search.
        overrides: Its overrides.
        title: What sets it apart from the other trials.
        joined: Epochs that the search's stacks had trained when it began, or would have begun.
        promoted: The rung from which it continues; 0 for none.
        is_begun: Whether a search that was stopped has asked for it.
    """

    number: int
    overrides: list[str]
    title: str
    joined: int
    promoted: int = 0
    is_begun: bool = False


class Arrival(NamedTuple):
    """A trial that has reached a rung of successive halving.

    Attributes:
        number: Its number in the search.
        rung: Epochs that it has trained.
        split: What is equal for trials that can be compared.
        cost: What they are compared by, the lower the better.
    """

    number: int
    rung: int
    split: str
    cost: float


class Search(Protocol):
    """Suggests trials, and is told how they ended. Its clock counts the epochs of its stacks."""

    @property
    def latest(self) -> int:
        """The clock of the latest event that was noted; what follows from earlier ones is known."""

    @property
    def left(self) -> int:
        """Trials that may still be trained, or continue."""

    def ask(self, count: int, clock: int) -> Sequence[Trial]:
        """The next trials; fewer where there are no more."""

    def halve(self, rungs: Sequence[int], keep: float) -> None:
        """Compare trials after these epochs, and let so large a share of them continue."""

    def joins(self, number: int, joined: int) -> None:
        """Note that a trial begins at another time than it was asked for."""

    def reach(self, arrivals: Sequence[Arrival], clock: int) -> Mapping[int, str]:
        """The trials that are to be dropped at a rung, with their rank in words."""

    def tell(self, number: int, returned: JobReturn, clock: int) -> None:
        """Take note of how a trial ended."""


class AskedJobs(WaitingJobs):
    """Asks for as many jobs as there are free lanes.

    Whatever is asked, compared and told follows from the clock: epochs that the search's stacks have trained.
    When a search is resumed, its jobs continue from several checkpoints. Each becomes a lane when the clock
    is where it was then; and nothing is asked before the clock of the latest event that is known.

    Args:
        jobs: The jobs of the first lanes.
        search: Compares jobs at rungs.
        ask: Gives at most so many more, at a time by the clock.
        ended: Is called with each job that has ended, and the clock.
        hydra: Begins and ends them.
        rungs: Epochs after which jobs are compared.

    Attributes:
        clock: Epochs that the stacks have trained.
        aside: Jobs that cannot be lanes beside the others.
        individual: Jobs that cannot be lanes at all, and why.
    """

    is_open = True

    def __init__(
        self,
        jobs: Sequence[SweepJob],
        search: Search,
        ask: Callable[[int, int], Sequence[SweepJob]],
        ended: Callable[[SweepJob, int], None],
        hydra: HydraJobs,
        rungs: Sequence[int] = (),
    ) -> None:
        super().__init__([run_of(job) for job in jobs], jobs, hydra, stops=False)
        self.search = search
        self.rungs = rungs
        self.clock = clock_of(jobs[0])
        self._ask = ask
        self._has_ended = ended
        self._base = 0  # epochs before the stack's own count
        self._later: list[SweepJob] = []
        self.aside: list[SweepJob] = []
        self.individual: list[tuple[SweepJob, str]] = []
        self._first = jobs[0]
        self._targets = {name for job in jobs for name in own_targets(job.run_config or {})}

    def __len__(self) -> int:
        return super().__len__() + len(self._later) + self.search.left

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """The known jobs whose turn it is, and others that are asked for now."""
        if at is None:
            self._begin_stack()
        else:
            self.clock = self._base + epochs
        self._let_wait()
        begins_epoch = (self._next_phase() if at is None else at) == (0, 0)
        missing = count - super().__len__()
        if missing > 0 and begins_epoch and not self._later and self.clock >= self.search.latest:
            for job in self._ask(missing, self.clock):
                self.admit(job)
            self._let_wait()
        jobs = [self._now(job) for job in super().take(count, at, epochs)]
        if at is None and jobs:  # one that resumes counts from where the first of its lanes is
            self._base = 0 if any(job.position != (0, 0) for job in jobs) else self.clock
        return jobs

    def _begin_stack(self) -> None:
        """Set the clock for the next stack: that of its jobs, or else one at which it may validate."""
        if super().__len__():
            return
        if self._later:
            self.clock = max(self.clock, min(map(clock_of, self._later)))
        else:
            self.clock = max(self.clock, self.search.latest)
        self.clock = on_validation(self.clock, self._first)

    def _next_phase(self) -> Phase:
        return next((at for at, jobs in self._by_phase.items() if jobs), (0, 0))

    def _let_wait(self) -> None:
        """Let jobs wait whose turn it is; until it was each one's, none is asked for."""
        for job in [job for job in self._later if clock_of(job) <= self.clock]:
            self._later.remove(job)
            self.add(run_of(job), job)

    def _now(self, job: Job) -> Job:
        """The job, as one that becomes a lane now: perhaps later than it was asked for."""
        joined = self.clock - job.position[0]
        if joined != job.joined:
            sweep_job = self.sweep_job(job)
            sweep_job.joined = joined
            self.search.joins(sweep_job.number, joined)
        return replace(job, joined=joined)

    def admit(self, job: SweepJob) -> None:
        """Let a job wait for its turn if it can be a lane beside the others."""
        config = job.run_config or {}
        fits = shared_settings(config) == shared_settings(self._first.run_config or {})
        fits = fits and not job.position[1] and all(map(self._may_be_made, own_targets(config)))
        (self._later if fits else self.aside).append(job)

    def _may_be_made(self, target: str) -> bool:
        """Whether Hydra lets the stack's process make what a job names; see `engines.work.train`."""
        return target in self._targets or f"{target.partition('.')[0]}.*" in self._targets

    def reach(self, reached: Sequence[Reached], epochs: int) -> Mapping[Path, str]:
        """Compare jobs, with those that have come as far but are no lanes yet, as they are resumed."""
        self.clock = self._base + epochs
        jobs = {run.directory: self._sweep_jobs[run.directory] for run in reached}
        costs = {run.directory: run.cost for run in reached}
        for job in self._later if self.rungs else ():
            if clock_of(job) == self.clock and job.position[0] in self.rungs:
                path = job.directory.path.absolute()
                jobs[path], costs[path] = job, recorded_cost(job.directory, *ranked_by(job.run_config or {}))
        rungs = {run.directory: run.rung for run in reached}
        arrivals = {}
        for path, job in jobs.items():
            rung, value = rungs.get(path, job.position[0]), costs[path]
            if value is not None and rung > job.promoted:
                split = split_key(job.run_config or {})
                arrivals[path] = Arrival(job.number, rung, split, math.inf if math.isnan(value) else value)
        dropped = self.search.reach(list(arrivals.values()), self.clock) if arrivals else {}
        return {path: dropped[run.number] for path, run in arrivals.items() if run.number in dropped}

    def end(self, job: Job, outcome: Outcome) -> None:
        """Tell the search how the job ended, unless it is still to be trained."""
        super().end(job, outcome)
        sweep_job = self.sweep_job(job)
        if outcome.not_stacked is None:
            self._has_ended(sweep_job, self.clock)
        else:
            self.individual.append((sweep_job, outcome.not_stacked))


def run_of(job: SweepJob) -> Job:
    """What a stack is told of a search's job."""
    return replace(stack_job(job, job.directory.path), joined=job.joined)


def clock_of(job: SweepJob) -> int:
    """The clock where the job continues."""
    return job.joined + job.position[0]


def ended_at(job: SweepJob) -> int:
    """The clock where a job ended, whose end an earlier process had no time to tell."""
    status, epochs = job.directory.read_status(), len(job.directory.read_metrics())
    if status["status"] == "failed":  # its last epoch is not complete
        epochs += 1
    return on_validation(job.joined + epochs, job)


def on_validation(clock: int, job: SweepJob) -> int:
    """The clock where the job's stack validates next, at that clock or later."""
    every = (job.run_config or {})["trainer"].get("check_val_every_n_epoch") or 1
    return clock + -clock % int(every)


def same_start(job: SweepJob) -> tuple[str, Phase, int]:
    """What is equal for jobs that can be lanes from the start."""
    run = run_of(job)
    return shared_settings(run.cfg), phase(run), clock_of(job)
