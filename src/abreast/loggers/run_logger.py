"""What a logger does for one run among many in a process, which may be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from lightning.pytorch.loggers import Logger

from abreast.errors import Interrupted

Ending = Literal["finished", "dropped", "failed", "interrupted"]


class RunLogger(Logger):
    """A logger that is told where a resumed run starts, and when its run has ended."""

    def forget_from(self, step: int) -> None:
        """Forget what an earlier process has logged of this optimizer step and later ones."""

    def flush(self) -> None:
        """Send what is kept in memory: what the next checkpoint has trained is not logged again."""

    def end_epoch(self) -> None:
        """All values of the epoch are logged."""

    def close(self, ending: Ending = "finished") -> None:
        """Send what is kept, and close the run."""

    def abandon(self, ending: Ending) -> None:
        """Close the run, even where nothing can be written."""


@contextmanager
def loggers_closed(loggers: Iterable[Logger]) -> Iterator[None]:
    """Leave no file open, no thread behind and no run open, however what is done inside ends."""
    ending: Ending = "interrupted"
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException:
        ending = "failed"
        raise
    finally:
        for logger in loggers:
            if isinstance(logger, RunLogger):
                logger.abandon(ending)


def flush_loggers(loggers: Iterable[Logger]) -> None:
    """Send what the loggers keep in memory."""
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.flush()
