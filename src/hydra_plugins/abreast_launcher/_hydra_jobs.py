"""Hydra's side of a job: its directory, its logging, its callbacks, and its return."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, JobStatus, configure_log, run_job
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.config.override_keys import is_of_hydra
from abreast.config.run_config import task_part
from abreast.config.sweep_template import SweepTemplate
from abreast.config.types import Config
from abreast.errors import AbreastError
from abreast.validation.preflight import hydra_config
from hydra_plugins.abreast_launcher._hydra_files import HydraFiles
from hydra_plugins.abreast_launcher._job_return import LazyJobReturn
from hydra_plugins.abreast_launcher._jobs import SweepJob, with_job_name

log = logging.getLogger(__name__)

JOB_HOOKS = ("on_job_start", "on_job_end")
LOG_FILE = {"class": "logging.FileHandler", "filename": "${hydra.runtime.output_dir}/${hydra.job.name}.log"}


class _WithoutJobEnd:
    """Hydra's callbacks, for a job that ends later."""

    def __init__(self, callbacks: Any) -> None:
        self._callbacks = callbacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callbacks, name)

    def on_job_end(self, **_: object) -> None:
        """Do nothing yet."""


@dataclass(frozen=True)
class HydraJobs:
    """Starts, ends and runs jobs as Hydra's own launchers do.

    Attributes:
        context: Hydra's config loader and callbacks.
        task: The function that runs one job.
        config: The config of the sweep.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    _files: HydraFiles = field(default_factory=HydraFiles)
    _plain: dict[int, bool] = field(default_factory=dict)  # by template

    @property
    def sweep_dir(self) -> Path:
        """The directory of the sweep."""
        return Path(str(self.config.hydra.sweep.dir))

    def configure_log(self) -> None:
        """Log as Hydra does outside of jobs."""
        configure_log(
            self.config.hydra.hydra_logging,
            self.config.hydra.verbose,
            execution_whitelist=self.context.execution_whitelist,
        )

    def run(self, job: SweepJob) -> None:
        """Run the job individually, as one of Hydra's basic launcher."""
        log.info("\t#%d : %s", job.number, job.title or job.name)
        with _directory_named(job):
            job.returned = run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=job.config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        self.configure_log()

    def begin(self, job: SweepJob) -> Path:
        """Create the job's directory with Hydra's files; `end` must follow."""
        with _directory_named(job):
            return self._begin(job)

    def _begin(self, job: SweepJob) -> Path:
        if job.plain is not None and self._needs_no_hydra(job.plain.template):
            return self._begin_plain(job, job.plain.written, job.plain.hydra)
        callbacks: Any = _WithoutJobEnd(self.context.callbacks)
        job.returned = run_job(
            hydra_context=dataclasses.replace(self.context, callbacks=callbacks),
            task_function=lambda _: HydraConfig.get().runtime.output_dir,
            config=job.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        return Path(job.returned.return_value)

    def end(self, job: SweepJob, value: float | None, error: BaseException | None) -> None:
        """Set the job's return as if it had been run individually, and call Hydra's callbacks.

        Args:
            job: A job that has begun.
            value: Its objective; None where it failed.
            error: Why it failed.
        """
        assert job.returned is not None
        if value is not None:
            job.returned.status = JobStatus.COMPLETED
            job.returned.return_value = value
        else:
            if isinstance(error, AbreastError):
                error.args = (with_job_name(job, error),)
            job.returned.status = JobStatus.FAILED
            job.returned.return_value = error
        if self._watches_jobs:
            config = job.config
            with hydra_config(config):
                self.context.callbacks.on_job_end(config=config, job_return=job.returned)

    @cached_property
    def _watches_jobs(self) -> bool:
        """Whether one of Hydra's callbacks wants to know of jobs."""
        callbacks = getattr(self.context.callbacks, "callbacks", None)
        if callbacks is None:
            return True
        return any(
            getattr(type(callback), hook, None) is not getattr(Callback, hook)
            for callback in callbacks
            for hook in JOB_HOOKS
        )

    def _needs_no_hydra(self, template: SweepTemplate) -> bool:
        """Whether all that `run_job` does for a job of the template is known: directory, files, log file."""
        if id(template) not in self._plain:
            self._plain[id(template)] = not self._watches_jobs and _is_usual(template.hydra)
        return self._plain[id(template)]

    def _begin_plain(self, job: SweepJob, task: Config, hydra: Config) -> Path:
        output_dir = os.path.abspath(Path(job.sweep_dir) / job.subdir)  # noqa: PTH100  as Hydra: keeps links
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        overrides = [item for item in job.overrides if not is_of_hydra(item)]
        if "file" in hydra["job_logging"]["handlers"]:
            (folder / f"{hydra['job']['name']}.log").touch()
        if hydra["output_subdir"] is not None:
            files = folder / hydra["output_subdir"]
            files.mkdir(parents=True, exist_ok=True)
            content = {
                **hydra,
                "sweep": {**hydra["sweep"], "subdir": job.subdir},
                "overrides": {**hydra["overrides"], "task": overrides},
                "job": {**hydra["job"], "id": str(job.number), "num": job.number},
                "runtime": {**hydra["runtime"], "output_dir": output_dir},
            }
            self._files.write(files, task, content, overrides)

        def compose() -> tuple[DictConfig, DictConfig]:
            config = job.config
            with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
                config.hydra.runtime.output_dir = output_dir
            return task_part(config), OmegaConf.masked_copy(config, ["hydra"])

        job.returned = LazyJobReturn(
            compose,
            output_dir,
            overrides=overrides,
            working_dir=output_dir if hydra["job"]["chdir"] else str(Path.cwd()),
            task_name=JobRuntime.instance().get("name"),
            status=JobStatus.COMPLETED,
        )
        return folder


def _is_usual(hydra: Config) -> bool:
    """Whether Hydra's part asks for nothing but a directory, a log file and a console like the sweep's."""
    job, logging_, outer = hydra["job"], hydra["job_logging"], hydra["hydra_logging"]
    if job["env_set"] or "${" in str(job["name"]) or not isinstance(job["chdir"], bool | None):
        return False
    if "${" in str(hydra["output_subdir"]) or not isinstance(logging_, dict) or not isinstance(outer, dict):
        return False
    handlers, others = dict(logging_.get("handlers") or {}), outer.get("handlers")
    file = handlers.pop("file", None)
    if file is not None and {**file, "formatter": ""} != {**LOG_FILE, "formatter": ""}:
        return False
    names = [handler.get("formatter") for handler in handlers.values()]
    roots = [part["root"] and {*part["root"]["handlers"]} - {"file"} for part in (logging_, outer)]
    return handlers == others and roots[0] == roots[1] and _formats(logging_, names) == _formats(outer, names)


def _formats(config: Config, names: list[str]) -> list[Any]:
    return [(config.get("formatters") or {}).get(name) for name in names]


@contextmanager
def _directory_named(job: SweepJob) -> Iterator[None]:
    """Let an OSError that names no file, as that of a full disk, name the job's directory."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(job.directory.path)
        raise
