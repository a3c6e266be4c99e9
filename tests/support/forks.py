"""Programs in forks of one process that has imported what they need: as in a fresh process, but sooner.

`python -m support.forks PRELUDE` runs the prelude, then reads one order a line from its standard input. A
program of its own, as a test process with threads must not fork. What a command does while it starts is
tested in fresh processes.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from support.command_line import Outcome, environment
from support.helpers import ROOT, leave_files_to_the_cache, program_environment

SCRIPT = ROOT / "train.py"
TIMEOUT = 300.0
OF_TERMINALS = ("NO_COLOR", "COLUMNS")
EVERYTHING = """
from importlib import import_module
from pkgutil import walk_packages
import abreast.runtime.fast_import
for module in walk_packages(abreast.__path__, "abreast."):
    if module.name != "abreast.__main__":
        import_module(module.name)
from hydra.core.plugins import Plugins
Plugins.instance()
"""
LIBRARIES = "import abreast.runtime.fast_import, hydra.main, lightning.pytorch, torchmetrics"
COMMAND = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__')"


def run_forked(arguments: Sequence[str], folder: Path, *, terminal: str = "", **more: str) -> Outcome:
    """The outcome of `train.py` with the arguments, in a fork that has everything imported."""
    return forks(EVERYTHING).run(COMMAND, [str(SCRIPT), *arguments], folder, terminal=terminal, **more)


class Forks:
    """The process that forks."""

    def __init__(self, prelude: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.forks", prelude],
            env=program_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, program: str, arguments: list[str], folder: Path, *, terminal: str = "", **more: str
    ) -> Outcome:
        """The outcome of a program; it is killed after five minutes.

        Args:
            program: Its source.
            arguments: `sys.argv`.
            folder: The working directory.
            terminal: The terminal that it runs in, which gets what it says; nothing of it is in the outcome.
            more: Environment variables that it has beside this process's.
        """
        assert self.process.stdin
        assert self.process.stdout
        variables = {**environment(), **more}
        if terminal:
            variables = {
                name: text for name, text in variables.items() if name in more or name not in OF_TERMINALS
            }
        order = {"program": program, "arguments": arguments, "folder": str(folder), "terminal": terminal}
        text = json.dumps({**order, "environment": variables})
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


@cache
def forks(prelude: str) -> Forks:
    """The process that has run the prelude."""
    server = Forks(prelude)
    atexit.register(server.close)
    return server


def _serve() -> None:
    """Fork for each order."""
    gc.collect()
    gc.freeze()  # what is there is no child's garbage
    orders, replies = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    while line := orders.readline():
        order = json.loads(line)
        files = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]  # noqa: SIM115
        child = os.fork()
        if child == 0:
            for stream in (orders, replies):  # not by number: the program may be given the numbers again
                stream.close()
            _end(_outcome(order, *(file.fileno() for file in files)))
        watch = threading.Timer(TIMEOUT, os.kill, (child, signal.SIGKILL))
        watch.start()
        _, status = os.waitpid(child, 0)
        watch.cancel()
        watch.join()
        said = []
        for file in files:
            with file:
                file.seek(0)
                said.append(file.read())
        code = os.waitstatus_to_exitcode(status)
        replies.write(json.dumps({"code": code, "out": said[0], "err": said[1]}) + "\n")
        replies.flush()


def _outcome(order: dict[str, Any], out: int, err: int) -> int:
    """Be the program; its exit code."""
    try:
        _become(order, out, err)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as any process does, but free no object: there are a million, and a page is copied for each few."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads that are to be waited for
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _become(order: dict[str, Any], out: int, err: int) -> None:
    """Be `python -c PROGRAM` in that folder."""
    streams = (os.open(os.devnull, os.O_RDONLY), out, err)
    if order["terminal"]:
        os.setsid()  # the terminal is that of this session
        streams = (os.open(order["terminal"], os.O_RDWR),) * 3
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = order["arguments"]
    sys.path[0] = str(ROOT)
    exec(order["program"], {"__name__": "__main__"})


if __name__ == "__main__":
    leave_files_to_the_cache()
    exec(sys.argv[1], {"__name__": "__main__"})
    _serve()
