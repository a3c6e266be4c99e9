"""Hydra's side of a job: its directory, its logging, its callbacks, and its return."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, configure_log, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from abreast.errors import AbreastError
from hydra_plugins.abreast_launcher._jobs import SweepJob, hydra_config, with_job_name

log = logging.getLogger(__name__)


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
        with hydra_config(job.config):
            self.context.callbacks.on_job_end(config=job.config, job_return=job.returned)
