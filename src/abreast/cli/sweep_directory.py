"""A sweep's directory, chosen by its command: the same command again resumes a sweep that was stopped."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.cli.latest_directory import note_directory
from abreast.config.override_keys import key_of
from abreast.runs.files import CONFIG
from abreast.runtime.directory_lock import PATIENCE, InUseError, leave, use, uses
from abreast.runtime.directory_name import shortened
from abreast.validation.preflight import Stop

ROOT = Path("runs")
SUFFIX = "_sweep-"


class ResumableSweep(Callback):
    """Hydra's callback that gives a multirun the directory of an earlier one with the same command.

    A directory that another process uses is skipped. `hydra.sweep.dir=DIR` on the command line is kept, and
    refused where another process uses it. Until the multirun's end this process alone uses the directory.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Choose the directory, for the sweep and for every job that is composed later."""
        if config.hydra.runtime.choices.get("hydra/launcher") == "ray":
            _quiet_ray(config)
        if is_given(config):
            given = str(config.hydra.sweep.dir)
            short = str(shortened(given))
            if short != str(Path(given)):
                set_directory(config, short)
            self._use(Path(short))
            note_directory(Path(short))
            return
        try:
            folder = choose(ROOT, command_id(config))
        except OSError as error:  # which Hydra would make a warning
            raise Stop(error) from error
        set_directory(config, str(folder))
        note_directory(folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Let other processes use the directory."""
        folder = Path(str(config.hydra.sweep.dir))
        is_begun = uses(folder)  # not where a mistake, or a plan, has ended the command before
        if is_begun and config.hydra.runtime.choices.get("hydra/launcher") != "abreast":  # it did so before
            _write_columns(folder)
            runs = [path for path in folder.glob(f"*/{CONFIG}") if path.is_file()]
            if config.hydra.runtime.choices.get("hydra/sweeper") == "basic" and len(runs) > 1:
                from abreast.report.sweep_end import print_best_groups, to_compare  # imports NumPy

                print_best_groups(folder, len(runs))
                print(to_compare(folder))
        leave(folder)

    def _use(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not uses(folder) and not use(folder, PATIENCE):
                raise InUseError(folder)
        except (OSError, InUseError) as error:
            raise Stop(error) from error


def _quiet_ray(config: DictConfig) -> None:
    """Let Hydra's own launcher for Ray start it as ours does: a job's lines are in its `train.log`."""
    init = OmegaConf.select(config, "hydra.launcher.ray.init")
    if isinstance(init, DictConfig):
        from hydra_plugins.abreast_launcher.engines.ray import DEFAULTS

        with read_write(config.hydra), open_dict(init):
            for key, value in DEFAULTS.items():
                init.setdefault(key, value)


def _write_columns(folder: Path) -> None:
    """Tell TensorBoard what varies among the runs of a launcher that knows nothing of it."""
    from abreast.loggers.sweep_columns import SweepColumns

    columns = SweepColumns(folder)
    columns.add_others()
    with suppress(OSError):  # a full disk, which the runs have reported
        columns.write()


def is_given(config: DictConfig) -> bool:
    """Whether the command line names the sweep's directory."""
    return "hydra.sweep.dir" in map(key_of, config.hydra.overrides.hydra)


def set_directory(config: DictConfig, folder: str) -> None:
    """Set the sweep's directory, also for the jobs that are composed later."""
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = folder
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{folder}'")


def command_id(config: DictConfig) -> str:
    """Eight hexadecimal digits for what a command runs; the order of its overrides does not count."""
    hydra = config.hydra
    asked = sorted(map(str, cast("list[Any]", OmegaConf.to_container(hydra.overrides.task))))
    params = cast("dict[str, Any]", OmegaConf.to_container(hydra.sweeper, resolve=False))
    if hydra.runtime.choices.get("hydra/sweeper") == "abreast_decide":
        params.pop("max_seeds", None)  # a larger budget goes on where the smaller one ended
    launcher = str(hydra.runtime.choices.get("hydra/launcher"))
    if launcher != "abreast":  # some number the runs: these would be there twice
        params["launcher"] = launcher
    folders = [source.path for source in hydra.runtime.config_sources if source.schema == "file"]
    text = json.dumps([hydra.job.config_name, asked, params, folders], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def directories(root: Path, command: str) -> list[Path]:
    """The directories that the command has, the newest first."""
    return sorted(root.glob(f"*/*{SUFFIX}{command}"), reverse=True)


def choose(root: Path, command: str) -> Path:
    """The command's newest directory that no process uses, or a new one; locked until this process ends."""
    for folder in directories(root, command):
        if use(folder):
            return folder
    while True:
        now = datetime.now()
        folder = root / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S-%f}{SUFFIX}{command}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        if use(folder):
            return folder
