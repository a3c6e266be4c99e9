"""Programs in forks of one process that has imported what they need: as in a fresh process, but sooner.

`python -m support.forks PRELUDE` runs the prelude, then reads one order a line from its standard input. A
program of its own, as a test process with threads must not fork. What a command does while it starts is
tested in fresh processes.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

from support.command_line import Outcome, environment
from support.helpers import ROOT, leave_files_to_the_cache, program_environment

SCRIPT = ROOT / "train.py"
TIMEOUT = 300.0
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
COMMAND = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__')"


def run_forked(arguments: list[str], folder: Path, **more: str) -> Outcome:
    """The outcome of `train.py` with the arguments, in a fork that has everything imported."""
    return forks(EVERYTHING).run(COMMAND, [str(SCRIPT), *arguments], folder, **more)


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

    def run(self, program: str, arguments: list[str], folder: Path, **more: str) -> Outcome:
        """The outcome of a program with these arguments, `sys.argv`; killed after five minutes."""
        assert self.process.stdin
        assert self.process.stdout
        variables = {**environment(), **more}
        order = {"program": program, "arguments": arguments, "folder": str(folder)}
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
    """Fork for each order; the child leaves this function and ends as any process does."""
    orders, replies = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    while line := orders.readline():
        order = json.loads(line)
        files = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]  # noqa: SIM115
        child = os.fork()
        if child == 0:
            for stream in (orders, replies):  # not by number: the program may be given the numbers again
                stream.close()
            _become(order, *(file.fileno() for file in files))
            return
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


def _become(order: dict[str, Any], out: int, err: int) -> None:
    """Be `python -c PROGRAM` in that folder."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
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
