"""Trains trials that a search asks for while others are trained: the next one when a lane is free."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from hydra.core.utils import JobReturn, JobStatus, setup_globals

from abreast.config.targets import own_targets
from abreast.errors import Interrupted, RunError
from abreast.runs.replaced import clear
from abreast.stacking.build import Job, Outcome
from abreast.stacking.grouping import shared_settings, why_individual
from abreast.stacking.waiting import Phase, phase
from hydra_plugins.abreast_launcher._composing import Composer
from hydra_plugins.abreast_launcher._core import Sweep, report_failures, trains_runs
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob, compose
from hydra_plugins.abreast_launcher._stacks import stack_job, work_item
from hydra_plugins.abreast_launcher._waiting import WaitingJobs
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf
from hydra_plugins.abreast_launcher.engines.choose import LOCAL, choose_engine

log = logging.getLogger(__name__)


class Trial(NamedTuple):
    """A run that a search wants.

    Attributes:
        number: Its number in the search.
        overrides: Its overrides.
        title: What sets it apart from the other trials.
        joined: Epochs that its stack had trained when it was asked for.
    """

    number: int
    overrides: list[str]
    title: str
    joined: int


class Search(Protocol):
    """Suggests trials, and is told how they ended."""

    @property
    def left(self) -> int:
        """Trials that it may still suggest."""

    def ask(self, count: int, epochs: int) -> Sequence[Trial]:
        """The next trials, after so many epochs of the stack; fewer where there are no more."""

    def tell(self, number: int, returned: JobReturn) -> None:
        """Take note of how a trial ended."""


def can_ask(settings: AbreastLauncherConf, hydra: HydraJobs) -> bool:
    """Whether trials can be asked for one by one: trained in this process, and not compared by halving."""
    here = settings.engine == LOCAL and settings.devices == 1
    return here and settings.halving is None and trains_runs(hydra.task)


class AskedJobs(WaitingJobs):
    """Asks for as many jobs as there are free lanes.

    Args:
        jobs: The jobs of the first lanes.
        ask: Gives at most so many more, after so many epochs.
        left: The jobs that may still be asked for.
        hydra: Begins and ends them.
        ended: Is called with each job that has ended.

    Attributes:
        aside: Jobs that cannot be lanes beside the others.
        individual: Jobs that cannot be lanes at all, and why.
    """

    is_open = True

    def __init__(
        self,
        jobs: Sequence[SweepJob],
        ask: Callable[[int, int], Sequence[SweepJob]],
        left: Callable[[], int],
        hydra: HydraJobs,
        ended: Callable[[SweepJob], None],
    ) -> None:
        super().__init__([_run(job) for job in jobs], jobs, hydra, stops=False)
        self.ask = ask
        self.may_ask = left
        self._later: list[SweepJob] = []
        self.has_ended = ended
        self.aside: list[SweepJob] = []
        self.individual: list[tuple[SweepJob, str]] = []
        self._like = jobs[0].run_config or {}
        self._targets = {name for job in jobs for name in own_targets(job.run_config or {})}
        is_new = all(job.position[:2] == (0, 0) for job in jobs)
        self._earlier = _clock(jobs[0]) if is_new else 0  # epochs that the stack does not count

    def __len__(self) -> int:
        return super().__len__() + len(self._later) + self.may_ask()

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """The known jobs whose turn it is, and others that are asked for now."""
        epochs += self._earlier
        self._let_wait(epochs, at)
        missing = count - super().__len__()
        if missing > 0 and not self._later and (at is not None or missing == count):
            for job in self.ask(missing, epochs):
                self.admit(job)
            self._let_wait(epochs, at)
        return super().take(count, at, epochs)

    def _let_wait(self, epochs: int, at: Phase | None) -> None:
        """Let jobs wait whose turn it is after so many epochs; until it was each one's, none is asked for."""
        begins = at is None and not super().__len__()  # a stack of those alone
        for job in [job for job in self._later if begins or (at is not None and _clock(job) <= epochs)]:
            self._later.remove(job)
            self.add(_run(job), job)

    def admit(self, job: SweepJob) -> None:
        """Let a job wait for its turn if it can be a lane beside the others."""
        config = job.run_config or {}
        fits = shared_settings(config) == shared_settings(self._like)
        fits = fits and not job.position[1] and all(map(self._may_be_made, own_targets(config)))
        (self._later if fits else self.aside).append(job)

    def _may_be_made(self, target: str) -> bool:
        """Whether Hydra lets the stack's process make what a job names; see `engines.work.train`."""
        return target in self._targets or f"{target.partition('.')[0]}.*" in self._targets

    def end(self, job: Job, outcome: Outcome) -> None:
        """Tell the search how the job ended, unless it is still to be trained."""
        super().end(job, outcome)
        sweep_job = self.sweep_job(job)
        if outcome.not_stacked is None:
            self.has_ended(sweep_job)
        else:
            self.individual.append((sweep_job, outcome.not_stacked))


def _run(job: SweepJob) -> Job:
    return replace(stack_job(job, job.directory.path), joined=job.joined)


class Trials:
    """The trials of a search, trained side by side.

    Args:
        settings: The launcher's settings.
        hydra: Composes, begins and ends jobs.
        search: Suggests the trials.
        width: The most trials at a time.
    """

    def __init__(self, settings: AbreastLauncherConf, hydra: HydraJobs, search: Search, width: int) -> None:
        self.settings = replace(settings, max_lanes=min(width, settings.max_lanes))
        self.hydra = hydra
        self.search = search
        self.width = width
        self._composer = Composer(hydra.context.config_loader, hydra.config)
        self._jobs: list[SweepJob] = []

    def run(self) -> None:
        """Train until the search has no more."""
        setup_globals()
        self.hydra.configure_log()
        self.hydra.sweep_dir.mkdir(parents=True, exist_ok=True)
        try:
            jobs: Sequence[SweepJob] = self._ask(self.width, 0)
            while jobs or self.search.left:
                jobs = self._train(jobs) if jobs else self._ask(self.width, 0)
        except (Interrupted, KeyboardInterrupt):
            log.info("Stopped. To resume %s, run the same command again", self.hydra.sweep_dir)
            raise
        report_failures(self._jobs)

    def _ask(self, count: int, epochs: int) -> list[SweepJob]:
        """The jobs of the next trials; those that need no training have ended."""
        jobs: list[SweepJob] = []
        for trial in self.search.ask(count, epochs):
            (job,) = compose(self._composer, [trial.overrides], trial.number)
            job.title, job.joined = trial.title, trial.joined
            jobs.append(job)
        remaining = Sweep(self.settings, self.hydra, jobs).prepare() if jobs else []
        for job in jobs:
            if job not in remaining:
                self._end(job)
        self._jobs += jobs
        return remaining

    def _end(self, job: SweepJob) -> None:
        if job.returned is None:
            error = RunError("another trial of the same search is this run")
            job.returned = JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)
        self.search.tell(job.number, job.returned)

    def _train(self, jobs: Sequence[SweepJob]) -> list[SweepJob]:
        """Train those of the jobs that can be lanes of one stack, and others that are asked for meanwhile.

        Returns:
            The jobs that are left.
        """
        reasons = [(job, why_individual(job.run_config or {})) for job in jobs]
        for job, reason in reasons:
            if reason is not None:
                self._run_individually(job, reason)
        jobs = [job for job, reason in reasons if reason is None]
        if not jobs:
            return []
        first = min(jobs, key=_clock)  # others join when the stack has trained as many epochs as before
        lanes = [job for job in jobs if _key(job) == _key(first)]
        waiting = AskedJobs(lanes, self._ask, lambda: self.search.left, self.hydra, self._end)
        for job in jobs:
            if job not in lanes:
                waiting.admit(job)
        log.info("Training %d trials at a time, the next when a lane is free", self.settings.max_lanes)
        item = replace(work_item(self.settings, [_run(job) for job in lanes]), waiting=waiting)
        outcomes = next(choose_engine(LOCAL)([item], 1, {}))
        self.hydra.configure_log()
        if isinstance(outcomes, Exception):
            log.warning("The stack failed (%s: %s)", type(outcomes).__name__, outcomes, exc_info=outcomes)
            for job in waiting.left():
                clear(job.directory.path)
                waiting.individual.append((job, "their stack failed as a whole"))
        for job, reason in waiting.individual:
            self._run_individually(job, reason)
        return waiting.aside

    def _run_individually(self, job: SweepJob, reason: str) -> None:
        log.info("Trained individually: %s", reason)
        self.hydra.run(job)
        self._end(job)


def _clock(job: SweepJob) -> int:
    """Epochs that the job's stack had trained where the job continues."""
    return job.joined + job.position[0]


def _key(job: SweepJob) -> tuple[str, Phase, int]:
    """What is equal for jobs that can be lanes from the start."""
    run = _run(job)
    return shared_settings(run.cfg), phase(run), _clock(job)
