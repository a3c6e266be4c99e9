"""The launcher's settings, as `hydra.launcher.<name>=<value>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastLauncherConf:
    """How the runs of a sweep are trained together.

    max_lanes: the most runs in one stack.
    memory_gib: what the weights and all that belongs to them may take; null: whatever `max_lanes` need.
    threads: that train parts of a stack side by side; null: all cores for wide networks, else one.
    matmul_precision: of the runs that are stacked, instead of their own: `bf16` for faster, coarser matrix
        products on CPUs that have them.
    shared_batches: lanes of one seed, which have the same mini-batches in the same order, gather them and
        multiply them by their weights together: faster for wide inputs, equal within rounding only.
    save_every: seconds between two writings of the checkpoints, which are kept in memory meanwhile.
    halving: epochs after which the worst lanes of a stack are dropped, such as [1,3,9]; null: never.
    keep: the share of the lanes that are kept then.
    engine: what trains the stacks: none (this process), joblib, submitit or ray.
    workers: processes of the engine; null: one for each GPU, or for each core.
    engine_options: the engine's own; see docs/scale.md.
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
    engine: str = "none"
    workers: int | None = None
    engine_options: Any = None


ConfigStore.instance().store(
    group="hydra/launcher", name="abreast", node=AbreastLauncherConf, provider="abreast_launcher"
)
