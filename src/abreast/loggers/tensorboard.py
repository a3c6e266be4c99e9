"""TensorBoard, one events file a run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from abreast.hparams.experiment import TESTED
from abreast.loggers.run_logger import Ending, RunLogger
from abreast.metrics.registry import by_priority
from abreast.runs.atomic import naming_file
from abreast.runs.files import EVENTS
from abreast.runtime.patches import is_on

FINAL = "final/"  # before the name of a metric of the tested weights
# TensorBoard puts tags in the order of their names, and opens on the first two groups: on the curves of
# training and validation, so that steps, and points and pictures of the tested weights, come last.
TAGS = {FINAL: TESTED, "test/": f"{TESTED}test/", "step/": "within_epoch/"}
CURVES = "Training and validation"  # the heading of the charts that show both


class Picture(NamedTuple):
    """An image that is encoded.

    Attributes:
        width: In pixels.
        height: In pixels.
        png: The file.
    """

    width: int
    height: int
    png: bytes


@cache
def tag(name: str) -> str:
    """The name of a metric in TensorBoard.

    >>> tag("val/accuracy"), tag("final/test/accuracy"), tag("step/loss")
    ('val/accuracy', 'weights/test/accuracy', 'within_epoch/loss')
    """
    prefix = next((prefix for prefix in TAGS if name.startswith(prefix)), "")
    return TAGS.get(prefix, "") + name.removeprefix(prefix)


_default_hook = threading.excepthook


def _quiet(args: threading.ExceptHookArgs) -> None:
    """Leave out errors of the disk in the thread that writes events: the next call raises them again."""
    module = type(args.thread).__module__
    if not (module.startswith("tensorboard.summary.writer") and issubclass(args.exc_type, OSError)):
        _default_hook(args)


if is_on("writer_thread"):
    threading.excepthook = _quiet


class TensorBoard(RunLogger, TensorBoardLogger):
    """Lightning's logger, writing into the run directory itself.

    Lightning's closes its file after each of fit and test and opens another, and adds an `hparams.yaml`
    beside `config.yaml`. This one keeps its file open until `close`.
    """

    def __init__(self, save_dir: str, **kwargs: Any) -> None:
        super().__init__(save_dir, name="", version="", default_hp_metric=False, **kwargs)
        self._has_layout = False

    @cached_property
    def _events(self) -> Path:
        return Path(self.log_dir) / EVENTS

    def forget_from(self, step: int) -> None:
        """Let TensorBoard pass over what earlier files in the directory say of this step and later ones."""
        self._kwargs["purge_step"] = step

    def save(self) -> None:
        """Nothing: the configuration is in `config.yaml`."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer, made at its first use."""
        if self._experiment is None and is_on("event_file"):
            self._experiment = _writer_class()(log_dir=self.log_dir, **self._kwargs)
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """As Lightning's, by the names that `tag` gives; an error of the disk names the file."""
        metrics = {tag(name): value for name, value in metrics.items()}
        with naming_file(self._events):
            file = self.experiment._get_file_writer()
            self._add_layout(file, metrics)
            quick = hasattr(file, "add_scalars") and not self._prefix and step is not None
            if quick and all(isinstance(value, int | float) for value in metrics.values()):
                file.add_scalars(metrics, step)
            else:
                super().log_metrics(metrics, step)

    def _add_layout(self, file: Any, metrics: Mapping[str, float]) -> None:
        """Show the curves of training and validation together, once the first of them are known."""
        names = [name.partition("/")[2] for name in metrics if name.startswith("train/")]
        if names and not self._has_layout:
            from abreast.loggers.summaries import layout

            order = [metric.name for metric in by_priority()]
            known = [name for name in order if name in names]
            file.add_summary(layout(CURVES, known), 0)
            self._has_layout = True

    @rank_zero_only
    def log_row(
        self, row: Mapping[str, str | int | float | bool], metrics: Mapping[str, float], step: int
    ) -> None:
        """Add the run to HPARAMS.

        Args:
            row: Its hyperparameters by name.
            metrics: Its final metrics by name.
            step: The optimizer step of the metrics.
        """
        from abreast.loggers.summaries import session_end, session_start

        self.log_metrics(metrics, step)
        with naming_file(self._events):
            file = self.experiment._get_file_writer()
            file.add_summary(session_start(row), step)
            file.add_summary(session_end(), step)

    def finalize(self, status: str) -> None:
        """Let what was logged be seen."""
        if self._experiment is not None:
            with naming_file(self._events):
                self._experiment.flush()

    def close(self, ending: Ending = "finished") -> None:
        """Close the file."""
        if self._experiment is not None:
            with naming_file(self._events):
                self._experiment.close()

    def abandon(self, ending: Ending = "failed") -> None:
        """Close the file and end the thread that writes it, even where nothing can be written."""
        with suppress(OSError):
            self.close()
        writers = getattr(self._experiment, "all_writers", None) or {}
        for writer in writers.values():
            with suppress(OSError):
                writer.close()


@cache
def _writer_class() -> type[Any]:
    """Torch's `SummaryWriter`, with our file in place of its own and of the thread that writes it."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from torch.utils.tensorboard import SummaryWriter

    from abreast.loggers.event_file import EventFile

    class Writer(SummaryWriter):
        def _get_file_writer(self) -> Any:
            if self.file_writer is None:
                file = EventFile(self.log_dir, self.filename_suffix)
                vars(self).update(file_writer=file, all_writers={self.log_dir: file})
                if self.purge_step is not None:
                    start = SessionLog(status=SessionLog.START)
                    for event in (Event(file_version="brain.Event:2"), Event(session_log=start)):
                        file.add_event(event, self.purge_step)
                    self.purge_step = None
            return self.file_writer

    return Writer


def add_picture(board: TensorBoardLogger, name: str, picture: Picture, step: int) -> None:
    """Log a picture by the name that `tag` gives.

    It is encoded already: `SummaryWriter.add_image` would decode and encode it again.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    image = Summary.Image(
        height=picture.height, width=picture.width, colorspace=3, encoded_image_string=picture.png
    )
    with naming_file(Path(board.log_dir) / EVENTS):
        writer = board.experiment._get_file_writer()
        writer.add_summary(Summary(value=[Summary.Value(tag=tag(name), image=image)]), step)
