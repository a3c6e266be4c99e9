"""The launcher's settings, as `hydra.launcher.<name>=<value>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastLauncherConf:
    """How the runs of a sweep are trained together.

    Attributes:
        max_lanes: The most runs that a stack trains at a time; others take the places of those that end.
        memory_gib: Memory for weights, gradients, optimizers and checkpoints; null: what `max_lanes` need.
        threads: Threads that train parts of a stack; null: all cores for wide networks, else one.
        matmul_precision: Replaces the stacked runs' own: `bf16` for faster, less precise matrix products on
            CPUs that support it.
        shared_batches: Let lanes of one seed, whose mini-batches are the same, gather and multiply them
            together: bitwise identical; saves time with matmul_precision=bf16.
        save_every: Seconds between two writings of the checkpoints, which are kept in memory meanwhile.
        halving: Epochs after which the worst lanes of a stack, or of all trials of a search that have come as
            far, are dropped, such as [1,3,9]; null: never.
        keep: The share of the lanes that halving keeps.
        devices: The GPUs of this machine to train on, a stack at a time on each: all, how many, or such as
            [0,1]; `cpu` in a list is a process without a GPU.
        engine: What trains the stacks: none (this process), joblib, submitit or ray.
        workers: Processes that train side by side; null: one for each GPU, or for each core; with engine=none
            as many as pay off on the CPU.
        engine_options: The engine's options; see docs/scale.md.
    """

    _target_: str = "hydra_plugins.abreast_launcher.launcher.AbreastLauncher"
    max_lanes: int = 128
    memory_gib: float | None = None
    threads: int | None = None
    matmul_precision: str | None = None
    shared_batches: bool = False
    save_every: float = 30.0
    halving: list[int] | None = None
    keep: float = 1 / 3
    devices: Any = 1
    engine: str = "none"
    workers: int | None = None
    engine_options: Any = None


ConfigStore.instance().store(
    group="hydra/launcher",
    name="abreast",
    node=AbreastLauncherConf,
    provider="abreast_launcher",
    replace=True,
)
