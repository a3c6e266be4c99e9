"""One run, or one job of a sweep, as Hydra calls it."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abreast.cli.latest_directory import note_directory
from abreast.config.run_config import run_config
from abreast.config.types import Config
from abreast.errors import AbreastError, DivergedError
from abreast.runtime.directory_lock import InUseError, used
from abreast.runtime.environment import environment_variables
from abreast.runtime.output import guarded_output
from abreast.runtime.printable import printable

if TYPE_CHECKING:
    from omegaconf import DictConfig

FULL_ERROR = "HYDRA_FULL_ERROR"

log = logging.getLogger(__name__)


def task(config: DictConfig) -> Any:
    """One run, or one job of a sweep: check its configuration, train, and return its score for a sweeper."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import InstantiationException
    from hydra.types import RunMode

    from abreast.build.permissions import Permissions, permitted
    from abreast.validation.preflight import Stop, check, overrides_of

    hydra = HydraConfig.get()
    if hydra.job.chdir:  # the paths that the user gave are those of the directory where the command was given
        os.chdir(hydra.runtime.cwd)
    with environment_variables({FULL_ERROR: None}), guarded_output():  # not `main`'s in another process
        try:
            check(config, hydra)
            values = run_config(config, hydra)
            run_dir = Path(hydra.runtime.output_dir)
            if hydra.mode != RunMode.MULTIRUN:
                note_directory(run_dir)
            with permitted(Permissions.of_user(values)), used(run_dir):
                return _run(values, run_dir, in_sweep=hydra.mode == RunMode.MULTIRUN)
        except (AbreastError, InstantiationException) as error:
            if hydra.mode != RunMode.MULTIRUN:
                raise Stop(error) from error
            if not isinstance(error, InUseError):
                _record(Path(hydra.runtime.output_dir), error)
            error.args = (f"Job {hydra.job.num} ({' '.join(overrides_of(hydra))}): {error}",)
            raise


def _run(values: Config, run_dir: Path, *, in_sweep: bool) -> float:
    """Train, resume or skip; for a sweeper a run that diverged has the worst possible value."""
    from abreast.runs.directory import RunDirectory
    from abreast.runs.state import RunState, run_state

    directory = RunDirectory(run_dir)
    state = run_state(directory, values) if in_sweep else RunState.NEW
    try:
        if state == RunState.FINISHED:
            from abreast.build.changed_data import FinishedRuns
            from abreast.metrics.objective import objective

            FinishedRuns().check(directory, values)
            log.info("%s is finished already", run_dir)
            return objective(values, directory.read_result()["metrics"])
        if state == RunState.DIVERGED:
            raise DivergedError(directory.read_status()["diverged_at"])
        if state == RunState.BEGUN:
            from abreast.training.run import resume_or_restart

            gc.enable()  # paused in cli.main
            return resume_or_restart(values, directory)
        from abreast.training.run import run

        gc.enable()
        return run(values, run_dir)
    except DivergedError as error:
        if not in_sweep:
            raise
        print(printable(f"{run_dir}: {error}"), file=sys.stderr)
        from abreast.metrics.objective import worst

        return worst(values)


def _record(run_dir: Path, error: Exception) -> None:
    """Record the reason in the directory of a job that failed before its run began."""
    from abreast.runs.directory import RunDirectory
    from abreast.runs.files import STATUS

    if not (run_dir / STATUS).exists():
        RunDirectory(run_dir).write_failure(error)
