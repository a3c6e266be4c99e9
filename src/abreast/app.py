"""The command line: `python train.py ...` and `abreast ...`. Nothing heavy is imported before a run."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from abreast import __version__, outside
from abreast.errors import AbreastError, ConfigError, DivergedError, disk_error

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMANDS = {
    "evaluate": "abreast.evaluation",
    "predict": "abreast.prediction",
    "export": "abreast.export",
    "report": "abreast.report.write",
    "rank": "abreast.ranks",  # what a run over several devices starts for each of them
}
INTERRUPTED = 130
PATHS = {"dir", "train_images", "train_labels", "test_images", "test_labels"}  # of the data
_FULL_ERROR = "HYDRA_FULL_ERROR"

# What Hydra may build for its own sake, before a run's targets are known: our checks, and its plugins' parts.
_FOR_HYDRA = ("abreast.*", "hydra_plugins.*", "optuna.*", "joblib.*", "submitit.*", "ray.*")


def main(command: Sequence[str] = ()) -> NoReturn:
    """Run the command line, with `command` before it. Exit code 2 for a mistake in it, 130 for Ctrl-C."""
    arguments = [*command, *sys.argv[1:]]
    atexit.register(gc.freeze)  # else the process's end looks for garbage in a million objects: a second
    logging.raiseExceptions = False  # a log on a full disk is no reason for a traceback
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it: a loss of one's own beside the data
    if "--version" in arguments:
        print(f"abreast {__version__}")
        sys.exit(0)
    if arguments and arguments[0] in COMMANDS:
        if arguments[0] not in ("rank", "report"):
            commands = importlib.import_module("abreast.commands")
            mistake = _reported(lambda: commands.check(arguments[0], arguments[1:]))
            if mistake:
                sys.exit(mistake)
        if arguments[0] != "report":  # which does without torch
            importlib.import_module("abreast.lean")
        module = importlib.import_module(COMMANDS[arguments[0]])
        sys.exit(_reported(lambda: module.main(arguments[1:])))
    if outside.follows():
        importlib.import_module("abreast.lean")
        sys.exit(_reported(outside.follow))
    gc.disable()  # until the checks are through: they make many small objects that are kept
    sys.exit(outside.lead(lambda: _reported(_train)))


def _reported(command: Any) -> int:
    """The command's exit code; a mistake is printed as one message."""
    try:
        return int(command() or 0)
    except AbreastError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        full = disk_error(error, None)
        if full is None:
            raise
        print(f"{full}, or choose another place", file=sys.stderr)
        return full.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _train() -> int:
    """Compose the configuration, check it, and train."""
    import hydra

    from abreast.catalog import MAIN, conf_dir
    from abreast.checking.preflight import Stop

    arguments = _parse(sys.argv[1:])
    if any(override.lstrip("+").startswith("resume=") for override in arguments.overrides):
        if arguments.multirun:
            raise ConfigError("resume= is for one run; a sweep goes on when its own command is run again")
        return int(importlib.import_module("abreast.resuming").main(arguments.overrides))
    folders, own = [conf_dir()], [Path.cwd()]
    if arguments.config_dir is not None:
        folder = Path(arguments.config_dir).absolute()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {arguments.config_dir}: there is no such directory")
        folders.insert(0, folder)
        own.append(folder.parent)
        sys.path.append(str(folder.parent))
    run = hydra.main(
        config_path=str(conf_dir()), config_name=MAIN, execution_whitelist=[*_FOR_HYDRA, *_modules(own)]
    )(task)
    if os.environ.get(_FULL_ERROR) == "1":
        run()
        return 0
    try:
        with _environment(_FULL_ERROR, "1"):  # Hydra then hands errors on and leaves the printing to us
            run()
    except Stop as stop:
        error, overrides = stop.error, stop.overrides
    except Exception as caught:
        error, overrides = caught, arguments.overrides
    else:
        return 0
    if isinstance(error, AbreastError | BrokenPipeError):
        raise error
    from abreast.checking.mistakes import explain, is_mistake

    is_sweep = arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides
    full = disk_error(error, Path.cwd())  # before the run itself has begun
    if full is not None:
        key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
        raise ConfigError(f"{full}, or choose another directory: {key}=DIR") from error
    if is_mistake(error, task):
        raise ConfigError(explain(error, overrides, folders, is_sweep=is_sweep)) from error
    trace = _from_task(error.__traceback__)
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    return 1


def task(config: DictConfig) -> Any:
    """One run, or one job of a sweep: check its configuration, train, and return its score for a sweeper."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import InstantiationException
    from hydra.types import RunMode
    from hydra.utils import execution_whitelist

    from abreast.checking.preflight import Stop, check, overrides_of
    from abreast.targets import own_targets

    hydra = HydraConfig.get()
    with _environment(_FULL_ERROR, None):
        try:
            check(config, hydra)
            gc.enable()
            values = run_config(config, hydra)
            with execution_whitelist(own_targets(values)):
                return _run(values, Path(hydra.runtime.output_dir), in_sweep=hydra.mode == RunMode.MULTIRUN)
        except (AbreastError, InstantiationException) as error:
            if hydra.mode != RunMode.MULTIRUN:
                raise Stop(error) from error
            _record(Path(hydra.runtime.output_dir), error)
            error.args = (f"Job {hydra.job.num} ({' '.join(overrides_of(hydra))}): {error}",)
            raise


def run_config(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """A run's configuration as plain data, with its options' names and with paths that hold anywhere."""
    from omegaconf import OmegaConf

    values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    for key in PATHS & values["data"].keys():
        if isinstance(values["data"][key], str):
            values["data"][key] = str(Path(values["data"][key]).expanduser().absolute())
    del values["sweep"]  # nothing of the run's own
    values["names"] = {group: name for group, name in hydra.runtime.choices.items() if group in values}
    return dict(values)


def _run(values: dict[str, Any], run_dir: Path, *, in_sweep: bool) -> float:
    """Train; for a sweeper a run that diverged is not an error but the worst there can be."""
    from abreast.continuing import Standing, standing
    from abreast.results import RunDirectory

    directory = RunDirectory(run_dir)
    state = standing(directory, values) if in_sweep else Standing.NEW
    try:
        if state == Standing.FINISHED:
            from abreast.monitoring import objective

            return objective(values, directory.read_result()["metrics"])
        if state == Standing.DIVERGED:
            raise DivergedError(directory.read_status()["diverged_at"])
        if state == Standing.BEGUN:
            from abreast.training import take_up

            return take_up(values, directory)
        from abreast.training import run

        return run(values, run_dir)
    except DivergedError as error:
        if not in_sweep:
            raise
        print(f"{run_dir}: {error}", file=sys.stderr)
        from abreast.monitoring import worst

        return worst(values)


def _record(run_dir: Path, error: Exception) -> None:
    """Leave the reason in the directory of a job that did not come to be a run."""
    from abreast.results import RunDirectory

    if not (run_dir / "status.json").exists():
        RunDirectory(run_dir).write_failure(error)


def _modules(folders: Sequence[Path]) -> list[str]:
    """Everything in the modules and packages of some folders: one's own Hydra callbacks may stand there."""
    found = {path.stem for folder in folders for path in folder.glob("*.py")}
    found |= {path.parent.name for folder in folders for path in folder.glob("*/__init__.py")}
    return [f"{name}.*" for name in sorted(found - sys.stdlib_module_names) if name.isidentifier()]


def _parse(arguments: Sequence[str]) -> Namespace:
    """Hydra's flags; a mistake in them as one message."""
    from hydra._internal.utils import get_args_parser

    from abreast.checking.names import did_you_mean

    parser = get_args_parser()
    flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]

    def error(self: ArgumentParser, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            flag = message.removeprefix("unrecognized arguments: ").split()[0]
            near = did_you_mean(flag, flags) or "."
            raise ConfigError(f"{flag}: no such flag{near} --help lists what there is")
        raise ConfigError(message)

    parser.error = error.__get__(parser)  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """An environment variable set, or removed, for a while."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _from_task(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without Hydra's frames before the run."""
    at = trace
    while at is not None and at.tb_frame.f_code is not task.__code__:
        at = at.tb_next
    return at or trace


if __name__ == "__main__":
    main()
