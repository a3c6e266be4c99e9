"""One rank of a run over several processes."""

from __future__ import annotations

from typing import Any

from hydra.utils import execution_whitelist

from abreast.config.targets import own_targets
from abreast.errors import Interrupted
from abreast.runs.directory import RunDirectory
from abreast.training.run import train


def train_as_rank(cfg: dict[str, Any], directory: RunDirectory) -> None:
    """Train in this process, one of several. What goes wrong first is what the run's status says."""
    try:
        with execution_whitelist(own_targets(cfg)):
            train(cfg, directory)
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        directory.note_failure(error)
        raise
