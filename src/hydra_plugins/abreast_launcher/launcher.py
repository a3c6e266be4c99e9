"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from collections.abc import Sequence

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
        save_every: float = 30.0,
    ) -> None:
        self.max_lanes = max_lanes
        self.memory_gib = memory_gib
        self.threads = threads
        self.matmul_precision = matmul_precision
        self.save_every = save_every
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
