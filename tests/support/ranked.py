"""What each of several ranks runs in the tests: many small trainings in one process group."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from support.helpers import allowed, program_environment


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def train_all(cases: dict[str, list[str]], folder: Path, world: int) -> None:
    """Train every case over `world` processes: the run directories are `folder/<case>`."""
    folder.mkdir(parents=True)
    (folder / "cases.json").write_text(json.dumps(cases))
    shared = {
        **program_environment(),
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
    with ExitStack() as opened:
        ranks = []
        for rank in range(world):
            errors = opened.enter_context((folder / f"{rank}.log").open("w"))
            command = [sys.executable, "-m", "support.ranked", str(folder)]
            own = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            ranks.append(subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=errors))
            opened.callback(ranks[-1].wait)
            opened.callback(ranks[-1].kill)
        ends = [rank.wait(timeout=240) for rank in ranks]
    logs = [(folder / f"{rank}.log").read_text() for rank in range(world)]
    assert not any(ends), f"{ends}\n" + "\n".join(logs)


def main(folder: Path) -> None:
    """Train the folder's cases as one rank."""

    from abreast.runs.directory import RunDirectory
    from abreast.training.run import train
    from support.helpers import compose

    world, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    several = ["trainer=ddp", f"trainer.devices={world}"] if world > 1 else []
    for name, overrides in json.loads((folder / "cases.json").read_text()).items():
        common = ["trainer.accelerator=cpu", "logger=none", "callbacks=none", "test=true"]
        cfg = compose(*several, *common, *overrides)
        directory = RunDirectory(folder / name)
        if rank == 0:
            directory.write_config(cfg)
        with allowed():
            train(cfg, directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
