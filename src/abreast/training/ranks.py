"""One run over several processes, which start from its resolved configuration, not from a command line.

Lightning's own launcher runs the command again, which in a multirun runs the whole sweep again in each rank.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from abreast.build.permissions import for_rank
from abreast.config.types import Config
from abreast.errors import DivergedError, Interrupted, LostProcessError, RunError
from abreast.runs.directory import RunDirectory
from abreast.runtime.environment import environment_variables
from abreast.runtime.user_path import resume_argument
from abreast.training import external_ranks
from abreast.training.devices import device_count

# For which torch's launcher installs handlers.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
LOGGERS = "torch.distributed.elastic"
STOPS = {
    code: number
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for code in (-number, 128 + number)
}


def ranks_to_start(cfg: Config) -> int:
    """How many processes to start for the run; 1 where this process is the run, or a rank of it."""
    trainer = cfg["trainer"]
    is_distributed = str(trainer.get("strategy", "auto")).startswith("ddp")
    if external_ranks.process_position() is not None or not is_distributed:
        return 1
    return max(1, device_count(trainer))


def start_ranks(directory: RunDirectory, ranks: int, config: Config) -> None:
    """Train the run in several processes of this machine, and wait for them. None outlives this call.

    Args:
        directory: The run's directory, which holds its configuration.
        ranks: The number of processes.
        config: The run's configuration.

    Raises:
        DivergedError: The training loss did not stay finite.
        Interrupted: A signal stopped a rank.
        LostProcessError: A rank was killed.
        RunError: A rank failed; the message holds the reason from the run's status.
    """
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        run_id=directory.path.name,
        nproc_per_node=ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="spawn",
        # One that is ignored, as SIGHUP under nohup, stays so, here and in the ranks.
        signals_to_handle=",".join(
            number.name for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN
        ),
    )
    threads = str(max(1, (os.cpu_count() or 1) // ranks))
    variables = {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
        external_ranks.STARTED_BY_RUN: "1",
        "PYTHONSAFEPATH": "1",  # `-m` must not put the working directory first
        **for_rank(config),
    }
    variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        with environment_variables(variables), _handlers_kept(), _quiet_launcher():
            elastic_launch(launch, sys.executable)("-m", "abreast", "rank", str(directory.path))
    except SignalException as error:
        raise Interrupted(error.sigval) from None
    except ChildFailedError as error:
        _raise_what_ended(directory, error, ranks)


def _raise_what_ended(directory: RunDirectory, error: ChildFailedError, ranks: int) -> NoReturn:
    status = directory.read_status()
    if "diverged_at" in status:
        raise DivergedError(status["diverged_at"]) from None
    first = error.get_first_failure()[1].exitcode
    if first in STOPS and status["status"] != "failed":
        raise Interrupted(STOPS[first]) from None
    killed = {number: end.exitcode for number, end in error.failures.items() if end.exitcode < 0}
    if killed and status["status"] != "failed":
        number, code = next(iter(killed.items()))
        name = signal.Signals(-code).name
        raise LostProcessError(
            f"{directory.path}: process {number + 1} of {ranks} of the run was killed by {name}"
            + ", as the system does where memory runs out" * (code == -signal.SIGKILL)
            + f". To resume: python train.py {resume_argument(directory.path)}"
        ) from None
    reason = status.get("reason") or f"exit code {first}"
    raise RunError(f"a rank of the run failed: {reason} ({directory.path})") from None


@contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Leave out what torch's launcher logs of each process that fails: abreast says it in one line."""
    loggers = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if name.startswith(LOGGERS) and isinstance(logger, logging.Logger) and not logger.disabled
    ]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Give the signals back to those who had them: torch's launcher leaves its own handlers there."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
