"""The launcher's settings, as `hydra.launcher.<name>=<value>`."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore


@dataclass
class AbreastLauncherConf:
    """How the runs of a sweep are trained together.

    max_lanes: the most runs in one stack.
    memory_gib: what the weights and all that belongs to them may take; null: whatever `max_lanes` need.
    threads: that train parts of a stack side by side; null: all cores for wide networks, else one.
    matmul_precision: of the runs that are stacked, instead of their own: `bf16` for faster, coarser matrix
        products on CPUs that have them.
    save_every: seconds between two writings of the checkpoints, which are kept in memory meanwhile.
    """

    _target_: str = "hydra_plugins.abreast_launcher.launcher.AbreastLauncher"
    max_lanes: int = 128
    memory_gib: float | None = None
    threads: int | None = None
    matmul_precision: str | None = None
    save_every: float = 30.0


ConfigStore.instance().store(
    group="hydra/launcher", name="abreast", node=AbreastLauncherConf, provider="abreast_launcher"
)
