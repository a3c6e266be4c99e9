"""A sweep's directory, found again by the command: a sweep that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.runtime.directory_lock import lock
from abreast.validation.preflight import Stop

SUFFIX = "_sweep-"


class ResumableSweep(Callback):
    """Hydra's callback that gives a multirun the directory of the same command's earlier one, if any.

    One that another process is at work in is left to it. A `hydra.sweep.dir` of one's own is taken as it is.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Choose the directory, for the sweep and for every job that is composed later."""
        if any(each.lstrip("+").startswith("hydra.sweep.dir=") for each in config.hydra.overrides.hydra):
            return
        try:
            folder = choose(Path("runs"), command_id(config))
        except OSError as error:  # which Hydra would make a warning
            raise Stop(error) from error
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(folder)
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{folder}'")


def command_id(config: DictConfig) -> str:
    """Eight hexadecimal digits for what the command asks to be run, in whatever order it says so."""
    hydra = config.hydra
    asked = sorted(map(str, cast("list[Any]", OmegaConf.to_container(hydra.overrides.task))))
    params = OmegaConf.to_container(hydra.sweeper, resolve=False)
    folders = [source.path for source in hydra.runtime.config_sources if source.schema == "file"]
    text = json.dumps([hydra.job.config_name, asked, params, folders], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def choose(root: Path, command: str) -> Path:
    """The newest directory of the command that no process works in, or a new one; locked from then on."""
    for folder in sorted(root.glob(f"*/*{SUFFIX}{command}"), reverse=True):
        if lock(folder) is not None:
            return folder
    while True:
        now = datetime.now()
        folder = root / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S-%f}{SUFFIX}{command}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        if lock(folder) is not None:
            return folder
