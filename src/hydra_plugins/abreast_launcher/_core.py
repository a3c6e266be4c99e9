"""Sorts the jobs of a sweep: stacks of those that can be trained together, and the others one by one."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from abreast.errors import AbreastError, RunError
from abreast.results import RunDirectory

if TYPE_CHECKING:
    from abreast.stacking.building import Job, Outcome
    from abreast.stacking.train import Options
    from hydra_plugins.abreast_launcher.launcher import AbreastLauncher

log = logging.getLogger(__name__)

LEFT_BEHIND = ("status.json", "metrics.csv", "result.json", "checkpoints", "events.out.tfevents.*")


@dataclass
class Planned:
    """A job: its number, its overrides and its composed config; `plain` is the run's own part, resolved."""

    number: int
    overrides: list[str]
    config: DictConfig
    plain: dict[str, Any] | None = None
    returned: JobReturn | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """What sets the job apart."""
        return " ".join(filter_overrides(self.overrides))


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
    jobs = [
        _compose(launcher, initial_job_idx + number, list(overrides))
        for number, overrides in enumerate(job_overrides)
    ]
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        job.title = " ".join(each for each in filter_overrides(job.overrides) if each not in shared)
    if _is_ours(launcher.task_function):
        _launch_stacks(launcher, jobs)
    else:
        log.info("Launching %d jobs one after the other", len(jobs))
        for job in jobs:
            _run_plainly(launcher, job)
    _report(jobs)
    return [job.returned for job in jobs if job.returned is not None]


def _is_ours(task: Any) -> bool:
    """Whether the task trains what its config says, and nothing else."""
    while hasattr(task, "__wrapped__"):
        task = task.__wrapped__
    return getattr(task, "__module__", "") == "abreast.app"


def _compose(launcher: AbreastLauncher, number: int, overrides: list[str]) -> Planned:
    assert launcher.hydra_context is not None
    assert launcher.config is not None
    config = launcher.hydra_context.config_loader.load_sweep_config(launcher.config, overrides)
    with open_dict(config):
        config.hydra.job.id = str(number)
        config.hydra.job.num = number
    return Planned(number, overrides, config)


def _launch_stacks(launcher: AbreastLauncher, jobs: Sequence[Planned]) -> None:
    from abreast.stacking.grouping import LONELY, plan

    for job in jobs:
        if _is_sound(job):
            continue
        _run_plainly(launcher, job)  # which says what is wrong, as for a single run
    sound = [job for job in jobs if job.returned is None]
    planned = plan([job.plain or {} for job in sound], launcher.max_lanes)
    alone = dict(planned.alone)
    stacks = [[sound[number] for number in stack] for stack in planned.stacks]
    if stacks:
        sizes = ", ".join(str(len(stack)) for stack in stacks)
        log.info(
            "Training %d of %d jobs side by side, in stacks of %s", sum(map(len, stacks)), len(jobs), sizes
        )
    later: dict[str, list[Planned]] = {
        reason: [sound[number] for number in numbers] for reason, numbers in alone.items()
    }
    for stack in stacks:
        for reason, left in _run_stack(launcher, stack).items():
            later.setdefault(reason, []).extend(left)
    for reason, left in later.items():
        if not (reason == LONELY and len(jobs) == 1):
            log.info("Trained plainly, %d job%s: %s", len(left), "s" * (len(left) > 1), reason)
        for job in left:
            _run_plainly(launcher, job)


def _is_sound(job: Planned) -> bool:
    """Whether the job's config can be resolved and passes the checks; fills in `plain`."""
    from abreast.app import run_config
    from abreast.checking.preflight import check

    with _hydra_config(job.config):
        try:
            task = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
            check(task, job.config.hydra)
            job.plain = run_config(task, job.config.hydra)
        except Exception:
            return False
    return True


def _run_plainly(launcher: AbreastLauncher, job: Planned) -> None:
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


def _run_stack(launcher: AbreastLauncher, stack: Sequence[Planned]) -> dict[str, list[Planned]]:
    """Train the jobs as one; those that are left for later, by the reason why."""
    importlib.import_module("abreast.lean")  # before Lightning
    from abreast.stacking.building import Job
    from abreast.stacking.train import Options

    assert launcher.hydra_context is not None
    silent: Any = _Silent(launcher.hydra_context.callbacks)
    quiet = dataclasses.replace(launcher.hydra_context, callbacks=silent)
    jobs: list[Job] = []
    for job in stack:
        job.returned = run_job(  # makes the directory and Hydra's part of it
            hydra_context=quiet,
            task_function=lambda _: HydraConfig.get().runtime.output_dir,
            config=job.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        assert job.plain is not None
        if launcher.matmul_precision is not None:
            job.plain["matmul_precision"] = launcher.matmul_precision
        jobs.append(Job(job.plain, Path(job.returned.return_value), job.title))
    _log_as_hydra(launcher)
    options = Options(
        threads=launcher.threads,
        save_every=launcher.save_every,
        memory_gib=launcher.memory_gib,
    )
    try:
        outcomes = _train(jobs, options)
    except Exception as error:
        log.warning("The stack failed as a whole (%s: %s)", type(error).__name__, error, exc_info=True)
        for each in jobs:
            _clear(each.directory)
        return {"their stack failed as a whole": list(stack)}
    left: dict[str, list[Planned]] = {}
    for job, begun, outcome in zip(stack, jobs, outcomes, strict=True):
        if outcome.left is not None:
            _clear(begun.directory)
            left.setdefault(outcome.left, []).append(job)
        else:
            _end(launcher, job, outcome)
    return left


def _train(jobs: Sequence[Job], options: Options) -> list[Outcome]:
    from hydra.utils import execution_whitelist

    from abreast.stacking.train import train_stack
    from abreast.targets import own_targets

    gc.enable()  # the command line turns it off until something is trained
    with execution_whitelist(sorted({name for job in jobs for name in own_targets(job.cfg)})):
        return train_stack(jobs, options)


def _end(launcher: AbreastLauncher, job: Planned, outcome: Outcome) -> None:
    """Make the job's return as if it had been run alone, and tell Hydra's callbacks."""
    assert launcher.hydra_context is not None
    assert job.returned is not None
    if outcome.value is not None:
        job.returned.status = JobStatus.COMPLETED
        job.returned.return_value = outcome.value
    else:
        if isinstance(outcome.error, AbreastError):
            outcome.error.args = (_named(job, outcome.error),)
        job.returned.status = JobStatus.FAILED
        job.returned.return_value = outcome.error
    with _hydra_config(job.config):
        launcher.hydra_context.callbacks.on_job_end(config=job.config, job_return=job.returned)


def _report(jobs: Sequence[Planned]) -> None:
    """Name every job that failed, with its reason."""
    lines = []
    for job in jobs:
        reason = _why_failed(job)
        if reason is not None:
            lines.append(f"  #{job.number} {job.title or job.name}: {reason}")
    if lines:
        log.error("%d of %d jobs failed:\n%s", len(lines), len(jobs), "\n".join(lines))


def _why_failed(job: Planned) -> str | None:
    """The first line of what went wrong; a run that diverged has failed too, if not as a job."""
    if job.returned is None:
        return None
    if job.returned.status == JobStatus.FAILED:
        error = job.returned._return_value
        return (str(error).strip() or type(error).__name__).splitlines()[0].removeprefix(_named(job, ""))
    if job.returned.hydra_cfg is None or job.plain is None:
        return None
    try:
        status = RunDirectory(Path(job.returned.hydra_cfg.hydra.runtime.output_dir)).read_status()
    except RunError:
        return None
    return str(status.get("reason")) if status["status"] == "failed" else None


def _named(job: Planned, message: object) -> str:
    return f"Job {job.number} ({job.name}): {message}"


def _clear(directory: Path) -> None:
    """Remove what a stack left, for a plain run to begin anew."""
    for pattern in LEFT_BEHIND:
        for path in directory.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _log_as_hydra(launcher: AbreastLauncher) -> None:
    assert launcher.config is not None
    assert launcher.hydra_context is not None
    configure_log(
        launcher.config.hydra.hydra_logging,
        launcher.config.hydra.verbose,
        execution_whitelist=launcher.hydra_context.execution_whitelist,
    )


@contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` be the job's own for a while."""
    instance = HydraConfig.instance()
    before = instance.cfg
    instance.set_config(config)
    try:
        yield
    finally:
        instance.cfg = before
