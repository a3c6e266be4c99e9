"""Trains in forked processes and kills them at random moments: `python -m support.killing SPEC.json`.

A program of its own, as a test process with threads must not fork. Everything is imported once: a process
that is forked begins to train at once, so that most kills meet the training and its writing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from abreast.build import trainer as build
from abreast.cli.main import main
from abreast.learner import checkpoint
from abreast.learner.checkpoint_io import AtomicCheckpointIO
from abreast.runs.directory import RunDirectory
from abreast.stacking import run as _stacks  # noqa: F401  imported before any process is forked
from abreast.training import run as training
from support.helpers import allowed


def survives(begin: Callable[[], None], check: Callable[[], None], kills: int, longest: float) -> int:
    """Start, and kill after up to `longest` seconds, until that many were killed; then let it end.

    Gives how many processes were killed; those that ended before do not count.
    """
    draw = random.Random(0)
    killed = 0
    while True:
        child = os.fork()
        if child == 0:
            try:
                begin()
            except SystemExit as end:
                os._exit(int(end.code or 0))
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if killed < kills:
            time.sleep(draw.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            check()
            continue
        assert os.WEXITSTATUS(status) == 0, status
        if killed >= kills:
            return killed


def plain(folder: Path, cfg: dict[str, Any]) -> Callable[[], None]:
    """Train a run, or go on with it; in the next directory, if it is done."""
    build.AtomicCheckpointIO = partial(AtomicCheckpointIO, every=0.0)  # type: ignore[attr-defined, misc,assignment]

    def begin() -> None:
        done = [path for path in folder.glob("*") if is_finished(path)]
        directory = RunDirectory(folder / str(len(done)))
        with allowed():
            if (directory.path / "status.json").exists():
                training.resume(directory.read_config(), directory)
            else:
                training.run(cfg, directory.path)

    return begin


def is_finished(path: Path) -> bool:
    """Whether the run has ended: a result without that status is a run that was killed in between."""
    directory = RunDirectory(path)
    return (path / "status.json").exists() and directory.read_status() == {"status": "finished"}


def sweep(arguments: list[str]) -> Callable[[], None]:
    """Run the command line."""

    def begin() -> None:
        sys.argv = ["train.py", *arguments]
        main()

    return begin


def whole(folder: Path) -> None:
    """Every checkpoint that is there can be loaded."""
    for path in folder.rglob("*.ckpt"):
        checkpoint.load(path)


if __name__ == "__main__":
    spec = json.loads(Path(sys.argv[1]).read_text())
    target = Path(spec["folder"])
    run = plain(target, spec["cfg"]) if "cfg" in spec else sweep(spec["arguments"])
    print(survives(run, lambda: whole(target), spec["kills"], spec["longest"]))
