"""Where stacks are trained: here, one after the other, or by joblib, submitit or Ray, side by side."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from abreast.errors import ConfigError, RunError

if TYPE_CHECKING:
    from abreast.stacking.build import Job, Outcome
    from abreast.stacking.run import Options
    from hydra_plugins.abreast_launcher._jobs import SweepJob
    from hydra_plugins.abreast_launcher.launcher import AbreastLauncher

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class WorkItem:
    """A stack, or a slice of one: all that a process of another machine needs to train it.

    `rungs` and `keep` are those of successive halving; `device` says which GPU is to be seen, None: all.
    """

    jobs: Sequence[Job]
    options: Options
    rungs: tuple[int, ...] = ()
    keep: float = 1 / 3
    device: int | None = None
    path: tuple[str, ...] = ()


def trained(
    launcher: AbreastLauncher, stacks: Sequence[list[SweepJob]], begin: Callable[[SweepJob], Path]
) -> Iterator[tuple[list[SweepJob], Sequence[Job], Any]]:
    """Each stack, or slice of one, with its runs and their outcomes, or the exception that stopped it.

    `begin` makes a job's directory. With an engine all stacks begin at once, and a stack is cut where there
    would be workers without one; halving compares the lanes of whole stacks. Raises ConfigError.
    """
    rungs = tuple(launcher.halving or ())
    if launcher.halving is not None:
        from abreast.stacking.successive_halving import check

        for stack in stacks:
            check(rungs, launcher.keep, [job.plain or {} for job in stack])
    if launcher.engine == "none":
        for stack in stacks:
            unit = _unit(launcher, stack, begin, rungs)
            try:
                outcomes: Any = train(unit)
            except Exception as error:
                outcomes = error
            yield stack, unit.jobs, outcomes
        return
    engine = found(launcher.engine)
    workers = launcher.workers or max(1, _gpus() or (os.cpu_count() or 1))
    parts = list(stacks) if rungs else spread(stacks, workers)
    settings = dict(launcher.engine_options or {})
    if launcher.engine == "submitit":
        assert launcher.config is not None
        settings.setdefault("folder", str(Path(str(launcher.config.hydra.sweep.dir)) / ".submitit" / "%j"))
    units = [_unit(launcher, part, begin, rungs) for part in parts]
    log.info("%d parts of stacks go to %s", len(units), launcher.engine)
    for part, unit, outcomes in zip(parts, units, engine(units, workers, settings), strict=True):
        yield part, unit.jobs, outcomes


def _unit(
    launcher: AbreastLauncher,
    stack: Sequence[SweepJob],
    begin: Callable[[SweepJob], Path],
    rungs: tuple[int, ...],
) -> WorkItem:
    importlib.import_module("abreast.runtime.fast_import")  # before Lightning
    from abreast.stacking.build import Job
    from abreast.stacking.run import Options

    jobs = [Job(job.plain or {}, begin(job).absolute(), job.title) for job in stack]
    options = Options(
        threads=launcher.threads,
        save_every=launcher.save_every,
        memory_gib=launcher.memory_gib,
        shared_batches=launcher.shared_batches,
    )
    return WorkItem(jobs, options, rungs, launcher.keep, path=tuple(each for each in sys.path if each))


def work(unit: WorkItem) -> list[Outcome]:
    """Train the unit in this process. Its outcomes, in order; errors are such that can be sent back."""
    if unit.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(unit.device)
    sys.path.extend(each for each in unit.path if each not in sys.path)
    outcomes = train(unit)
    for outcome in outcomes:
        outcome.error = portable(outcome.error)
    return outcomes


def train(unit: WorkItem) -> list[Outcome]:
    """Train the unit's jobs as one stack."""
    gc.enable()  # the command line turns it off until something is trained
    importlib.import_module("abreast.runtime.fast_import")  # before Lightning
    from hydra.utils import execution_whitelist

    from abreast.config.targets import own_targets
    from abreast.stacking.run import train_stack

    callbacks = []
    if unit.rungs:
        from abreast.stacking.successive_halving import Halving

        callbacks.append(Halving(unit.rungs, unit.keep))
    with execution_whitelist(sorted({name for job in unit.jobs for name in own_targets(job.cfg)})):
        return train_stack(unit.jobs, unit.options, callbacks)


def portable(error: BaseException | None) -> BaseException | None:
    """The error itself if it can be sent to another process, else one that says the same."""
    if error is None:
        return None
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    return RunError(f"{type(error).__name__}: {error}")


def spread(stacks: Sequence[list[T]], workers: int) -> list[list[T]]:
    """The stacks, the largest of them cut until there is a part for every worker."""
    parts = list(stacks)
    while len(parts) < workers and any(len(part) > 3 for part in parts):
        largest = max(range(len(parts)), key=lambda number: len(parts[number]))
        part = parts[largest]
        parts[largest : largest + 1] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return parts


def placed(units: Sequence[WorkItem], workers: int, gpus: int) -> list[WorkItem]:
    """The units with a GPU each, by turns, where there are several; on CPUs with their share of the cores."""
    if gpus > 1:
        return [replace(unit, device=number % gpus) for number, unit in enumerate(units)]
    if gpus == 1 or workers == 1:
        return list(units)
    threads = max(1, (os.cpu_count() or 1) // workers)
    return [
        unit
        if unit.options.threads is not None
        else replace(unit, options=replace(unit.options, threads=threads))
        for unit in units
    ]


Engine = Callable[[Sequence[WorkItem], int, dict[str, Any]], Iterator[Any]]


def found(engine: str) -> Engine:
    """What trains units: gives each one's outcomes, or the exception that stopped it, in order.

    Raises ConfigError for an engine that is unknown or not installed.
    """
    engines: dict[str, Engine] = {"joblib": _joblib, "submitit": _submitit, "ray": _ray}
    if engine not in engines:
        raise ConfigError(f"hydra.launcher.engine={engine}: must be one of none, {', '.join(engines)}")
    try:
        importlib.import_module(engine)
    except ImportError:
        raise ConfigError(
            f"hydra.launcher.engine={engine} needs {engine}: pip install 'abreast[{engine}]'"
        ) from None
    return engines[engine]


def _guarded(unit: WorkItem) -> list[Outcome] | Exception:
    try:
        return work(unit)
    except Exception as error:
        sent = portable(error)
        assert isinstance(sent, Exception)
        return sent


def _joblib(units: Sequence[WorkItem], workers: int, settings: dict[str, Any]) -> Iterator[Any]:
    from joblib import Parallel, delayed

    results = Parallel(**{"n_jobs": workers, "return_as": "generator", **settings})(
        delayed(_guarded)(unit) for unit in placed(units, workers, _gpus())
    )
    yield from results


def _submitit(units: Sequence[WorkItem], workers: int, settings: dict[str, Any]) -> Iterator[Any]:
    import submitit

    folder, cluster = settings.pop("folder"), settings.pop("cluster", None)
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    if executor.cluster == "slurm":
        settings.setdefault("slurm_array_parallelism", workers)
    executor.update_parameters(**{"timeout_min": 24 * 60, **settings})
    own = placed(units, workers, _gpus()) if executor.cluster in ("local", "debug") else units
    jobs = executor.map_array(_guarded, list(own))
    try:
        for job in jobs:
            try:
                yield job.result()
            except Exception as error:  # noqa: PERF203
                yield RunError(f"job {job.job_id} of {executor.cluster}: {str(error).splitlines()[0]}")
    finally:
        for job in jobs:
            if not job.done():
                job.cancel(check=False)
        with suppress(OSError):
            Path(folder).rmdir()  # submitit makes one that is really named %j


def _ray(units: Sequence[WorkItem], workers: int, settings: dict[str, Any]) -> Iterator[Any]:
    import ray

    init, remote = dict(settings.get("init") or {}), dict(settings.get("remote") or {})
    own = not ray.is_initialized()
    if own:
        ray.init(**{"log_to_driver": True, "include_dashboard": False, **init})
    try:
        cores = ray.cluster_resources().get("CPU", 1)
        if ray.cluster_resources().get("GPU", 0) and "num_gpus" not in remote:
            remote["num_gpus"] = 1
        remote.setdefault("num_cpus", max(1, int(cores // workers)))
        task = ray.remote(_guarded).options(**remote)
        pending = [task.remote(unit) for unit in placed(units, workers, 0)]
        for each in pending:
            try:
                yield ray.get(each)
            except ray.exceptions.RayError as error:  # noqa: PERF203
                yield RunError(f"Ray: {str(error).splitlines()[0]}")
    finally:
        if own:
            ray.shutdown()


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
