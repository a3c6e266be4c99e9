"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from abreast.runtime import garbage
from hydra_plugins.abreast_launcher.config import AbreastLauncherConf


class AbreastLauncher(Launcher):
    """Trains the runs of a sweep in stacks; see `AbreastLauncherConf` for the arguments."""

    composes_jobs = True  # all of them before it runs any, so that a sweeper need not try

    def __init__(self, **settings: Any) -> None:
        self.settings = AbreastLauncherConf(**settings)
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra passes to every launcher."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; how each ended, in order."""
        garbage.pause()  # until something is trained: jobs and imports make many small objects that are kept
        from hydra_plugins.abreast_launcher import _core
        from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs

        assert self.hydra_context is not None
        assert self.task_function is not None
        assert self.config is not None
        hydra = HydraJobs(self.hydra_context, self.task_function, self.config)
        return _core.launch(self.settings, hydra, job_overrides, initial_job_idx)

    def launch_asked(self, search: Any, width: int) -> bool:
        """Train trials that a search asks for while others are trained, if the settings allow that.

        Args:
            search: Suggests the trials (`hydra_plugins.abreast_launcher._asked.Search`).
            width: The most trials at a time.

        Returns:
            Whether they allow it; if not, nothing was done.
        """
        from hydra_plugins.abreast_launcher import _asked
        from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs

        assert self.hydra_context is not None
        assert self.task_function is not None
        assert self.config is not None
        hydra = HydraJobs(self.hydra_context, self.task_function, self.config)
        if not _asked.can_ask(self.settings, hydra):
            return False
        _asked.Trials(self.settings, hydra, search, width).run()
        return True
