"""Sorts the jobs of a sweep: stacks of those that can be trained together, and the others one by one."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from omegaconf import OmegaConf

from abreast.errors import AbreastError, Interrupted, RunError
from abreast.runs.state import clear
from hydra_plugins.abreast_launcher import engines
from hydra_plugins.abreast_launcher._jobs import (
    BEGINNING,
    SweepJob,
    compose,
    hydra_config,
    is_sound,
    named,
    why_failed,
)

if TYPE_CHECKING:
    from abreast.stacking.build import Job
    from abreast.stacking.grouping import Plan
    from hydra_plugins.abreast_launcher.launcher import AbreastLauncher

log = logging.getLogger(__name__)


class _Silent:
    """Hydra's callbacks without the end of a job, which comes later."""

    def __init__(self, callbacks: Any) -> None:
        self._callbacks = callbacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callbacks, name)

    def on_job_end(self, **_: Any) -> None:
        """Not yet."""


def launch(
    launcher: AbreastLauncher, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
) -> list[JobReturn]:
    """Run the jobs; how each ended, in order."""
    setup_globals()
    _log_as_hydra(launcher)
    assert launcher.config is not None
    Path(str(launcher.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    jobs = compose(launcher, job_overrides, initial_job_idx)
    try:
        if _is_ours(launcher.task_function):
            _launch_runs(launcher, jobs)
        else:
            log.info("Launching %d jobs one after the other", len(jobs))
            for job in jobs:
                _run_plainly(launcher, job)
    except (Interrupted, KeyboardInterrupt):
        log.info("Stopped. The same command again goes on with %s", launcher.config.hydra.sweep.dir)
        raise
    _report(jobs)
    if OmegaConf.select(launcher.config, "hydra.runtime.choices.hydra/sweeper") == "basic" and len(jobs) > 1:
        log.info("To compare them: abreast report %s", launcher.config.hydra.sweep.dir)
    return [job.returned for job in jobs if job.returned is not None]


def _is_ours(task: Any) -> bool:
    """Whether the task trains what its config says, and nothing else."""
    while hasattr(task, "__wrapped__"):
        task = task.__wrapped__
    return getattr(task, "__module__", "") == "abreast.cli.task"


def _launch_runs(launcher: AbreastLauncher, jobs: Sequence[SweepJob]) -> None:
    for job in jobs:
        if not is_sound(job, launcher.matmul_precision):
            _run_plainly(launcher, job)  # which says what is wrong, as for a single run
    first: dict[str, SweepJob] = {}
    for job in jobs:
        if job.returned is None:
            first.setdefault(job.id, job)
    left = _unfinished(launcher, list(first.values()))
    for part, plan_of_part in _plans(launcher, left):
        if _has_to_stop(launcher, jobs):
            break
        _launch_plan(launcher, part, plan_of_part, jobs)
    for job in jobs:
        if job.returned is None:  # the same run twice, or none after a failure
            other = first[job.id].returned
            job.returned = other or JobReturn(
                overrides=job.overrides,
                status=JobStatus.FAILED,
                _return_value=RunError("not begun: another run failed (sweep.on_fail=stop)"),
            )


def _unfinished(launcher: AbreastLauncher, jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """The jobs that are not done yet; those that are, from an earlier start of the sweep, are returned."""
    from abreast.metrics.objective import worst
    from abreast.runs.state import RunState, run_state, was_dropped

    left, begun = [], 0
    for job in jobs:
        assert job.plain is not None
        try:
            state = run_state(job.directory, job.plain)
        except AbreastError:
            state = RunState.NEW  # the run itself says what is wrong
        dropped = launcher.halving is not None and state == RunState.BEGUN and was_dropped(job.directory)
        if dropped or state in (RunState.FINISHED, RunState.DIVERGED):
            value = worst(job.plain) if state == RunState.DIVERGED else _objective(job)
            _begin(launcher, job)
            _end(launcher, job, value, None)
            continue
        if state == RunState.BEGUN:
            from abreast.learner.checkpoint import resume_point_or_clear

            job.at = resume_point_or_clear(job.directory)
            begun += job.at != BEGINNING
        left.append(job)
    if len(left) < len(jobs) or begun:
        log.info(
            "%d of %d runs are done from before, %d go on; another hydra.sweep.dir trains all anew",
            len(jobs) - len(left),
            len(jobs),
            begun,
        )
    return left


def _objective(job: SweepJob) -> float:
    from abreast.metrics.objective import objective

    assert job.plain is not None
    return objective(job.plain, job.directory.read_result()["metrics"])


def _plans(launcher: AbreastLauncher, jobs: Sequence[SweepJob]) -> list[tuple[list[SweepJob], Plan]]:
    """What is trained together, of jobs that begin at one place."""
    from abreast.stacking.grouping import plan

    places: dict[tuple[int, int, bool], list[SweepJob]] = {}
    for job in jobs:
        places.setdefault(job.at, []).append(job)
    return [(part, plan([job.plain or {} for job in part], launcher.max_lanes)) for part in places.values()]


def _has_to_stop(launcher: AbreastLauncher, jobs: Sequence[SweepJob]) -> bool:
    assert launcher.config is not None
    stops = OmegaConf.select(launcher.config, "sweep.on_fail") == "stop"
    return stops and any(why_failed(job) is not None for job in jobs)


def _launch_plan(
    launcher: AbreastLauncher, part: Sequence[SweepJob], planned: Plan, jobs: Sequence[SweepJob]
) -> None:
    from abreast.stacking.grouping import UNMATCHED

    stacks = [[part[number] for number in stack] for stack in planned.stacks]
    if stacks:
        sizes = ", ".join(str(len(stack)) for stack in stacks)
        log.info(
            "Training %d of %d jobs side by side, in stacks of %s", sum(map(len, stacks)), len(jobs), sizes
        )
    later: dict[str, list[SweepJob]] = {
        reason: [part[number] for number in numbers] for reason, numbers in planned.individual.items()
    }
    for stack, begun, outcomes in engines.trained(launcher, stacks, lambda job: _begin(launcher, job)):
        for reason, left in _taken(launcher, stack, begun, outcomes).items():
            later.setdefault(reason, []).extend(left)
        if _has_to_stop(launcher, jobs):
            return
    for reason, left in later.items():
        if not (reason == UNMATCHED and len(jobs) == 1):
            log.info("Trained plainly, %d job%s: %s", len(left), "s" * (len(left) > 1), reason)
        for job in left:
            if _has_to_stop(launcher, jobs):
                return
            _run_plainly(launcher, job)


def _run_plainly(launcher: AbreastLauncher, job: SweepJob) -> None:
    assert launcher.hydra_context is not None
    assert launcher.task_function is not None
    log.info("\t#%d : %s", job.number, job.title or job.name)
    job.returned = run_job(
        hydra_context=launcher.hydra_context,
        task_function=launcher.task_function,
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    _log_as_hydra(launcher)


def _begin(launcher: AbreastLauncher, job: SweepJob) -> Path:
    """Make the job's directory and Hydra's part of it."""
    assert launcher.hydra_context is not None
    silent: Any = _Silent(launcher.hydra_context.callbacks)
    job.returned = run_job(
        hydra_context=dataclasses.replace(launcher.hydra_context, callbacks=silent),
        task_function=lambda _: HydraConfig.get().runtime.output_dir,
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    return Path(job.returned.return_value)


def _taken(
    launcher: AbreastLauncher, stack: Sequence[SweepJob], begun: Sequence[Job], outcomes: Any
) -> dict[str, list[SweepJob]]:
    """End the jobs of a stack; those that are left for later, by the reason why."""
    _log_as_hydra(launcher)
    if isinstance(outcomes, Exception):
        error = outcomes
        log.warning("The stack failed as a whole (%s: %s)", type(error).__name__, error, exc_info=error)
        for each in begun:
            clear(each.directory)
        return {"their stack failed as a whole": list(stack)}
    left: dict[str, list[SweepJob]] = {}
    for job, each, outcome in zip(stack, begun, outcomes, strict=True):
        if outcome.not_stacked is not None:
            clear(each.directory)
            left.setdefault(outcome.not_stacked, []).append(job)
        else:
            _end(launcher, job, outcome.value, outcome.error)
    return left


def _end(launcher: AbreastLauncher, job: SweepJob, value: float | None, error: BaseException | None) -> None:
    """Make the job's return as if it had been run alone, and tell Hydra's callbacks."""
    assert launcher.hydra_context is not None
    assert job.returned is not None
    if value is not None:
        job.returned.status = JobStatus.COMPLETED
        job.returned.return_value = value
    else:
        if isinstance(error, AbreastError):
            error.args = (named(job, error),)
        job.returned.status = JobStatus.FAILED
        job.returned.return_value = error
    with hydra_config(job.config):
        launcher.hydra_context.callbacks.on_job_end(config=job.config, job_return=job.returned)


def _report(jobs: Sequence[SweepJob]) -> None:
    """Name every job that failed, with its reason."""
    lines = []
    for job in jobs:
        reason = why_failed(job)
        if reason is not None:
            lines.append(f"  #{job.number} {job.title or job.name}: {reason}")
    if lines:
        log.error("%d of %d jobs failed:\n%s", len(lines), len(jobs), "\n".join(lines))


def _log_as_hydra(launcher: AbreastLauncher) -> None:
    assert launcher.config is not None
    assert launcher.hydra_context is not None
    configure_log(
        launcher.config.hydra.hydra_logging,
        launcher.config.hydra.verbose,
        execution_whitelist=launcher.hydra_context.execution_whitelist,
    )
