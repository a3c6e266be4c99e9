"""One run over several processes, which start from its resolved configuration, not from a command line.

Lightning's own launcher runs the command again, which in a multirun runs the whole sweep again in each rank.
"""

from __future__ import annotations

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
from abreast.errors import DivergedError, Interrupted, RunError
from abreast.runs.directory import RunDirectory
from abreast.runtime.environment import environment_variables
from abreast.training import external_ranks
from abreast.training.devices import device_count

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
)  # for which torch's launcher installs handlers
STOPS = {code: number for number in (signal.SIGTERM, signal.SIGINT) for code in (-number, 128 + number)}


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
        with environment_variables(variables), _handlers_kept():
            elastic_launch(launch, sys.executable)("-m", "abreast", "rank", str(directory.path))
    except SignalException as error:
        raise Interrupted(error.sigval) from None
    except ChildFailedError as error:
        first = error.get_first_failure()[1].exitcode
        _raise_what_ended(directory, first)


def _raise_what_ended(directory: RunDirectory, first: int) -> NoReturn:
    status = directory.read_status()
    if "diverged_at" in status:
        raise DivergedError(status["diverged_at"]) from None
    if first in STOPS and status["status"] != "failed":
        raise Interrupted(STOPS[first]) from None
    how = f"killed by {signal.Signals(-first).name}" if first < 0 else f"exit code {first}"
    reason = status.get("reason") or how
    raise RunError(f"a rank of the run failed: {reason} ({directory.path})") from None


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
