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

from abreast.errors import AbreastError, DivergedError
from abreast.runs.directory import RunDirectory
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
        train_as_rank(directory.read_config(), directory)
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
        sys.path.extend(path for path in message["path"] if path not in sys.path)
        directory = RunDirectory(Path(message["directory"]))
        with suppress(DivergedError):  # all ranks see it, and the first one tells it
            train_as_rank(spread(directory.read_config(), position), directory)
    return 0
