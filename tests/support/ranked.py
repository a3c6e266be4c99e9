"""What each of several ranks runs in the tests: many small trainings in one process group."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from support.forks import EVERYTHING, forks
from support.helpers import ROOT, allowed, compose


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def train_all(cases: dict[str, list[str]], folder: Path, world: int) -> None:
    """Train every case over `world` processes: the run directories are `folder/<case>`."""
    folder.mkdir(parents=True)
    several = ["trainer=ddp", f"trainer.devices={world}"] if world > 1 else []
    common = ["trainer.accelerator=cpu", "logger=none", "callbacks=none", "test=true"]
    configs = {name: compose(*several, *common, *overrides) for name, overrides in cases.items()}
    (folder / "cases.json").write_text(json.dumps(configs))
    shared = {
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "TORCHELASTIC_RUN_ID": "tests",
        "GROUP_RANK": "0",
        "OMP_NUM_THREADS": "1",
    }
    if world == 1:
        del shared["TORCHELASTIC_RUN_ID"]
    outcome = forks(EVERYTHING).run("from support.ranked import main; main()", [str(folder)], ROOT, **shared)
    assert outcome.code == 0, outcome.err


def main() -> None:
    """Train the folder's cases by forks of this process, a rank each; when one fails the others end."""
    [folder] = sys.argv
    ranks = []
    for rank in range(int(os.environ["WORLD_SIZE"])):
        ranks.append(os.fork())
        if ranks[-1] == 0:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            _train(Path(folder), rank)
            return
    failed = False
    for _ in ranks:
        rank, status = os.wait()
        ranks[ranks.index(rank)] = 0
        if status and not failed:
            failed = True
            for other in filter(None, ranks):
                os.kill(other, signal.SIGKILL)
    sys.exit(failed)


def _train(folder: Path, rank: int) -> None:
    from abreast.runs.directory import RunDirectory
    from abreast.training.run import train

    for name, cfg in json.loads((folder / "cases.json").read_text()).items():
        directory = RunDirectory(folder / name)
        if rank == 0:
            directory.write_config(cfg)
        with allowed():
            train(cfg, directory)
