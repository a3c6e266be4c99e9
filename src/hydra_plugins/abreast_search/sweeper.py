"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.abreast_search import config as _config  # noqa: F401


class SearchSweeper(Sweeper):
    """Asks Optuna for a batch of trials at a time; see `AbreastSearchConf` for the arguments."""

    def __init__(
        self,
        n_trials: int = 64,
        batch: int = 16,
        seed: int = 0,
        sampler: Any = None,
        storage: str | None = None,
        name: str = "search",
        params: dict[str, Any] | None = None,
    ) -> None:
        self.n_trials = n_trials
        self.batch = batch
        self.seed = seed
        self.sampler = sampler
        self.storage = storage
        self.name = name
        self.params = params
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every sweeper, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search; the best settings."""
        from hydra_plugins.abreast_search import _core

        return _core.search(self, arguments)
