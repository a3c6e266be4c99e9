"""The columns of TensorBoard's HPARAMS for the runs of a sweep: what varies among them, and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event

from abreast.config.types import Config
from abreast.errors import AbreastError
from abreast.hparams.columns import VariedColumns
from abreast.loggers.event_file import as_records, first_event
from abreast.loggers.hyperparameters import hyperparameters
from abreast.loggers.summaries import columns_of_runs
from abreast.loggers.tensorboard import FINAL, tag
from abreast.metrics.registry import by_priority, measured
from abreast.metrics.requested import requested
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, SWEEP_EVENTS


class SweepColumns:
    """Finds the settings that vary, and writes them beside the run directories of a sweep.

    The runs themselves know nothing of the sweep: their directories are those of individual runs.

    Args:
        folder: The sweep's directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self._settings = VariedColumns()
        self._metrics: dict[str, str] = {}

    def add(self, path: Path, config: Config) -> None:
        """Add a run by its directory and its resolved configuration, if TensorBoard is among its loggers."""
        path = path.absolute()
        if path not in self._seen and _is_shown(config):
            self._settings.add(hyperparameters(config))
            self._metrics |= _metrics(config)
        self._seen.add(path)

    def add_others(self) -> None:
        """Add the runs in the folder that were not added yet, as earlier commands left them."""
        for file in sorted(self._folder.absolute().glob(f"*/{CONFIG}")):
            if file.parent not in self._seen:
                # What is there may be no run, or one of another release.
                with suppress(AbreastError, OSError, LookupError, TypeError, AttributeError):
                    self.add(file.parent, RunDirectory(file.parent).read_config())

    def write(self) -> None:
        """Write the events file of the folder, or none where nothing varies.

        Raises:
            OSError: It cannot be written.
        """
        columns = self._settings.columns
        if not columns:
            return
        head = first_event()
        event = Event(wall_time=head.wall_time, summary=columns_of_runs(columns, self._metrics))
        content = as_records([head.SerializeToString(), event.SerializeToString()])
        write_atomically(self._folder / SWEEP_EVENTS, content)


@lru_cache(maxsize=1)
def columns_of(folder: Path) -> SweepColumns:
    """The columns of a sweep; the same ones for each part of a search that this process runs."""
    return SweepColumns(folder)


def _is_shown(config: Mapping[str, Any]) -> bool:
    loggers = config.get("logger") or {}
    return any(node.get("_target_") == "abreast.loggers.TensorBoard" for node in loggers.values())


def _metrics(config: Config) -> dict[str, str]:
    """Titles of the final metrics by tag, the one that runs are compared by first."""
    names = [metric.name for metric in requested(config)]
    task = config["data"]["task"]
    titles = {}
    for stage in ("test", "val", "train") if config.get("test", True) else ("val", "train"):
        for metric in by_priority(measured(task, test=stage == "test", requested=names)):
            titles[tag(f"{FINAL}{stage}/{metric.name}")] = f"{stage} {metric.title}"
    return titles
