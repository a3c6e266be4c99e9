"""`abreast rank RUN_DIR`: the process that a run over several devices starts for each of them."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import torch.distributed as dist

from abreast.build.allowlist import training_targets
from abreast.build.permissions import Permissions, of_rank
from abreast.errors import AbreastError, DivergedError
from abreast.runs.directory import RunDirectory
from abreast.runtime import module_path
from abreast.training.external_ranks import DONE, process_position, spread, tell
from abreast.training.rank_process import train_as_rank

DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


def main(argv: Sequence[str]) -> int:
    """What each rank runs: `rank RUN_DIR`."""
    if sys.platform == "linux":  # else a rank would train on where the process that started it was killed
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
    directory = RunDirectory(Path(argv[0]))
    code = 0
    try:
        permissions = of_rank()
        config = directory.read_config()
        if permissions is None:  # started by hand
            permissions = Permissions(tuple(training_targets(config)))
        train_as_rank(config, directory, permissions)
    except AbreastError as error:
        code = error.exit_code
    if dist.is_available() and dist.is_initialized():
        _end_process(code)
    return code


def _end_process(code: int) -> NoReturn:
    """End the process with all its output, but without the interpreter's own end.

    The threads of a process group are alive until then, and on a busy machine one may abort the process
    ("terminate called without an active exception") after the run is over: the run would count as failed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def follow() -> int:
    """Train the runs that the first rank tells of, until it has no more."""
    position = process_position()
    assert position is not None
    while (message := tell(None)) != DONE:
        sys.path[:] = message["path"]
        directory = RunDirectory(Path(message["directory"]))
        with suppress(DivergedError):  # all ranks see it, and the first one tells it
            config = spread(directory.read_config(), position)
            permissions = Permissions.from_json(message["permissions"])
            if permissions.modules is not None:
                module_path.leave_out_working_directory(permissions.modules)
            train_as_rank(config, directory, permissions)
    return 0
