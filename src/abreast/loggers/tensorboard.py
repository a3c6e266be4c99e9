"""TensorBoard, one events file a run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from abreast.runs.atomic import naming_file
from abreast.runs.files import EVENTS
from abreast.runtime.patches import is_on

_default_hook = threading.excepthook


def _quiet(args: threading.ExceptHookArgs) -> None:
    """Leave out errors of the disk in the thread that writes events: the next call raises them again."""
    module = type(args.thread).__module__
    if not (module.startswith("tensorboard.summary.writer") and issubclass(args.exc_type, OSError)):
        _default_hook(args)


if is_on("writer_thread"):
    threading.excepthook = _quiet


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, writing into the run directory itself.

    Lightning's closes its file after each of fit and test and opens another, and adds an `hparams.yaml`
    beside `config.yaml`. This one keeps its file open until `close`.
    """

    def __init__(self, save_dir: str, **kwargs: Any) -> None:
        super().__init__(save_dir, name="", version="", default_hp_metric=False, **kwargs)

    def forget_from(self, step: int) -> None:
        """Let TensorBoard pass over what earlier files in the directory say of this step and later ones."""
        self._kwargs["purge_step"] = step

    def save(self) -> None:
        """Nothing: the configuration is in `config.yaml`."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Lightning's own; an error of the disk names the file."""
        with naming_file(Path(self.log_dir) / EVENTS):
            super().log_metrics(metrics, step)

    def finalize(self, status: str) -> None:
        """Let what was logged be seen."""
        if self._experiment is not None:
            with naming_file(Path(self.log_dir) / EVENTS):
                self._experiment.flush()

    def close(self) -> None:
        """Close the file."""
        if self._experiment is not None:
            with naming_file(Path(self.log_dir) / EVENTS):
                self._experiment.close()

    def abandon(self) -> None:
        """Close the file and end the thread that writes it, even where nothing can be written."""
        with suppress(OSError):
            self.close()
        writers = getattr(self._experiment, "all_writers", None) or {}
        for writer in writers.values():
            with suppress(OSError):
                writer.close()


@contextmanager
def boards_closed(loggers: Iterable[Logger]) -> Iterator[None]:
    """Leave no file open and no thread behind, however what is done inside ends."""
    try:
        yield
    finally:
        for logger in loggers:
            if isinstance(logger, TensorBoard):
                logger.abandon()
