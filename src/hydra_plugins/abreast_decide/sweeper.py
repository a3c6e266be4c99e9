"""The plugin that Hydra discovers. It is imported at every start, so heavy imports are made late."""

from __future__ import annotations

from typing import Any

from hydra_plugins.abreast_decide import config as _config  # noqa: F401
from hydra_plugins.abreast_launcher._sweeper import LaunchingSweeper


class DecideSweeper(LaunchingSweeper):
    """Trains wave after wave until the difference is known; see `AbreastDecideConf`."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def sweep(self, arguments: list[str]) -> Any:
        """Train until the verdict is due, and return the decision."""
        from abreast.study.decide.run import run_decide

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        return run_decide(self.config, arguments, self.launcher, self.hydra_context.config_loader)
