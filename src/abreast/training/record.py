"""What result.json records beside the metrics: how the run was executed, on which data, by whose code."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch import Trainer

from abreast.config.run_id import custom_sources
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.runs.schema import DataRecord, ExecutionRecord

Kernels = Literal["individual", "batched", "vmap"]


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
