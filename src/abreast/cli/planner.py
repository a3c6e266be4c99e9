"""Hydra's callback for `abreast plan`: checks a command line as for a training, and ends before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from abreast.cli.preflight import Preflight
from abreast.cli.sweep_directory import ROOT, command_id, directories, is_given, set_directory
from abreast.config.run_config import run_config, task_part
from abreast.config.types import Config
from abreast.validation.preflight import Stop, hydra_config, overrides_of, values_of

OVERRIDE = "hydra.callbacks.preflight._target_=abreast.cli.planner.Planner"
NEW = "runs/planned"  # stands for a directory that is named when the sweep begins


@dataclass(frozen=True)
class Multirun:
    """What a multirun would do.

    Attributes:
        config: Its config.
        batches: What its sweeper would hand over to the launcher, as far as it is known.
        varied: What each key is set to where it has several values.
        directory: Its directory, if that is there already.
    """

    config: DictConfig
    batches: list[Any]  # of `hydra_plugins.abreast_launcher.planning.PlannedBatch`
    varied: dict[str, list[str]]
    directory: Path | None


class Planned(BaseException):
    """Ends Hydra's work before anything is trained. Not an Exception: Hydra makes those warnings.

    Attributes:
        run: The config of a single run; None for a multirun.
        multirun: What a multirun would do; None for a single run.
        folder: Where the runs would be kept.
    """

    def __init__(self, run: Config | None, multirun: Multirun | None, folder: Path) -> None:
        super().__init__("planned")
        self.run = run
        self.multirun = multirun
        self.folder = folder


class Planner(Preflight):
    """Takes the place of `Preflight`, which it extends."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the one run, and end.

        Raises:
            Planned: Always.
        """
        super().on_run_start(config, **kwargs)
        with _mistakes_told(config), hydra_config(config):
            values = run_config(task_part(config), config.hydra)
            folder = Path(str(config.hydra.run.dir))
        raise Planned(values, None, folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every value that is swept over, compose all jobs that are known, and end.

        Raises:
            Planned: Always.
        """
        super().on_multirun_start(config, **kwargs)
        with _mistakes_told(config):
            multirun, folder = _planned(config)
        raise Planned(None, multirun, folder)


@contextmanager
def _mistakes_told(config: DictConfig) -> Iterator[None]:
    """Stop for whatever goes wrong: Hydra would make it a warning, and begin to train."""
    try:
        yield
    except Exception as error:
        raise Stop(error, overrides_of(config.hydra)) from error


def _planned(config: DictConfig) -> tuple[Multirun, Path]:
    """What the multirun would do, and its folder."""
    from hydra_plugins.abreast_launcher._composing import Composer
    from hydra_plugins.abreast_launcher.planning import batches, plan_batch

    if not is_given(config):
        before = directories(ROOT, command_id(config))
        set_directory(config, str(before[0]) if before else NEW)
    folder = Path(str(config.hydra.sweep.dir))
    loader = GlobalHydra.instance().config_loader()
    composer = Composer(loader, config)
    planned, first = [], 0
    for batch in batches(config, loader):
        planned.append(plan_batch(composer, batch, first))
        first += len(batch.overrides)
    varied = {key: values for key, values in values_of(config).items() if len(values) > 1}
    return Multirun(config, planned, varied, folder if folder.is_dir() else None), folder
