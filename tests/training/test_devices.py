"""Devices that a run asks for and cannot have are one line before it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.errors import ConfigError
from abreast.runs.directory import RunDirectory
from abreast.training.devices import FEW, check_devices, device_count
from abreast.training.ranks import ranks_to_start
from abreast.training.run import resume
from support.forks import run_forked
from support.resuming import TINY, begin


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretends to be on a machine with so many GPUs and cores, and nothing around the command."""

    def pretend(gpus: int = 0, cores: int = 2) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
            monkeypatch.delenv(name, raising=False)

    return pretend


REFUSED: list[tuple[int, dict[str, Any], str]] = [
    (0, {"devices": 2}, "add trainer=ddp, or write trainer.devices=1"),
    (0, {"devices": "2"}, "add trainer=ddp"),
    (0, {"devices": 2, "strategy": "single_device"}, "trains on one"),
    (0, {"devices": 99, "strategy": "ddp"}, f"Write at most {FEW}"),
    (0, {"devices": 99}, "add trainer=ddp"),
    (0, {"num_nodes": 3}, "with torchrun or srun"),
    (0, {"num_nodes": 3, "strategy": "ddp", "devices": 2}, "with torchrun or srun"),
    (0, {"strategy": "ddp_spawn", "devices": 2}, "write trainer.strategy=ddp"),
    (0, {"strategy": "ddp_notebook_find_unused_parameters_true"}, "write trainer.strategy=ddp"),
    (0, {"accelerator": "gpu"}, "trainer.accelerator=cpu, or auto"),
    (0, {"accelerator": "cuda"}, "trainer.accelerator=cpu, or auto"),
    (0, {"accelerator": "mps"}, "trainer.accelerator=cpu, or auto"),
    (0, {"strategy": "fsdp"}, "requires GPUs"),
    (0, {"strategy": "deepspeed_stage_2", "devices": 2}, "requires GPUs"),
    (2, {"devices": 2}, "add trainer=ddp"),
    (2, {"devices": "auto"}, "add trainer=ddp"),
    (2, {"devices": -1}, "add trainer=ddp"),
    (2, {"devices": [0, 1]}, "add trainer=ddp"),
    (2, {"devices": "0,1"}, "add trainer=ddp"),
    (2, {"devices": 2, "strategy": "fsdp"}, "requires torchrun to start the processes"),
    (2, {"devices": 2, "strategy": "deepspeed"}, "requires torchrun to start the processes"),
    (2, {"devices": 3, "strategy": "ddp"}, "there is only 2 here"),
    (2, {"devices": [5]}, "there is no device 5"),
    (2, {"devices": [0, 7], "strategy": "ddp"}, "there is no device 7"),
]
TAKEN: list[tuple[int, dict[str, Any], int]] = [
    (0, {}, 1),
    (0, {"devices": "auto"}, 1),
    (0, {"devices": -1}, 1),
    (0, {"devices": 4, "strategy": "ddp"}, 4),
    (0, {"devices": "3", "strategy": "ddp_find_unused_parameters_true"}, 3),
    (1, {"devices": "auto"}, 1),
    (1, {"accelerator": "gpu", "devices": [0]}, 1),
    (1, {"strategy": "fsdp"}, 1),
    (4, {"devices": "auto", "strategy": "ddp"}, 4),
    (4, {"devices": [1, 3], "strategy": "ddp"}, 2),
    (4, {"devices": [3]}, 1),
    (4, {"devices": 2, "strategy": "ddp", "accelerator": "cpu"}, 2),
    (4, {"devices": "auto", "strategy": "ddp", "accelerator": "cpu"}, 1),
]


@pytest.mark.parametrize(("gpus", "trainer", "message"), REFUSED)
def test_refused(gpus: int, trainer: dict[str, Any], message: str, machine: Any) -> None:
    machine(gpus)
    with pytest.raises(ConfigError) as error:
        check_devices({"trainer": trainer})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("gpus", "trainer", "count"), TAKEN)
def test_taken(gpus: int, trainer: dict[str, Any], count: int, machine: Any) -> None:
    machine(gpus)
    check_devices({"trainer": trainer})
    assert device_count(trainer) == count
    assert ranks_to_start({"trainer": trainer}) == count


def test_what_torchrun_started_is_taken(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    check_devices({"trainer": {"num_nodes": 3, "devices": 99}})


@pytest.mark.parametrize("overrides", [("trainer.devices=2",), ("trainer.num_nodes=3", "trainer=ddp")])
def test_the_command(overrides: tuple[str, ...], tmp_path: Path) -> None:
    done = run_forked([*TINY, *overrides, "trainer.accelerator=cpu", "hydra.run.dir=run"], tmp_path)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert not (tmp_path / "run" / "config.yaml").exists()
    assert not (tmp_path / "run" / "status.json").exists()


def test_a_refused_resume_writes_nothing(tmp_path: Path, machine: Any) -> None:
    directory = RunDirectory(begin(tmp_path / "run", "logger=none"))
    before = {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()}
    config = directory.read_config()
    config["trainer"]["num_nodes"] = 2
    machine()
    with pytest.raises(ConfigError):
        resume(config, directory)
    assert {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()} == before
