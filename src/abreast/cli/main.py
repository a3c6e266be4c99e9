"""The `abreast` command and `train.py`: subcommands, exit codes, messages. Nothing heavy is imported here."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from abreast import __version__
from abreast.cli import train
from abreast.config.commands import COMMANDS, TRAINING
from abreast.config.override_keys import resumes
from abreast.errors import AbreastError, disk_error
from abreast.runtime import garbage, module_path
from abreast.runtime.output import all_is_read, guarded_output
from abreast.runtime.printable import printable
from abreast.runtime.user_path import check_working_directory
from abreast.runtime.wrapping import fitted
from abreast.training import external_ranks

OPEN_RUNS = ("evaluate", "predict", "export")  # commands that build a run's network
WITH_TORCH = (*OPEN_RUNS, "rank")
SUBCOMMANDS = (*(name for name in COMMANDS if name not in TRAINING), "rank")  # a module of this package each
DRY_RUN = "--dry-run"
INTERRUPTED = 130
UNREAD = 1  # who read the output, such as `head`, has seen enough


def main(command: Sequence[str] = ()) -> NoReturn:
    """Run the command line, with `command` before it. Exit code 2 for a mistake in it, 130 for Ctrl-C."""
    with guarded_output():
        try:
            code = _main(command)
        except KeyboardInterrupt:  # while it imports
            code = _interrupted()
        sys.exit(code)


def _main(command: Sequence[str]) -> int:
    mistake = _reported(check_working_directory)
    if mistake:
        return mistake
    arguments = [*command, *sys.argv[1:]]
    garbage.freeze_at_exit()
    logging.raiseExceptions = False  # a full disk must not fill the terminal with tracebacks of the log
    opens_run = any(map(resumes, arguments))
    if opens_run or (arguments and arguments[0] in SUBCOMMANDS):
        module_path.leave_out_working_directory()  # it may be a stranger's
    else:
        module_path.put_working_directory_last()  # for a custom loss that lies there
    if "--version" in arguments:
        return _reported(lambda: print(f"abreast {__version__}"))
    if arguments and arguments[0] in SUBCOMMANDS:
        if arguments[0] in OPEN_RUNS:
            commands = importlib.import_module("abreast.cli.arguments")
            mistake = _reported(lambda: commands.check(arguments[0], arguments[1:]))
            if mistake:
                return mistake
        with garbage.imports():
            if arguments[0] in WITH_TORCH:
                importlib.import_module("abreast.runtime.fast_import")
            module = importlib.import_module(f"abreast.cli.{arguments[0]}")
        return _reported(lambda: module.main(arguments[1:]))
    command_line = train.main
    if arguments[:1] == ["plan"] or DRY_RUN in arguments:
        words = [argument for argument in arguments if argument != DRY_RUN]
        plan = importlib.import_module("abreast.cli.plan")
        return _reported(lambda: plan.main(words[words[:1] == ["plan"] :]))
    if arguments and arguments[0] == "decide":  # a multirun
        decide = importlib.import_module("abreast.cli.decide")
        command_line = partial(decide.main, arguments[1:])
    if external_ranks.follows():
        importlib.import_module("abreast.runtime.fast_import")
        return _reported(importlib.import_module("abreast.cli.rank").follow)
    garbage.pause()  # until a run begins: checks and imports make many small objects that are kept
    return external_ranks.lead(lambda: _reported(command_line))


def _reported(command: Callable[[], int | None]) -> int:
    """The command's exit code; a mistake is printed as one message."""
    try:
        code = int(command() or 0)
        return code if all_is_read() else code or UNREAD
    except AbreastError as error:
        _say(printable(str(error), keep="\n\t"))
        return error.exit_code
    except OSError as error:
        full = disk_error(error, None)
        if full is None:
            raise
        _say(f"{printable(str(full))}, or choose another directory")
        return full.exit_code
    except KeyboardInterrupt:
        return _interrupted()


def _interrupted() -> int:
    if sys.argv[1:2] != ["rank"]:  # of which the process that started it tells
        print("Interrupted.", file=sys.stderr)
    return INTERRUPTED


def _say(message: str) -> None:
    print(fitted(message, sys.stderr), file=sys.stderr)
