"""`python train.py resume=RUN_DIR`: resumes a run that was stopped, or trains a finished one for longer."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from abreast.config.types import Config
from abreast.errors import ConfigError, RunError
from abreast.runs.changes import report_changes
from abreast.runs.config_file import TRAINED_GROUPS, check_shape
from abreast.runs.directory import RunDirectory, check_writable
from abreast.runs.files import BEST, CHECKPOINTS, CONFIG, LAST, LOG, RESULT, STATUS
from abreast.runs.in_use import sweep_in_use
from abreast.runs.state import readable_status
from abreast.runtime import module_path
from abreast.runtime.directory_lock import InUseError, used
from abreast.runtime.printable import PrintableFormatter, printable
from abreast.runtime.user_path import user_path
from abreast.validation.stored import check_stored

CHANGES = (
    "trainer.max_epochs",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.strategy",
    "data.dir",
)
USE = "resume=RUN_DIR [trainer.max_epochs=N] [trust=[PACKAGE,...]]"


def main(overrides: Sequence[str]) -> int:
    """Resume the run that the overrides name. Keys that would make it another run are refused.

    Raises:
        ConfigError: For overrides that are not allowed, or a configuration that is not valid.
        RunError: For a run directory that is missing, incomplete or broken.
    """
    run_dir, changes, trust = _parse(overrides)
    module_path.leave_out_working_directory(trust)
    directory = RunDirectory(run_dir)
    config = directory.read_config()
    check_shape(config, run_dir / CONFIG, TRAINED_GROUPS)
    made_for = (config.get("trainer") or {}).get("max_epochs")
    _change(config, changes)
    check_stored(config, run_dir / CONFIG)
    check_writable(directory)
    report_changes(directory)
    has_status = (run_dir / STATUS).exists()
    if not has_status and (run_dir / RESULT).exists():
        print(f"{printable(str(run_dir))} has no {STATUS}: resumed from its last checkpoint")
    status = readable_status(directory) if has_status else {}
    is_finished = status.get("status") == "finished"
    if is_finished and not any(change.startswith("trainer.max_epochs=") for change in changes):
        return _nothing_to_do(run_dir)
    keys = [change.partition("=")[0].removeprefix("data.") for change in changes]
    with used(run_dir):
        _check_sweep(run_dir)  # after the lock: a sweep that starts now looks at that
        return _resume(config, directory, trust, is_finished, keys, made_for)


def _check_sweep(run_dir: Path) -> None:
    """Raise InUseError where the sweep that the run is part of is at work."""
    sweep = sweep_in_use(run_dir)
    if sweep is not None:
        raise InUseError(run_dir, f"its sweep {sweep} is running, and trains it")


def _nothing_to_do(run_dir: Path) -> int:
    name = printable(str(run_dir))
    print(f"{name} is finished: nothing to do. For a longer training add trainer.max_epochs=N")
    return 0


def _resume(
    config: Config,
    directory: RunDirectory,
    trust: Sequence[str],
    is_finished: bool,
    keys: Sequence[str],
    made_for: int | None,
) -> int:
    from abreast.runtime import fast_import  # noqa: F401  before anything imports Lightning

    # isort: split
    from abreast.build.allowlist import check_data_paths, check_output_paths, training_targets
    from abreast.build.lengthening import check_length
    from abreast.build.permissions import Permissions, permitted
    from abreast.learner.checkpoint import resume_point
    from abreast.training.run import resume as resume_run

    gc.enable()
    allowed = training_targets(config, trust)
    check_output_paths(config, directory.path, trust)
    check_data_paths(config["data"], directory.path, (*keys, *trust))
    permissions = Permissions(tuple(allowed), modules=tuple(trust))
    if (directory.checkpoints / LAST).exists():
        try:
            point = resume_point(directory)
        except RunError as error:
            raise RunError(
                f"{error}. Restore it from a good copy, or remove {directory.checkpoints} "
                "to restart from scratch"
            ) from None
        report_changes(directory, [f"{CHECKPOINTS}/{name}" for name in (BEST, LAST)])
        most = config["trainer"].get("max_epochs") or 0
        if is_finished and 0 <= most <= point.epoch:
            return _nothing_to_do(directory.path)
        begun = point.epoch + (point.batches > 0)
        if 0 < most < begun:
            raise ConfigError(
                f"trainer.max_epochs={most}: the run has begun epoch {begun}; write at least {begun}"
                if point.batches
                else f"trainer.max_epochs={most}: the run has trained {begun} epochs; write at least {begun}"
            )
        rows = directory.read_metrics() if point.epoch else []  # a run that is in its first epoch has none
        steps = [row["step"] / row["epoch"] for row in rows if row["epoch"] == point.epoch]
        with permitted(permissions, reset=True):
            check_length(config, made_for, round(steps[-1]) if steps else None)
    else:
        name = printable(str(directory.path))
        print(f"{name} has no {CHECKPOINTS}/{LAST} to resume from: it restarts from scratch")
    _log_into(directory.path / LOG)
    with permitted(permissions, reset=True):
        resume_run(config, directory)
    return 0


def _parse(overrides: Sequence[str]) -> tuple[Path, list[str], list[str]]:
    run, trust, changes = "", [], []
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key == "resume" and run:
            raise ConfigError(f"{override}: one run is resumed at a time, and {run} is given already")
        if key == "resume":
            run = value.strip("'\"")
        elif key == "trust":
            trust = [package.strip(" '\"") for package in value.strip("[]").split(",") if package.strip()]
        elif key in CHANGES:
            changes.append(f"{key}={value}")
        else:
            raise ConfigError(
                f"{override}: a resumed run keeps its settings; allowed beside resume= are "
                f"{', '.join(CHANGES)} and trust=[PACKAGE,...]. For other settings start a new run"
            )
    if not run:
        raise ConfigError(f"resume= has no run directory: write {USE}")
    return user_path(run), changes, trust


def _change(config: Config, changes: Sequence[str]) -> None:
    for change in changes:
        key, _, value = change.partition("=")
        group, _, name = key.partition(".")
        if not isinstance(config.get(group), dict):
            raise RunError(f"the run's {CONFIG} has no `{group}`")
        try:
            config[group][name] = OmegaConf.from_dotlist([f"value={value}"]).value
        except OmegaConfBaseException as error:
            raise ConfigError(f"{change}: {error}") from None
        if key == "data.dir":
            config[group][name] = str(user_path(value).absolute())


def _log_into(file: Path) -> None:
    """Log messages go to the terminal and, with time and origin, to the end of the run's log."""
    terminal, kept = logging.StreamHandler(sys.stdout), logging.FileHandler(file, delay=True)
    terminal.setFormatter(PrintableFormatter("%(message)s"))
    kept.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal, kept], force=True)
