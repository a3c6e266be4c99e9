"""`abreast rank RUN_DIR`: the process that a run over several devices starts for each of them."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch.distributed as dist

from abreast.build.allowlist import training_targets
from abreast.build.permissions import Permissions, of_rank
from abreast.errors import AbreastError, DivergedError, Interrupted, LostProcessError
from abreast.runs.directory import RunDirectory
from abreast.runtime import module_path
from abreast.training.external_ranks import DONE, end_process, process_position, spread, tell
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
    except Interrupted as error:
        code = 128 + error.signum
    if dist.is_available() and dist.is_initialized():
        end_process(code)
    return code


def follow() -> int:
    """Train the runs that the first rank tells of, until it has no more."""
    position = process_position()
    assert position is not None
    while (message := tell(None)) != DONE:
        sys.path[:] = message["path"]
        directory = RunDirectory(Path(message["directory"]))
        config = spread(directory.read_config(), position)
        permissions = Permissions.from_json(message["permissions"])
        if permissions.modules is not None:
            module_path.leave_out_working_directory(permissions.modules)
        try:
            train_as_rank(config, directory, permissions)
        except DivergedError:  # all ranks see it, and the first one tells it
            continue
        except Interrupted as error:
            end_process(128 + error.signum)
        except LostProcessError as error:  # torchrun tells of the other one
            end_process(error.exit_code)
    return 0
