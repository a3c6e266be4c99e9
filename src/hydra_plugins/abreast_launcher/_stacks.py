"""Trains the stacks of a sweep by an engine."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from abreast.errors import ConfigError
from abreast.runtime.directory_lock import share
from abreast.runtime.given import packed_objects
from abreast.runtime.job_progress import reported
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf
from hydra_plugins.abreast_launcher.engines.choose import LOCAL, choose_engine
from hydra_plugins.abreast_launcher.engines.devices import choose_devices, train_on_devices
from hydra_plugins.abreast_launcher.engines.work import WorkItem, count_gpus, divide

if TYPE_CHECKING:
    from abreast.stacking.build import Job, Outcome

log = logging.getLogger(__name__)


class TrainedStack(NamedTuple):
    """A stack, or a part of one, that an engine has trained.

    Attributes:
        sweep_jobs: Its jobs.
        jobs: Their runs, in the same order.
        outcomes: How each ended, or the exception that stopped the stack as a whole.
        ended: Directories of the runs that have been ended already.
    """

    sweep_jobs: list[SweepJob]
    jobs: Sequence[Job]
    outcomes: list[Outcome] | Exception
    ended: Collection[Path] = ()

    @property
    def not_ended(self) -> list[SweepJob]:
        """Its jobs that have not been ended yet."""
        pairs = zip(self.sweep_jobs, self.jobs, strict=True)
        return [sweep_job for sweep_job, job in pairs if job.directory not in self.ended]


def size_in_words(runs: int, max_lanes: int) -> str:
    """The size of a stack of so many runs, and how many of them are trained at a time."""
    from abreast.stacking.grouping import largest_part

    lanes = largest_part(runs, max_lanes)
    return str(runs) if lanes == runs else f"{runs} ({lanes} at a time)"


def train_stacks(
    settings: AbreastLauncherConf,
    stacks: Sequence[list[SweepJob]],
    hydra: HydraJobs,
    stops: bool,
) -> Iterator[TrainedStack]:
    """Train stacks, one after the other in this process, or all at once by another engine.

    An engine gets at least one part for every worker, if the stacks can be cut: halving compares the lanes
    of whole stacks.

    Args:
        settings: The launcher's settings.
        stacks: The jobs of each stack.
        hydra: Begins and ends the jobs.
        stops: Whether no run is begun after one has failed.

    Raises:
        ConfigError: The settings of the engine or of successive halving are invalid.
    """
    if settings.halving is not None:
        from abreast.stacking.successive_halving import check

        for stack in stacks:
            check(list(settings.halving), settings.keep, [job.run_config or {} for job in stack])
    engine = choose_engine(settings.engine)
    devices = devices_of(settings)
    if settings.engine == LOCAL and not devices:
        from hydra_plugins.abreast_launcher._waiting import WaitingJobs

        for stack in stacks:  # one by one: a stack begins when the one before has ended
            jobs = [stack_job(job, job.directory.path) for job in stack]
            waiting = WaitingJobs(jobs, stack, hydra, stops=stops)
            item = replace(
                work_item(settings, jobs, settings.workers), waiting=waiting, peers=peers_of(stack)
            )
            yield TrainedStack(stack, jobs, next(engine([item], 1, {})), waiting.ended)
        return
    workers = len(devices) or settings.workers or max(1, count_gpus() or (os.cpu_count() or 1))
    parts = list(stacks) if settings.halving else divide(stacks, workers)
    options = dict(settings.engine_options or {})
    if settings.engine == "submitit":
        options.setdefault("folder", str(hydra.sweep_dir / ".submitit" / "%j"))
    objects = packed_objects()
    share(hydra.sweep_dir)
    items = []
    for part in parts:
        jobs = [stack_job(job, hydra.begin(job)) for job in reported(part, "Created the directories of")]
        item = replace(work_item(settings, jobs), objects=objects)
        items.append(replace(item, sweep_dir=hydra.sweep_dir.absolute(), peers=peers_of(part)))
    log.info("%d parts of stacks go to %s", len(items), " and ".join(devices) or settings.engine)
    results = train_on_devices(items, devices) if devices else engine(items, workers, options)
    for part, item, outcomes in zip(parts, items, results, strict=True):
        yield TrainedStack(part, item.jobs, outcomes)


def devices_of(settings: AbreastLauncherConf) -> list[str]:
    """The devices that are trained on side by side; none where this process trains on its own."""
    if settings.devices == 1:
        return []
    if settings.engine != LOCAL:
        raise ConfigError(
            f"hydra.launcher.devices={settings.devices}: engine={settings.engine} takes "
            "hydra.launcher.workers instead; leave one of them out"
        )
    devices = choose_devices(settings.devices, count_gpus())
    return [] if settings.devices == "all" and len(devices) == 1 else devices


def stack_job(job: SweepJob, directory: Path) -> Job:
    """What a stack is told of a job."""
    importlib.import_module("abreast.runtime.fast_import")  # before Lightning
    from abreast.stacking.build import Job

    return Job(job.run_config or {}, directory.absolute(), job.title, job.position[:2])


def peers_of(stack: Sequence[SweepJob]) -> list[Job]:
    """The runs that successive halving compares those of a stack with."""
    return [stack_job(job, job.directory.path) for job in stack[0].peers]


def work_item(settings: AbreastLauncherConf, jobs: Sequence[Job], processes: int | None = 1) -> WorkItem:
    """The training of some jobs as a stack, by so many processes; None to choose."""
    from abreast.stacking.options import Options

    options = Options(
        max_lanes=settings.max_lanes,
        threads=settings.threads,
        processes=processes,
        save_every=settings.save_every,
        memory_gib=settings.memory_gib,
        shared_batches=settings.shared_batches,
    )
    return WorkItem(
        jobs=jobs,
        options=options,
        rungs=tuple(settings.halving or ()),
        keep=settings.keep,
        path=tuple(entry for entry in sys.path if entry),
    )
