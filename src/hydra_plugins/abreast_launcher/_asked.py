"""Trains trials that a search asks for while others are trained: the next one when a lane is free."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from hydra.core.utils import JobReturn, JobStatus, setup_globals

from abreast.config.types import Config
from abreast.errors import ConfigError, Interrupted, RunError
from abreast.runs.replaced import clear
from abreast.stacking.grouping import shared_settings, why_individual
from abreast.stacking.successive_halving import check
from hydra_plugins.abreast_launcher._asked_jobs import (
    AskedJobs,
    Search,
    clock_of,
    ended_at,
    run_of,
    same_start,
)
from hydra_plugins.abreast_launcher._composing import Composer
from hydra_plugins.abreast_launcher._core import Sweep, report_failures, trains_runs
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob, compose
from hydra_plugins.abreast_launcher._stacks import work_item
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf
from hydra_plugins.abreast_launcher.engines.choose import LOCAL, choose_engine

log = logging.getLogger(__name__)


def can_ask(settings: AbreastLauncherConf, hydra: HydraJobs) -> bool:
    """Whether trials can be asked for one by one: they are trained in this process."""
    return settings.engine == LOCAL and settings.devices == 1 and trains_runs(hydra.task)


class Trials:
    """The trials of a search, trained side by side.

    With halving, each is compared at a rung with all that have reached it so far.

    Args:
        settings: The launcher's settings.
        hydra: Composes, begins and ends jobs.
        search: Suggests the trials.
        width: The most trials at a time.
    """

    def __init__(self, settings: AbreastLauncherConf, hydra: HydraJobs, search: Search, width: int) -> None:
        self.rungs = tuple(settings.halving or ())
        self.keep = settings.keep
        self.settings = replace(settings, max_lanes=min(width, settings.max_lanes))
        self.hydra = hydra
        self.search = search
        self.width = width
        search.halve(self.rungs, self.keep)
        self._composer = Composer(hydra.context.config_loader, hydra.config)
        self._jobs: dict[int, SweepJob] = {}
        self._clock = 0

    def run(self) -> None:
        """Train until the search has no more."""
        setup_globals()
        self.hydra.configure_log()
        self.hydra.sweep_dir.mkdir(parents=True, exist_ok=True)
        try:
            jobs: Sequence[SweepJob] = self._ask_anew()
            while jobs or self.search.left:
                jobs = self._train(jobs) if jobs else self._ask_anew()
        except (Interrupted, KeyboardInterrupt):
            log.info("Stopped. To resume %s, run the same command again", self.hydra.sweep_dir)
            raise
        report_failures(list(self._jobs.values()))

    def _ask_anew(self) -> list[SweepJob]:
        """The first jobs, while none is trained."""
        self._clock = max(self._clock, self.search.latest)
        return self._ask(self.width, self._clock)

    def _ask(self, count: int, clock: int) -> list[SweepJob]:
        """The jobs of the next trials; those that need no training have ended."""
        jobs: list[SweepJob] = []
        begun: list[SweepJob] = []  # by an earlier process
        for trial in self.search.ask(count, clock):
            (job,) = compose(self._composer, [trial.overrides], trial.number)
            job.title, job.joined, job.promoted = trial.title, trial.joined, trial.promoted
            jobs.append(job)
            begun += [job] * trial.is_begun
        remaining = Sweep(self.settings, self.hydra, jobs).prepare() if jobs else []
        for job in jobs:
            if job not in remaining:
                has_result = job.returned is not None and job.returned.status == JobStatus.COMPLETED
                self._end(job, ended_at(job) if job in begun and has_result else clock)
        self._jobs |= {job.number: job for job in jobs}
        if self.rungs:
            configs = [job.run_config for job in self._jobs.values() if job.run_config is not None]
            check_comparable(self.rungs, self.keep, configs)
        return remaining

    def _end(self, job: SweepJob, clock: int) -> None:
        if job.returned is None:
            error = RunError("another trial of the same search is this run")
            job.returned = JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)
        self.search.tell(job.number, job.returned, clock)

    def _train(self, jobs: Sequence[SweepJob]) -> list[SweepJob]:
        """Train those of the jobs that can be lanes of one stack, and others that are asked for meanwhile.

        Those that can be lanes of none follow: they are told when the stack has ended, also when the search
        is resumed in between.

        Returns:
            The jobs that are left.
        """
        reasons = [(job, why_individual(job.run_config or {})) for job in jobs]
        individual = [(job, reason) for job, reason in reasons if reason is not None]
        jobs = [job for job, reason in reasons if reason is None]
        left: list[SweepJob] = []
        if jobs:
            waiting = self._train_stack(jobs)
            self._clock = waiting.clock
            individual += waiting.individual
            left = waiting.aside
        for job, reason in individual:
            log.info("Trained individually: %s", reason)
            self.hydra.run(job)
            self._end(job, self._clock)
        return left

    def _train_stack(self, jobs: Sequence[SweepJob]) -> AskedJobs:
        lanes = _first_lanes(jobs)
        waiting = AskedJobs(lanes, self.search, self._ask, self._end, self.hydra, self.rungs)
        for job in jobs:
            if job not in lanes:
                waiting.admit(job)
        log.info("Training %d trials at a time, the next when a lane is free", self.settings.max_lanes)
        item = replace(work_item(self.settings, [run_of(job) for job in lanes]), waiting=waiting, rungs=())
        outcomes = next(choose_engine(LOCAL)([item], 1, {}))
        self.hydra.configure_log()
        if isinstance(outcomes, Exception):
            log.warning("The stack failed (%s: %s)", type(outcomes).__name__, outcomes, exc_info=outcomes)
            for job in waiting.left():
                clear(job.directory.path)
                waiting.individual.append((job, "their stack failed as a whole"))
        return waiting


def check_comparable(rungs: Sequence[int], keep: float, configs: Sequence[Config]) -> None:
    """Check that trials can be compared at the rungs as soon as they have reached them.

    Raises:
        ConfigError: They have no metric in common, or none is measured there.
    """
    check(rungs, keep, configs)
    for every in {int(config["trainer"].get("check_val_every_n_epoch") or 1) for config in configs}:
        if any(rung % every for rung in rungs):
            raise ConfigError(
                f"hydra.launcher.halving={list(rungs)}: a search compares trials just after a validation; "
                f"write multiples of trainer.check_val_every_n_epoch={every}"
            )


def _first_lanes(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """The jobs that begin a stack; others join when it has trained as many epochs as before.

    A stack that was stopped comes before one that was not begun.
    """
    known = min(jobs, key=lambda job: (job.position[:2] <= (job.promoted, 0), clock_of(job)))
    settings = shared_settings(known.run_config or {})
    alike = [job for job in jobs if shared_settings(job.run_config or {}) == settings]
    first = same_start(min(alike, key=clock_of))
    return [job for job in alike if same_start(job) == first]
