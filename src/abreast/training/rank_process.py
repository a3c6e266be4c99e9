"""One rank of a run over several processes."""

from __future__ import annotations

from hydra.utils import execution_whitelist

from abreast.config.targets import own_targets
from abreast.config.types import Config
from abreast.errors import Interrupted
from abreast.runs.directory import RunDirectory
from abreast.training.run import train


def train_as_rank(cfg: Config, directory: RunDirectory) -> None:
    """Train in this process, one of several. The run's status names the first failure of any rank."""
    try:
        with execution_whitelist(own_targets(cfg)):
            train(cfg, directory)
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        directory.note_failure(error)
        raise
