"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.abreast_study import config as _config  # noqa: F401


class StudySweeper(Sweeper):
    """Tunes, repeats and reports; the protocol is read from `hydra.sweeper`, see `AbreastStudyConf`."""

    def __init__(self, **_: Any) -> None:
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
        """Conduct the study; what every cell came to."""
        from abreast.study.run import conduct

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        return conduct(self.config, arguments, self.launcher, self.hydra_context.config_loader)
