"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.abreast_search.config import AbreastSearchConf


class SearchSweeper(Sweeper):
    """Asks Optuna for a batch of trials at a time; see `AbreastSearchConf` for the arguments."""

    def __init__(self, **settings: Any) -> None:
        self.settings = AbreastSearchConf(**settings)
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra passes to every sweeper, and create the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search; the best settings."""
        from hydra_plugins.abreast_search import _core

        assert self.config is not None
        assert self.launcher is not None
        return _core.search(self.settings, self.config, self.launcher, arguments)
