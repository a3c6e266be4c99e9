"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.abreast_launcher import config as _config  # noqa: F401


class AbreastLauncher(Launcher):
    """Trains the runs of a sweep in stacks; see `AbreastLauncherConf` for the arguments."""

    def __init__(
        self,
        max_lanes: int = 128,
        memory_gib: float | None = None,
        threads: int | None = None,
        matmul_precision: str | None = None,
        shared_batches: bool = False,
        save_every: float = 30.0,
        halving: Sequence[int] | None = None,
        keep: float = 1 / 3,
        engine: str = "none",
        workers: int | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.max_lanes = max_lanes
        self.memory_gib = memory_gib
        self.threads = threads
        self.matmul_precision = matmul_precision
        self.shared_batches = shared_batches
        self.save_every = save_every
        self.halving = halving
        self.keep = keep
        self.engine = engine
        self.workers = workers
        self.engine_options = engine_options
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; how each ended, in order."""
        from hydra_plugins.abreast_launcher import _core

        return _core.launch(self, job_overrides, initial_job_idx)
