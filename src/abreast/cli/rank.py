"""`abreast rank RUN_DIR`: what a run over several devices starts for each of them."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from abreast.errors import AbreastError, DivergedError
from abreast.runs.directory import RunDirectory
from abreast.training.external_ranks import OVER, place, spread, tell
from abreast.training.rank_process import train_as_rank

DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


def main(argv: Sequence[str]) -> int:
    """What each rank runs: `rank RUN_DIR`."""
    if sys.platform == "linux":  # else a rank would train on where the process that started it was killed
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
    directory = RunDirectory(Path(argv[0]))
    try:
        train_as_rank(directory.read_config(), directory)
    except AbreastError as error:
        return error.exit_code
    return 0


def follow() -> int:
    """Train what the first rank tells of, until all is over."""
    found = place()
    assert found is not None
    while (told := tell(None)) != OVER:
        sys.path.extend(each for each in told["path"] if each not in sys.path)
        directory = RunDirectory(Path(told["directory"]))
        with suppress(DivergedError):  # all ranks see it, and the first one tells it
            train_as_rank(spread(directory.read_config(), found), directory)
    return 0
