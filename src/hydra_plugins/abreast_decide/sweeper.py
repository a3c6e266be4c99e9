"""The plugin that Hydra discovers. It is imported at every start, so heavy imports are made late."""

from __future__ import annotations

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.abreast_decide import config as _config  # noqa: F401


class DecideSweeper(Sweeper):
    """Trains wave after wave until the difference is known; see `AbreastDecideConf`."""

    def __init__(self, **_: Any) -> None:
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
        """Train until the verdict is due, and return the decision."""
        from abreast.study.decide.run import run_decide

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        return run_decide(self.config, arguments, self.launcher, self.hydra_context.config_loader)
