"""One run over many processes: ranks start from the run's resolved configuration, never from a command line.

Lightning's own launcher runs the command again, which in a multirun runs the whole sweep again in each rank.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.utils import execution_whitelist
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from abreast.build import Config
from abreast.errors import AbreastError, DivergedError, RunError
from abreast.results import RunDirectory
from abreast.targets import own_targets

OUTSIDE = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS")  # somebody else started the ranks


def ranks_to_start(cfg: Config) -> int:
    """How many processes this one has to start for the run; 1 where it is itself all, or a rank of it."""
    trainer = cfg["trainer"]
    if not str(trainer.get("strategy", "auto")).startswith("ddp"):
        return 1
    if any(name in os.environ for name in OUTSIDE):
        return 1
    devices = trainer.get("devices", 1)
    if isinstance(devices, list):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return max(1, torch.cuda.device_count())
    return int(devices)


def start_ranks(directory: RunDirectory, ranks: int) -> None:
    """Run the directory's configuration in that many processes of this machine, and wait for them.

    Raises RunError with the reason that the run's status holds, if a rank fails; no rank outlives this call.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        run_id=directory.path.name,
        nproc_per_node=ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn",
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // ranks)))
    try:
        elastic_launch(config, sys.executable)("-m", "abreast.app", "rank", str(directory.path))
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise
    except ChildFailedError as error:
        status = directory.read_status()
        if "diverged_at" in status:
            raise DivergedError(status["diverged_at"]) from None
        reason = status.get("reason") or f"exit code {next(iter(error.failures.values())).exitcode}"
        raise RunError(f"a rank of the run failed: {reason} ({directory.path})") from None


def main(argv: Sequence[str]) -> int:
    """What each rank runs: `rank RUN_DIR`."""
    from abreast.training import status_kept, train

    directory = RunDirectory(Path(argv[0]))
    cfg = directory.read_config()
    try:
        with execution_whitelist(own_targets(cfg)), status_kept(directory):
            train(cfg, directory)
    except AbreastError as error:
        return error.exit_code
    return 0
