"""Sorts the jobs of a sweep: finished ones, stacks that are trained together, and individual runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import TaskFunction
from omegaconf import OmegaConf

from abreast.build.changed_data import ChangedDataError, FinishedRuns
from abreast.errors import AbreastError, Interrupted, RunError, disk_error
from abreast.report.sweep_end import print_best_groups, to_compare
from abreast.runs.replaced import clear
from abreast.runtime.directory_lock import is_used
from abreast.runtime.job_progress import reported
from abreast.runtime.outside_cause import outside_cause
from hydra_plugins.abreast_launcher._composing import Composer
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob, compose, failure_reason, identify, is_valid
from hydra_plugins.abreast_launcher._stacks import TrainedStack, size_in_words, train_stacks
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf

if TYPE_CHECKING:
    from abreast.stacking.grouping import Plan

log = logging.getLogger(__name__)


def launch(
    settings: AbreastLauncherConf,
    hydra: HydraJobs,
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
) -> list[JobReturn]:
    """Run the jobs; how each ended, in order."""
    setup_globals()
    hydra.configure_log()
    hydra.sweep_dir.mkdir(parents=True, exist_ok=True)
    composer = Composer(hydra.context.config_loader, hydra.config)
    jobs = compose(composer, job_overrides, initial_job_idx)
    try:
        if trains_runs(hydra.task):
            Sweep(settings, hydra, jobs).run()
        else:
            log.info("Launching %d jobs one after the other", len(jobs))
            for job in jobs:
                hydra.run(job)
    except (Interrupted, KeyboardInterrupt):
        log.info("Stopped. To resume %s, run the same command again", hydra.sweep_dir)
        raise
    report_failures(jobs)
    sweeper = OmegaConf.select(hydra.config, "hydra.runtime.choices.hydra/sweeper")
    if sweeper == "basic" and len(jobs) > 1:
        if trains_runs(hydra.task):
            print_best_groups(hydra.sweep_dir, len(jobs))
        log.info("%s", to_compare(hydra.sweep_dir))
    return [job.returned for job in jobs if job.returned is not None]


def trains_runs(task: TaskFunction) -> bool:
    """Whether the task trains what its config says, and does nothing else."""
    while hasattr(task, "__wrapped__"):
        task = task.__wrapped__
    return getattr(task, "__module__", "") == "abreast.cli.task"


class Sweep:
    """The jobs of a sweep that are runs."""

    def __init__(self, settings: AbreastLauncherConf, hydra: HydraJobs, jobs: Sequence[SweepJob]) -> None:
        self.settings = settings
        self.hydra = hydra
        self.jobs = jobs
        self._first_of_id: dict[str, SweepJob] = {}

    def prepare(self) -> list[SweepJob]:
        """The jobs that are to be trained, a run that two jobs ask for only once; invalid ones are run."""
        checked: dict[str, list[str]] = {}
        precision = self.settings.matmul_precision
        invalid = [job for job in reported(self.jobs, "Checked") if not is_valid(job, precision, checked)]
        identify(self.jobs)
        for job in invalid:
            self.hydra.run(job)  # which says what is wrong, as for a single run
        for job in self.jobs:
            if job.returned is None:
                self._first_of_id.setdefault(job.id, job)
        remaining = self._unfinished(list(self._first_of_id.values()))
        if remaining:
            self._write_columns()
        return remaining

    def run(self) -> None:
        """Run every job."""
        remaining = self.prepare()
        for part, plan in self._plans(remaining):
            if self._must_stop():
                break
            self._run_plan(part, plan)
        for job in self.jobs:
            if job.returned is None:
                job.returned = self._first_of_id[job.id].returned or JobReturn(
                    overrides=job.overrides,
                    status=JobStatus.FAILED,
                    _return_value=RunError("not started: another run failed (sweep.on_fail=stop)"),
                )

    def _write_columns(self) -> None:
        """Tell TensorBoard what varies."""
        from abreast.loggers.sweep_columns import columns_of

        columns = columns_of(self.hydra.sweep_dir.absolute())
        for job in self.jobs:
            if job.run_config is not None:
                columns.add(job.directory.path, job.run_config)
        columns.add_others()
        with suppress(OSError):  # which the runs report
            columns.write()

    def _unfinished(self, jobs: Sequence[SweepJob]) -> list[SweepJob]:
        """The jobs that an earlier start of the sweep has not finished; the others get their returns."""
        from abreast.metrics.objective import objective, worst
        from abreast.runs.state import RunState, run_state, was_dropped

        finished_runs = FinishedRuns()
        unfinished, finished, diverged, resumed = [], 0, 0, 0
        for job in jobs:
            assert job.run_config is not None
            if is_used(job.directory.path):  # somebody resumes it
                self.hydra.run(job)  # which says so
                continue
            try:
                state = run_state(job.directory, job.run_config)
                if state == RunState.FINISHED:
                    finished_runs.check(job.directory, job.run_config)
            except ChangedDataError:
                self.hydra.run(job)  # which says so
                continue
            except AbreastError:
                state = RunState.NEW  # the run itself says what is wrong
            is_begun = state == RunState.BEGUN
            is_dropped = bool(self.settings.halving) and is_begun and was_dropped(job.directory, job.promoted)
            if is_dropped or state in (RunState.FINISHED, RunState.DIVERGED):
                if state == RunState.DIVERGED:
                    diverged += 1
                    value = worst(job.run_config)
                else:
                    finished += 1
                    value = objective(job.run_config, job.directory.read_result()["metrics"])
                self.hydra.begin(job)
                self.hydra.end(job, value, None)
                continue
            if is_begun:
                from abreast.learner.checkpoint import resume_point_or_clear  # imports torch

                job.position = resume_point_or_clear(job.directory)
                resumed += job.is_resumed and not job.promoted
            unfinished.append(job)
        if finished or diverged or resumed:
            log.info(
                "%d of %d runs are finished already%s, %d are resumed; to train all from scratch, choose "
                "another hydra.sweep.dir",
                finished,
                len(jobs),
                f", {diverged} diverged" if diverged else "",
                resumed,
            )
        return unfinished

    def _plans(self, jobs: Sequence[SweepJob]) -> list[tuple[list[SweepJob], Plan]]:
        """What is trained together; with halving, of jobs that start at one position of the training."""
        from abreast.stacking.grouping import plan
        from hydra_plugins.abreast_launcher._halved import plan_halved

        configs = [job.run_config or {} for job in jobs]
        most = self.settings.max_lanes
        if self.settings.halving is None:
            return [(list(jobs), plan(configs, most if most == 1 else max(1, len(jobs))))]
        return plan_halved([*self._first_of_id.values()], jobs, most)

    @property
    def _stops(self) -> bool:
        """Whether no run is begun after one has failed."""
        return bool(OmegaConf.select(self.hydra.config, "sweep.on_fail") == "stop")

    def _must_stop(self) -> bool:
        return self._stops and any(failure_reason(job) is not None for job in self.jobs)

    def _run_plan(self, part: Sequence[SweepJob], plan: Plan) -> None:
        from abreast.stacking.grouping import UNMATCHED

        stacks = [[part[number] for number in stack] for stack in plan.stacks]
        if stacks:
            log.info(
                "Training %d of %d jobs side by side, in stacks of %s",
                sum(map(len, stacks)),
                len(self.jobs),
                ", ".join(size_in_words(len(stack), self.settings.max_lanes) for stack in stacks),
            )
        individual: dict[str, list[SweepJob]] = {
            reason: [part[number] for number in numbers] for reason, numbers in plan.individual.items()
        }
        for trained in train_stacks(self.settings, stacks, self.hydra, self._stops):
            for reason, jobs in self._end_stack(trained).items():
                individual.setdefault(reason, []).extend(jobs)
            if self._must_stop():
                return
        for reason, jobs in individual.items():
            if not (reason == UNMATCHED and len(self.jobs) == 1):
                log.info("Trained individually, %d job%s: %s", len(jobs), "s" * (len(jobs) > 1), reason)
            for job in jobs:
                if self._must_stop():
                    return
                self.hydra.run(job)

    def _end_stack(self, trained: TrainedStack) -> dict[str, list[SweepJob]]:
        """End the jobs of a stack; those that are still to be trained individually, by the reason why."""
        self.hydra.configure_log()
        if isinstance(trained.outcomes, Exception):
            error = trained.outcomes
            if disk_error(error, None) is not None:
                raise error  # trained individually, its runs could not be written either
            fault = error if outside_cause(error) is None else None
            log.warning("The stack failed as a whole (%s: %s)", type(error).__name__, error, exc_info=fault)
            for job in () if fault is None else trained.jobs:
                if job.directory not in trained.ended:
                    clear(job.directory)
            return {"their stack failed as a whole": trained.not_ended}
        individual: dict[str, list[SweepJob]] = {}
        ends = zip(trained.sweep_jobs, trained.jobs, trained.outcomes, strict=True)
        for sweep_job, job, outcome in ends:
            if outcome.not_stacked is not None:
                individual.setdefault(outcome.not_stacked, []).append(sweep_job)
            elif job.directory not in trained.ended and outcome.has_ended:
                self.hydra.end(sweep_job, outcome.value, outcome.error)
        return individual


def report_failures(jobs: Sequence[SweepJob]) -> None:
    """Log every job that failed, with the reason."""
    lines = []
    for job in jobs:
        reason = failure_reason(job)
        if reason is not None:
            lines.append(f"  #{job.number} {job.title or job.name}: {reason}")
    if lines:
        log.error("%d of %d jobs failed:\n%s", len(lines), len(jobs), "\n".join(lines))
