"""The plugin that Hydra finds. It is imported at every start: nothing heavy here."""

from __future__ import annotations

from typing import Any

from hydra_plugins.abreast_launcher._sweeper import LaunchingSweeper
from hydra_plugins.abreast_search.config import AbreastSearchConf


class SearchSweeper(LaunchingSweeper):
    """Asks Optuna for trials as lanes are free; see `AbreastSearchConf` for the arguments."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = AbreastSearchConf(**settings)

    def sweep(self, arguments: list[str]) -> Any:
        """Search; the best settings."""
        from hydra_plugins.abreast_search import _core

        assert self.config is not None
        assert self.launcher is not None
        return _core.search(self.settings, self.config, self.launcher, arguments)
