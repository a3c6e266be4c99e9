"""Ranks that somebody else has started: torchrun, or srun. Only the first one reads the command line.

The others wait to be told the directories of the runs, one after the other, and train from their
`config.yaml`: all ranks have one configuration and one directory, whatever their clocks say. No torch here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from abreast.errors import ConfigError
from abreast.runs.directory import RunDirectory
from abreast.runs.files import HYDRA, LOG

OWN = "ABREAST_RANK"  # set in ranks that a run has started itself
MARK = ".torchrun"  # in the directory of a run that is under way: by whom it was started
WAIT = timedelta(days=30)  # for the next run of a sweep
OVER: dict[str, Any] = {}  # what the others are told in the end


@dataclass(frozen=True)
class Place:
    """Which process this is: of `world` in all and `local` on this machine; started by `starter`."""

    rank: int
    world: int
    local: int
    starter: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Place | None:
        """What the environment says; None where nobody has started several processes."""
        if "TORCHELASTIC_RUN_ID" in environ:
            rank, world = int(environ.get("RANK", 0)), int(environ.get("WORLD_SIZE", 1))
            return cls(rank, world, int(environ.get("LOCAL_WORLD_SIZE", world)), "torchrun")
        if int(environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in environ:
            world, nodes = int(environ["SLURM_NTASKS"]), int(environ.get("SLURM_NNODES", 1))
            return cls(int(environ["SLURM_PROCID"]), world, world // nodes, starter="srun")
        return None


def place() -> Place | None:
    """This process's place among those that somebody else has started."""
    return Place.of(os.environ)


def _several() -> Place | None:
    """This process's place, where somebody else has started several."""
    found = place()
    return found if found is not None and found.world > 1 and OWN not in os.environ else None


def follows() -> bool:
    """Whether this process is to be told what to train, and has no command line of its own."""
    found = _several()
    return found is not None and found.rank > 0


def started_before(run_dir: Path, config: Mapping[str, Any]) -> Path | None:
    """Where this run was begun before its processes were started anew; None for a run that is new.

    torchrun starts all processes again when one is lost, and the first would choose another directory.
    """
    found = place()
    if found is None or found.starter != "torchrun" or OWN in os.environ:
        return None
    for mark in [run_dir / MARK, *run_dir.parent.parent.glob(f"*/*/{MARK}")]:
        if not mark.exists() or mark.read_text() != os.environ["TORCHELASTIC_RUN_ID"]:
            continue
        if RunDirectory(mark.parent).read_config() != config:
            continue
        if mark.parent != run_dir and {path.name for path in run_dir.glob("*")} <= {HYDRA, LOG}:
            shutil.rmtree(run_dir, ignore_errors=True)
        return mark.parent
    return None


@contextmanager
def shared(config: dict[str, Any], directory: RunDirectory) -> Iterator[dict[str, Any]]:
    """Tell the other ranks of the run. Gives its configuration, for as many ranks as there are.

    Raises ConfigError for a run that is for one process, where there are several.
    """
    found = place()
    if found is None or OWN in os.environ:
        yield config
        return
    strategy = config["trainer"].get("strategy", "auto")
    if found.world > 1 and strategy in ("auto", "single_device"):
        raise ConfigError(
            f"{found.starter} has started {found.world} processes, but trainer.strategy={strategy} trains "
            "in one: add trainer=ddp"
        )
    mark = directory.path / MARK
    if found.starter == "torchrun":
        mark.write_text(os.environ["TORCHELASTIC_RUN_ID"])
    if found.world > 1:
        tell({"directory": str(directory.path.absolute()), "path": sys.path})
    yield spread(config, found)
    mark.unlink(missing_ok=True)


def spread(config: dict[str, Any], found: Place) -> dict[str, Any]:
    """The configuration for the devices that there are: how many is no part of what a run is."""
    nodes = found.world // found.local
    return {**config, "trainer": {**config["trainer"], "devices": found.local, "num_nodes": nodes}}


def lead(command: Callable[[], int]) -> int:
    """The command's exit code; where it has ended well, the other ranks are let go."""
    code = command()
    if code == 0 and _several() is not None:
        tell(OVER)
    return code


def tell(message: dict[str, Any] | None) -> dict[str, Any]:
    """The first rank's message, on all ranks; this one's own counts for nothing on the others."""
    import torch.distributed as dist

    told: list[Any] = [message]
    dist.broadcast_object_list(told, src=0, group=_talk())
    if told[0] == OVER:
        dist.destroy_process_group()
    return dict(told[0])


@cache
def _talk() -> Any:
    """A process group to talk in. The one for training is made with it; Lightning takes it as it is."""
    import torch
    import torch.distributed as dist

    found = place()
    assert found is not None
    if found.starter == "srun":
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        slurm = SLURMEnvironment(auto_requeue=False)
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)
    if torch.cuda.is_available():
        torch.cuda.set_device(found.rank % found.local % torch.cuda.device_count())
    dist.init_process_group(rank=found.rank, world_size=found.world)
    return dist.new_group(backend="gloo", timeout=WAIT)
