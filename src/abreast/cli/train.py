"""`python train.py ...`: composes the configuration, has it checked, and trains."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from abreast.cli.hydra_flags import FOR_HYDRA, modules_in, parse
from abreast.cli.task import FULL_ERROR, task
from abreast.config.override_keys import resumes
from abreast.errors import AbreastError, ConfigError, disk_error
from abreast.runtime.environment import environment_variables
from abreast.runtime.wrapping import fitted_output

if TYPE_CHECKING:
    from abreast.study.decide.decision import Decision


def main() -> int:
    """Compose the configuration, check it, and train."""
    arguments = parse(sys.argv[1:])
    if any(map(resumes, arguments.overrides)):
        if arguments.multirun:
            raise ConfigError("resume= is for one run; a sweep is resumed by running its command again")
        return int(importlib.import_module("abreast.cli.resume").main(arguments.overrides))
    crash = run_command(arguments)
    if crash is not None:
        trace = _from_task(crash.__traceback__)
        sys.excepthook(type(crash), crash.with_traceback(trace), trace)
        return 1
    decision = latest_decision()
    return 0 if decision is None else decision.exit_code


def run_command(arguments: Namespace) -> Exception | None:
    """Run or sweep what `sys.argv` says.

    Args:
        arguments: Its flags and overrides, from `parse`.

    Returns:
        What has broken the command, if not a mistake of the user; None where it ended well.

    Raises:
        AbreastError: For a mistake.
    """
    import hydra

    from abreast.config.options import MAIN, conf_dir
    from abreast.validation.hydra_errors import UNAVAILABLE
    from abreast.validation.override_texts import check_texts
    from abreast.validation.preflight import Stop

    if arguments.multirun and (arguments.cfg or arguments.info):
        flag = "--cfg" if arguments.cfg else "--info"
        raise ConfigError(
            f"{flag} shows one run: leave out -m, and give each key one value, as in python train.py "
            f"loss=mse {flag} {arguments.cfg or arguments.info}; abreast plan says what the sweep would train"
        )
    problems = list(check_texts(arguments.overrides))
    if problems:
        raise ConfigError("\n".join(problems))
    folders, code_folders = [conf_dir()], [Path.cwd()]
    if arguments.config_dir is not None:
        folder = Path(arguments.config_dir).absolute()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {arguments.config_dir}: there is no such directory")
        folders.insert(0, folder)
        code_folders.append(folder.parent)
        sys.path.append(str(folder.parent))
    run = hydra.main(
        config_path=str(conf_dir()),
        config_name=MAIN,
        execution_whitelist=[*FOR_HYDRA, *modules_in(code_folders)],
    )(task)
    if os.environ.get(FULL_ERROR) == "1":
        run()
        return None
    try:
        with environment_variables({FULL_ERROR: "1"}), warnings.catch_warnings():
            warnings.filterwarnings("error", message=UNAVAILABLE)
            with fitted_output() if arguments.help else nullcontext():
                run()  # Hydra raises, and prints nothing
    except Stop as stop:
        error, overrides = stop.error, stop.overrides
    except Exception as caught:
        error, overrides = caught, arguments.overrides
    else:
        return None
    if isinstance(error, AbreastError | BrokenPipeError):
        raise error
    is_sweep = arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides
    _raise_mistake(error, overrides, folders, is_sweep=is_sweep)
    return error


def _raise_mistake(
    error: Exception, overrides: Sequence[str], folders: list[Path], *, is_sweep: bool
) -> None:
    """Raise ConfigError where an error of Hydra, or of the disk before the run has begun, tells of one."""
    from abreast.validation.hydra_errors import explain, explain_search_path, is_mistake

    if isinstance(error, UserWarning):
        raise ConfigError(explain_search_path(error)) from error
    full = disk_error(error, Path.cwd())
    if full is not None:
        key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
        raise ConfigError(f"{full}, or choose another directory: {key}=DIR") from error
    if is_mistake(error, task):
        raise ConfigError(explain(error, overrides, folders, is_sweep=is_sweep)) from error


def latest_decision() -> Decision | None:
    """The decision that this process has come to (`hydra/sweeper=abreast_decide`); None without one."""
    module = sys.modules.get("abreast.study.decide.run")
    return None if module is None else module.latest_decision()


def _from_task(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without Hydra's frames before the run."""
    at = trace
    while at is not None and at.tb_frame.f_code is not task.__code__:
        at = at.tb_next
    return at or trace
