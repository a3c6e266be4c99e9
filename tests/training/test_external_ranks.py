"""Ranks that torchrun or srun has started: one command line is read, and all have its configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import ConfigError
from abreast.runs.directory import RunDirectory
from abreast.training.external_ranks import ProcessPosition, shared, spread
from support.helpers import ROOT, compose
from support.ranked import free_port

pytestmark = pytest.mark.long

TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "RANK": "3", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
SLURM = {"SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_NNODES": "2"}

# Each rank writes what it really trains with.
SPY = """
import json, os
from pathlib import Path
from lightning.pytorch import Callback

class Spy(Callback):
    def on_train_start(self, trainer, pl_module):
        seen = {
            "directory": trainer.default_root_dir,
            "world": trainer.world_size,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "batch": trainer.train_dataloader.batch_size,
            "first": float(pl_module.net[1].weight.sum()),
        }
        name = f"{Path(trainer.default_root_dir).name}:{trainer.global_rank}.json"
        (Path(__file__).parent / name).write_text(json.dumps(seen))
"""
SMALL = (
    "data=random",
    "data.size=90",
    "data.test_size=20",
    "trainer.max_epochs=1",
    "logger=none",
    "callbacks=none",
)
TRAIN = [str(ROOT / "train.py"), *SMALL, "trainer.accelerator=cpu", "+callbacks.spy._target_=spy.Spy"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (TORCHRUN, ProcessPosition(3, 8, 4, "torchrun")),
        ({**TORCHRUN, **SLURM}, ProcessPosition(3, 8, 4, "torchrun")),
        (SLURM, ProcessPosition(5, 8, 4, "srun")),
        ({"SLURM_NTASKS": "8"}, None),  # an allocation, but nothing started in it
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
    ],
)
def test_who_started_this_process(environment: dict[str, str], expected: ProcessPosition | None) -> None:
    assert ProcessPosition.of(environment) == expected


def test_a_run_has_the_ranks_that_there_are() -> None:
    spread_out = spread(compose("trainer=ddp"), ProcessPosition(0, 8, 4, "torchrun"))
    assert (spread_out["trainer"]["devices"], spread_out["trainer"]["num_nodes"]) == (4, 2)


def test_a_run_for_one_process_is_refused_to_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**TORCHRUN, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    refused = pytest.raises(ConfigError, match=r"torchrun has started 8 processes, .* add trainer=ddp")
    with refused, shared(compose(), RunDirectory(tmp_path)):
        pass


def seen(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the ranks of each run saw."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        found.setdefault(path.name.split(":")[0], []).append(json.loads(path.read_text()))
    return found


def test_torchrun_trains_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text(SPY)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    sweep = ["-m", "trainer=ddp", "optim.lr=0.1,0.2", "hydra.sweep.dir=sweep"]
    done = subprocess.run(
        [*torchrun, *TRAIN, *sweep], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    runs = seen(tmp_path)
    assert sorted(both[0]["lr"] for both in runs.values()) == [0.1, 0.2]
    for both in runs.values():
        assert len(both) == 2
        assert both[0] == both[1]
        run = RunDirectory(Path(both[0]["directory"]))
        assert run.read_status() == {"status": "finished"}
        assert run.read_config()["optim"]["lr"] == both[0]["lr"]
    assert len([*(tmp_path / "sweep").glob("*/")]) == 2


def test_srun_trains_a_run(tmp_path: Path) -> None:
    # What srun sets in the two tasks of a step: there is none here.
    (tmp_path / "spy.py").write_text(SPY)
    port = free_port()
    common = {
        **os.environ,
        **{"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NNODES": "1", "SLURM_NODEID": "0"},
        **{"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODELIST": "127.0.0.1"},
        "MASTER_PORT": str(port),
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, *TRAIN, "trainer=ddp"],
            cwd=tmp_path,
            env={**common, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        errors = [rank.communicate(timeout=200)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    (run,) = tmp_path.glob("runs/*/*")
    (both,) = seen(tmp_path).values()
    assert len(both) == 2
    assert both[0] == both[1]
    assert both[0]["directory"] == str(run)
    assert RunDirectory(run).read_status() == {"status": "finished"}
