"""Ranks that torchrun or srun has started. Only the first one reads the command line.

The others wait for the directories of the runs, one after the other, and train from their `config.yaml`:
all ranks have one configuration and one directory, whatever their clocks say. Imports torch only late.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from abreast.config.types import Config, Json
from abreast.errors import ConfigError, Interrupted, RunError
from abreast.runs.directory import RunDirectory
from abreast.runs.files import HYDRA, LOG
from abreast.runs.small_file import MOST_YAML_BYTES, read_text

STARTED_BY_RUN = "ABREAST_RANK"  # set in the ranks that a run starts itself
MARK = ".torchrun"  # in the directory of a run in progress: the id of the torchrun that started it
WAIT = timedelta(days=30)  # for the next run of a sweep
DONE: Json = {}  # what the other ranks are told in the end


@dataclass(frozen=True)
class ProcessPosition:
    """Which process this is, of several that were started together.

    Attributes:
        rank: Its number, from 0.
        world: The number of processes, on all machines.
        local: The number of processes on this machine.
        starter: `torchrun` or `srun`.
    """

    rank: int
    world: int
    local: int
    starter: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ProcessPosition | None:
        """The position that the environment names; None where neither launcher started this process."""
        if "TORCHELASTIC_RUN_ID" in environ:
            rank, world = int(environ.get("RANK", 0)), int(environ.get("WORLD_SIZE", 1))
            return cls(rank, world, int(environ.get("LOCAL_WORLD_SIZE", world)), "torchrun")
        if int(environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in environ:
            world, nodes = int(environ["SLURM_NTASKS"]), int(environ.get("SLURM_NNODES", 1))
            return cls(int(environ["SLURM_PROCID"]), world, world // nodes, starter="srun")
        return None


def process_position() -> ProcessPosition | None:
    """This process's position among those that torchrun or srun started; None without them."""
    return ProcessPosition.of(os.environ)


def _one_of_several() -> ProcessPosition | None:
    """This process's position, where torchrun or srun started several."""
    position = process_position()
    if position is None or position.world == 1 or STARTED_BY_RUN in os.environ:
        return None
    return position


def follows() -> bool:
    """Whether this process follows the first rank, and must not read the command line."""
    position = _one_of_several()
    return position is not None and position.rank > 0


def started_before(run_dir: Path, config: Config) -> Path | None:
    """Where this run was trained before torchrun restarted its processes; None for a new run.

    torchrun restarts all processes when one is lost, and the first rank would choose another directory.
    """
    position = process_position()
    if position is None or position.starter != "torchrun" or STARTED_BY_RUN in os.environ:
        return None
    for mark in [run_dir / MARK, *run_dir.parent.parent.glob(f"*/*/{MARK}")]:
        try:
            if read_text(mark, MOST_YAML_BYTES) != os.environ["TORCHELASTIC_RUN_ID"]:
                continue
        except (OSError, RunError):
            continue
        if RunDirectory(mark.parent).read_config() != config:
            continue
        if mark.parent != run_dir and {path.name for path in run_dir.glob("*")} <= {HYDRA, LOG}:
            shutil.rmtree(run_dir, ignore_errors=True)
        return mark.parent
    return None


@contextmanager
def shared(config: Config, directory: RunDirectory) -> Iterator[Config]:
    """Tell the other ranks of the run. Gives its configuration, for the ranks that there are.

    Raises ConfigError where there are several processes for a run that trains in one.
    """
    position = process_position()
    if position is None or STARTED_BY_RUN in os.environ:
        yield config
        return
    strategy = config["trainer"].get("strategy", "auto")
    if position.world > 1 and strategy in ("auto", "single_device"):
        raise ConfigError(
            f"{position.starter} has started {position.world} processes, but trainer.strategy={strategy} "
            "trains in one: add trainer=ddp"
        )
    mark = directory.path / MARK
    if position.starter == "torchrun":
        mark.write_text(os.environ["TORCHELASTIC_RUN_ID"])
    if position.world > 1:
        from abreast.build.permissions import current

        permissions = current(config).to_json()
        tell({"directory": str(directory.path.absolute()), "path": sys.path, "permissions": permissions})
    yield spread(config, position)
    mark.unlink(missing_ok=True)


def spread(config: Config, position: ProcessPosition) -> Config:
    """The configuration for the devices that there are: their number is not part of the run."""
    nodes = position.world // position.local
    return {**config, "trainer": {**config["trainer"], "devices": position.local, "num_nodes": nodes}}


def lead(command: Callable[[], int]) -> int:
    """The command's exit code; where it succeeded, the other ranks end, too."""
    try:
        code = command()
    except Interrupted as error:
        if _one_of_several() is None:
            raise
        end_process(128 + error.signum)
    if code == 0 and _one_of_several() is not None:
        tell(DONE)
    return code


def end_process(code: int) -> NoReturn:
    """End one of several processes with all its output, but without the interpreter's own end.

    The threads of a process group are alive until then, and on a busy machine one may abort the process
    ("terminate called without an active exception") after the run is over: the run would count as failed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def tell(message: Json | None) -> Json:
    """The first rank's message, on all ranks; what the others pass is ignored."""
    import torch.distributed as dist

    messages: list[Any] = [message]
    dist.broadcast_object_list(messages, src=0, group=_message_group())
    if messages[0] == DONE:
        dist.destroy_process_group()
    return dict(messages[0])


@cache
def _message_group() -> Any:
    """A process group for messages. It is made after the default group, in which Lightning then trains."""
    import torch
    import torch.distributed as dist

    position = process_position()
    assert position is not None
    if position.starter == "srun":
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        slurm = SLURMEnvironment(auto_requeue=False)
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)
    if torch.cuda.is_available():
        torch.cuda.set_device(position.rank % position.local % torch.cuda.device_count())
    dist.init_process_group(rank=position.rank, world_size=position.world)
    return dist.new_group(backend="gloo", timeout=WAIT)
