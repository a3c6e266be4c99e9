"""One rank of a run over several processes."""

from __future__ import annotations

from abreast.build.permissions import Permissions, permitted
from abreast.config.types import Config
from abreast.errors import Interrupted, LostProcessError
from abreast.runs.directory import RunDirectory
from abreast.runtime.outside_cause import is_lost_peer
from abreast.training.run import train


def train_as_rank(cfg: Config, directory: RunDirectory, permissions: Permissions) -> None:
    """Train in this process, one of several. The run's status names the first failure of any rank.

    That another rank has gone is no failure of this one: who started both knows how that one ended.

    Args:
        cfg: The run's configuration.
        directory: Its directory.
        permissions: Those of the process that started this one: a rank may do no more.
    """
    try:
        with permitted(permissions, reset=True):
            train(cfg, directory)
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        if is_lost_peer(error):
            raise LostProcessError("another process of the run has gone") from error
        directory.note_failure(error)
        raise
