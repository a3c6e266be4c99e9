"""Command lines in forks of one process that has imported everything: as in a fresh process, but sooner.

`python -m support.forks` reads one order a line from its standard input. A program of its own, as a test
process with threads must not fork. What a command does while it starts is tested in fresh processes.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from support.command_line import Outcome, environment
from support.helpers import ROOT, program_environment

SCRIPT = ROOT / "train.py"


def run_forked(arguments: list[str], folder: Path, timeout: float = 300, **more: str) -> Outcome:
    """The outcome of `train.py` with the arguments, in a fork."""
    return _server().run(arguments, folder, timeout, {**environment(), **more})


class Server:
    """The process that forks."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.forks"],
            env=program_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lock = threading.Lock()

    def run(self, arguments: list[str], folder: Path, timeout: float, variables: dict[str, str]) -> Outcome:
        assert self.process.stdin
        assert self.process.stdout
        order = {"arguments": arguments, "folder": str(folder), "timeout": timeout, "environment": variables}
        with self.lock:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            return Outcome(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


@cache
def _server() -> Server:
    server = Server()
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
            os.close(orders.fileno())
            os.close(replies.fileno())
            _become(order, *(file.fileno() for file in files))
            return
        watch = threading.Timer(order["timeout"], os.kill, (child, signal.SIGKILL))
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


def _become(order: dict[str, object], out: int, err: int) -> None:
    """Be `python train.py ...` in that folder."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[arg-type]
    os.chdir(str(order["folder"]))
    sys.argv = [str(SCRIPT), *order["arguments"]]  # type: ignore[misc]
    sys.path[0] = str(SCRIPT.parent)
    runpy.run_path(str(SCRIPT), run_name="__main__")


def _import_everything() -> None:
    from importlib import import_module
    from pkgutil import walk_packages

    import_module("abreast.runtime.fast_import")
    import abreast

    for module in walk_packages(abreast.__path__, "abreast."):
        if module.name != "abreast.__main__":
            import_module(module.name)
    from hydra.core.plugins import Plugins

    Plugins.instance()


if __name__ == "__main__":
    _import_everything()
    _serve()
