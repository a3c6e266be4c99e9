"""Whether this machine has the devices that a run asks for, and something starts its processes."""

from __future__ import annotations

import os
from typing import Any

import torch

from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.training import external_ranks

DDP = ("ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
ALONE = ("auto", "single_device", "single_xla", "single_tpu")  # strategies of one process
FEW = 8  # processes that may share the cores of a machine with fewer, to try things out


def check_devices(config: Config) -> None:
    """Check what Lightning finds only when it trains, or never: it waits for processes that nobody starts.

    Processes that torchrun or srun has started are not checked: their number is what was asked of these.

    Args:
        config: The run's configuration.

    Raises:
        ConfigError: The run cannot have its devices here; the message says what it can have.
    """
    if external_ranks.process_position() is not None:
        return
    trainer = config["trainer"]
    strategy, nodes = str(trainer.get("strategy", "auto")), trainer.get("num_nodes") or 1
    kind, present = _present(str(trainer.get("accelerator", "auto")))
    if strategy.startswith("ddp") and strategy not in DDP:
        raise ConfigError(
            f"trainer.strategy={strategy}: abreast starts the processes itself; write trainer.strategy=ddp"
        )
    if strategy.startswith(("fsdp", "deepspeed")) and kind in ("cpu", "mps"):
        raise ConfigError(f"trainer.strategy={strategy}: requires GPUs, and there is none here for it")
    if nodes != 1:
        raise ConfigError(
            f"trainer.num_nodes={nodes}: nothing has started processes on other machines. Start the command "
            "on each with torchrun or srun, or write trainer.num_nodes=1"
        )
    devices = trainer.get("devices", 1)
    count = _count(devices, kind, present)
    if count < 1:
        raise ConfigError(f"trainer.devices={devices}: must be at least 1, or auto")
    if count > 1 and strategy not in DDP:
        raise ConfigError(
            f"trainer.devices={devices} means {count} devices, but trainer.strategy={strategy} "
            + ("trains on one" if strategy in ALONE else "requires torchrun to start the processes")
            + ": add trainer=ddp, or write trainer.devices=1"
        )
    _check_present(devices, count, kind, present)


def _check_present(devices: Any, count: int, kind: str, present: int) -> None:
    if kind == "cpu":
        most = max(FEW, present)
        if count > most:
            raise ConfigError(
                f"trainer.devices={devices}: a process each, and this machine has {present} CPU cores. "
                f"Write at most {most}"
            )
        return
    missing = [number for number in _numbers(devices) if not 0 <= number < present]
    if missing or count > present:
        wanted = f"no device {missing[0]}" if missing else f"only {present}"
        raise ConfigError(
            f"trainer.devices={devices}: there is {wanted} here; trainer.accelerator={kind} has the devices "
            f"0 to {present - 1}"
        )


def device_count(trainer: Config) -> int:
    """How many devices the Trainer's configuration means on this machine.

    Raises:
        ConfigError: There is no accelerator of its kind.
    """
    return _count(trainer.get("devices", 1), *_present(str(trainer.get("accelerator", "auto"))))


def _count(devices: Any, kind: str, present: int) -> int:
    """As `device_count`: of a number, a list of numbers, `auto`, or one of these as text; -1 means all."""
    numbers = _numbers(devices)
    if numbers:
        return len(numbers)
    if devices in ("auto", -1, "-1"):
        return 1 if kind == "cpu" else present
    try:
        return int(devices)
    except (TypeError, ValueError):
        return 1  # the Trainer says what is wrong with it


def _numbers(devices: Any) -> list[int]:
    """The devices' numbers, where these are given."""
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    if not isinstance(devices, list):
        return []
    try:
        return [int(number) for number in devices]
    except (TypeError, ValueError):
        return []


def _present(accelerator: str) -> tuple[str, int]:
    """The kind of devices that the accelerator means here, and their number.

    Raises:
        ConfigError: There is none.
    """
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = int(torch.backends.mps.is_available())
    match accelerator:
        case "cpu":
            return "cpu", os.cpu_count() or 1
        case "auto":
            return _present("cuda" if cuda else "mps" if mps else "cpu")
        case "gpu" if mps:
            return "gpu", mps
        case "gpu" | "cuda" if cuda:
            return accelerator, cuda
        case "mps" if mps:
            return "mps", mps
        case "gpu" | "cuda" | "mps":
            raise ConfigError(
                f"trainer.accelerator={accelerator}: there is none that can be used here; write "
                "trainer.accelerator=cpu, or auto for whatever there is"
            )
    return accelerator, 1  # another one, which the Trainer knows
