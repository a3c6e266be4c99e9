"""Hydra's callback that checks a run, or every value of a sweep, before any directory is made."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from abreast.build.data_fit import FitCheck
from abreast.config.run_config import task_part
from abreast.config.sweep_loader import SweepLoader, leave_composing_to_launcher
from abreast.errors import ConfigError
from abreast.runtime.directory_name import shortened
from abreast.runtime.job_progress import reported
from abreast.runtime.patches import is_on
from abreast.runtime.printable import printable
from abreast.validation.hydra_node import check_hydra
from abreast.validation.preflight import Stop, hydra_config, overrides_of, values_of
from abreast.validation.search_space import check_search_space
from abreast.validation.variants import is_sound, mistakes, variants


class Preflight(Callback):
    """Stops before the first run directory is made."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the one run."""
        study = config.hydra.runtime.choices.get("study")
        if study is not None:
            raise Stop(
                ConfigError(f"study={study}: is many runs: add -m (python train.py -m +study={study})")
            )
        try:
            _told(check_hydra(config.hydra, several=False))
            FitCheck()(task_part(config), config.hydra)
            _shorten_directory(config)
        except Exception as error:
            raise Stop(error, overrides_of(config.hydra)) from error

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every value that is swept over, beside the first value of the others.

        Stops where no job is left to run; else those that are wrong fail alone, and first.
        """
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        if is_on("sweep_loader"):
            hydra.config_loader = SweepLoader(hydra.config_loader)  # type: ignore[assignment]
            leave_composing_to_launcher()
        try:
            _told(check_search_space(config))
            several = any(len(options) > 1 for options in values_of(config).values())
            _told(check_hydra(config.hydra, several=several))
            message = ""
            sweeper = config.hydra.runtime.choices.get("hydra/sweeper")
            if sweeper == "abreast_study":
                from abreast.study.run import prepare

                prepare(config, GlobalHydra.instance().config_loader())
            elif sweeper == "abreast_decide":
                from abreast.study.decide.run import prepare_decision

                prepare_decision(config, GlobalHydra.instance().config_loader())
            else:
                values = values_of(config)
                shown = list(
                    reported(variants(config, values), "Composed the configurations of", "swept values")
                )
                fits = FitCheck()
                sound = any(is_sound(variant, fits.check_variant) for variant in shown)
                message = "" if sound else mistakes(shown, fits.check_variant)
        except Exception as error:
            raise Stop(error, overrides_of(config.hydra)) from error
        if message:
            raise Stop(ConfigError(message))
        gc.enable()  # paused in cli.main


def _told(problems: Iterable[str]) -> None:
    """Raise ConfigError with the problems, if there are any."""
    text = "\n".join(problems)
    if text:
        raise ConfigError(text)


def _shorten_directory(config: DictConfig) -> None:
    """Give the run a directory whose name is not too long; nothing has been made yet."""
    with hydra_config(config):
        folder = str(config.hydra.run.dir)
    short = str(shortened(folder))
    if folder and short != str(Path(folder)):
        print(f"The run's directory has a shorter name, as its own is too long: {printable(short)}")
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.run.dir = short
