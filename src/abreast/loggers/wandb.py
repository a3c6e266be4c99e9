"""Weights & Biases, one run for each run directory, also for many at once in one process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger

from abreast.loggers.row_journal import RowJournal
from abreast.loggers.run_logger import Ending
from abreast.loggers.tracker import Row, Tracker
from abreast.runs.files import WANDB, WANDB_ROWS
from abreast.runs.tracker_id import tracker_id

# The terminal is the sweep's, and the machine's load that of all runs in the process.
SETTINGS = {"console": "off", "silent": True, "x_disable_stats": True, "symlink": False}
STEP = "trainer/global_step"


class Wandb(Tracker, WandbLogger):
    """Lightning's logger for a run that is resumed, or trained beside others in one process.

    A resumed offline run has one folder, too: a new one, with what the earlier process was given.

    Args:
        run_dir: The run's directory.
        save_dir: Where the folder `wandb` is made.
        project: The project.
        name: The run's name; None for that of its directory.
        offline: Whether to write files only, for `wandb sync`.
        log_model: Whether the checkpoints of a finished run are logged as artifacts.
        prefix: What the names of metrics begin with.
        kwargs: Further arguments of `wandb.init`.
    """

    def __init__(
        self,
        run_dir: str,
        save_dir: str,
        project: str = "abreast",
        name: str | None = None,
        offline: bool = False,
        log_model: bool | Literal["all"] = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        settings = SETTINGS | dict(kwargs.pop("settings", None) or {})
        name = name or Path(run_dir).absolute().name
        super().__init__(
            save_dir=save_dir,
            project=project,
            name=name,
            offline=offline,
            log_model=log_model,
            prefix=prefix,
            settings=settings,
            **{"reinit": "create_new", **kwargs},
        )
        del self._wandb_init["anonymous"]  # W&B warns of it
        self._begin(run_dir)
        self._journal = RowJournal(self.run_dir / WANDB_ROWS)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """W&B's run, once it was begun or continued."""
        if self._experiment is None:
            self._experiment = self._open()
        return self._experiment

    def _open(self) -> Any:
        import wandb

        identity, is_new = tracker_id(self.run_dir)
        identity = self._wandb_init["id"] or identity
        folder = Path(self._wandb_init["dir"]) / WANDB
        earlier = [] if is_new else [*folder.glob(f"offline-run-*-{identity}*")]
        mode = {"mode": "offline"} if self._offline else {}
        resume = "allow" if self._resumed_at is not None else None  # a restarted run replaces the earlier one
        run = wandb.init(**{**self._wandb_init, **mode, "id": identity, "resume": resume})
        for link in Path(run.dir).parent.glob("logs/*"):
            if link.is_symlink():  # to the log of W&B's service: it would lead out of the run's directory
                link.unlink()
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        if run.offline:
            for step, values in self._journal.restart(self._resumed_at or 0).items():
                run.log(dict(values), step=step, commit=True)
            for path in earlier:
                shutil.rmtree(path)
        return run

    def _send(self, rows: Mapping[int, Row]) -> None:
        run = self.experiment
        prefix = f"{self._prefix}{self.LOGGER_JOIN_CHAR}" if self._prefix else ""
        prefixed = {
            step: {STEP: step, **{f"{prefix}{name}": value for name, value in row.values.items()}}
            for step, row in rows.items()
            if step >= run.starting_step  # the first that a server does not have
        }
        if run.offline:
            self._journal.append(prefixed)
        for step, values in prefixed.items():
            run.log(values, step=step, commit=True)

    def _close(self, ending: Ending) -> None:
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if ending in ("finished", "dropped") else 1)
