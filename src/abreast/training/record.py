"""What result.json records beside the metrics: how the run was executed, on which data, by whose code."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict

import torch
from lightning.pytorch import Trainer

from abreast.config.run_id import custom_sources
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.data.partition import Drawn

Kernels = Literal["individual", "batched", "vmap"]


class ExecutionRecord(TypedDict):
    """How a run was executed. It does not enter the run's identity, but a report that mixes ways says so.

    Attributes:
        accelerator: Torch's name for the kind of device: `cpu` or `cuda`.
        device: The model of the device.
        processes: Processes that trained the run.
        threads: Torch's threads for one operation.
        stacked: Whether the run was a lane of a stack.
        lanes: Runs in the stack; 1 for a run that was trained individually.
        shared_batches: Whether lanes of one seed shared their mini-batches.
        kernels: `individual`; `batched` over lanes, bitwise identical; or `vmap`, equal within rounding.
        steps_per_execution: Mini-batches per call of `training_step`.
    """

    accelerator: str
    device: str
    processes: int
    threads: int
    stacked: bool
    lanes: int
    shared_batches: bool
    kernels: Kernels
    steps_per_execution: int


class DataRecord(TypedDict):
    """The data that a run was trained and tested on.

    Attributes:
        digest: Of the content of the data set, before it is split; see `abreast.data.digest`.
        train: Number of training examples.
        val: Number of validation examples.
        test: Number of test examples.
        classes: Number of classes; 0 for regression.
        class_counts_test: Test examples of each class; those that the loss ignores are left out.
        drawn: What the split seed and the fold draw first: `test`, or `val` if the test set is official.
        chance: The test's share of its most frequent class: accuracy without inputs; None for regression.
    """

    digest: str
    train: int
    val: int
    test: int
    classes: int
    class_counts_test: list[int]
    drawn: Drawn
    chance: float | None


@dataclass(frozen=True)
class StartRecord:
    """What is recorded of a run before it trains.

    Attributes:
        execution: How the run is executed.
        sources: Digests of the files that define custom classes and functions, by `_target_`.
    """

    execution: ExecutionRecord
    sources: dict[str, str] = field(default_factory=dict)


def start_record(
    trainer: Trainer,
    config: Config,
    *,
    lanes: int = 1,
    shared_batches: bool = False,
    kernels: Kernels = "individual",
) -> StartRecord:
    """What is known of a run's execution and code before it trains.

    Args:
        trainer: Lightning's Trainer, of the run or of its stack.
        config: The run's configuration.
        lanes: Runs that are trained together.
        shared_batches: Whether lanes share their mini-batches.
        kernels: What executes the network.
    """
    device = trainer.strategy.root_device
    return StartRecord(
        {
            "accelerator": device.type,
            "device": _device_name(str(device)),
            "processes": trainer.world_size,
            "threads": torch.get_num_threads(),
            "stacked": kernels != "individual",
            "lanes": lanes,
            "shared_batches": shared_batches,
            "kernels": kernels,
            "steps_per_execution": int(config.get("steps_per_execution", 1)),
        },
        custom_sources(config),
    )


def data_record(data: DataModule, ignore_index: int | None = None) -> DataRecord:
    """The data that a run was trained and tested on; `ignore_index` is the label that its loss ignores."""
    counts = list(data.class_counts_test)
    if ignore_index is not None and 0 <= ignore_index < len(counts):
        counts[ignore_index] = 0
    return {
        "digest": data.content.hex,
        "train": len(data.train),
        "val": len(data.val),
        "test": len(data.test),
        "classes": len(data.classes),
        "class_counts_test": counts,
        "drawn": data.drawn,
        "chance": max(counts) / sum(counts) if any(counts) else None,
    }


@cache
def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
