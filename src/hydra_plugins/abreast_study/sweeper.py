"""The plugin that Hydra discovers. It is imported at every start, so heavy imports are made late."""

from __future__ import annotations

from typing import Any

from hydra_plugins.abreast_launcher._sweeper import LaunchingSweeper
from hydra_plugins.abreast_study import config as _config  # noqa: F401


class StudySweeper(LaunchingSweeper):
    """Tunes, repeats and reports by the protocol in `hydra.sweeper`; see `AbreastStudyConf`."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def sweep(self, arguments: list[str]) -> Any:
        """Run the study and return its result."""
        from abreast.study.run import run_study

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        return run_study(self.config, arguments, self.launcher, self.hydra_context.config_loader)
