"""What loggers of experiment trackers share: rows by step, sent now and then; checkpoints at the end."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only

from abreast.loggers.run_logger import Ending, RunLogger

SEND_EVERY = 30.0  # seconds


@dataclass
class Row:
    """What was logged of an optimizer step, and when."""

    time: float = field(default_factory=time.time)
    values: dict[str, float] = field(default_factory=dict)


class Tracker(RunLogger):
    """A logger that sends a run's values to an experiment tracker, in which the run has a name and an id.

    The name is that of the run's directory, and the id is kept in it: a resumed run continues what it began.
    """

    run_dir: Path
    _log_model: Any
    _scan_and_log_checkpoints: Any  # Lightning's loggers of trackers have it

    def _begin(self, run_dir: str) -> None:
        self.run_dir = Path(run_dir)
        self._rows: dict[int, Row] = {}
        self._sent = time.monotonic()
        self._resumed_at: int | None = None
        self._saving: dict[int, ModelCheckpoint] = {}
        self._is_closed = False

    @abstractmethod
    def _send(self, rows: Mapping[int, Row]) -> None:
        """Send rows in the order of their steps."""

    @abstractmethod
    def _close(self, ending: Ending) -> None:
        """End the run in the tracker, if it was begun."""

    def forget_from(self, step: int) -> None:
        """Continue the run that an earlier process began; what it logged from this step on counts once."""
        self._resumed_at = step

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep values until they are sent."""
        step = max(self._rows, default=0) if step is None else step
        self._rows.setdefault(step, Row()).values.update(metrics)

    @rank_zero_only
    def flush(self) -> None:
        """Send what is kept."""
        rows, self._rows = self._rows, {}
        self._sent = time.monotonic()
        if rows:
            self._send(dict(sorted(rows.items())))

    @rank_zero_only
    def end_epoch(self) -> None:
        """Send what is kept, now and then."""
        if time.monotonic() - self._sent > SEND_EVERY:
            self.flush()

    def after_save_checkpoint(self, checkpoint_callback: Checkpoint) -> None:
        """Note whose files are sent, with `log_model`: as they are when the run has finished."""
        if self._log_model and isinstance(checkpoint_callback, ModelCheckpoint):
            self._saving[id(checkpoint_callback)] = checkpoint_callback

    def finalize(self, status: str = "success") -> None:
        """Nothing: Lightning calls it before the test."""

    @rank_zero_only
    def close(self, ending: Ending = "finished") -> None:
        """Send what is kept and, of a run that has finished, its checkpoints; end the run in the tracker."""
        if self._is_closed:
            return
        self.flush()
        if ending == "finished":
            for callback in self._saving.values():
                self._scan_and_log_checkpoints(callback)
        self._is_closed = True
        self._close(ending)

    @rank_zero_only
    def abandon(self, ending: Ending) -> None:
        """As `close`, even where nothing can be sent."""
        if self._is_closed:
            return
        with suppress(Exception):
            self.flush()
        self._is_closed = True
        with suppress(Exception):
            self._close(ending)
