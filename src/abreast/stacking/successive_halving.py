"""Successive halving inside a stack: at rungs the worst lanes are dropped, which frees their share of work.

Jamieson & Talwalkar 2016 (arXiv 1502.07943): every run gets a few epochs, the better ones more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.metrics.objective import monitor, ranked_by
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.grouping import split_key
from abreast.stacking.lane import Lane
from abreast.stacking.module import Stack
from abreast.stacking.rungs import cost, cost_at_rung, drop

log = logging.getLogger(__name__)


def check(rungs: Sequence[int], keep: float, configs: Sequence[Config] = ()) -> None:
    """Check the settings of successive halving, for runs of these configs.

    Raises:
        ConfigError: The rungs or the share are invalid, or the runs have no metric in common.
    """
    if not rungs or min(rungs) < 1 or sorted(set(rungs)) != list(rungs):
        raise ConfigError(f"hydra.launcher.halving={list(rungs)}: must be epochs in rising order, from 1 on")
    if not 0 < keep < 1:
        raise ConfigError(f"hydra.launcher.keep={keep}: must be a share of the lanes, in (0, 1)")
    monitors = {monitor(cfg) for cfg in configs}
    if None in monitors:
        raise ConfigError(
            "hydra.launcher.halving compares runs by validation, but data.val_fraction=0 leaves no examples "
            "for it: set data.val_fraction or monitor="
        )
    names = sorted(watched[0] for watched in monitors if watched is not None)
    if len(names) > 1:
        raise ConfigError(
            f"hydra.launcher.halving compares runs by one metric, but they monitor {', '.join(names)}: set "
            "monitor="
        )
    losses = {repr(cfg["loss"]) for cfg in configs}
    if len(losses) > 1 and any(name.endswith("/loss") for name in names):
        raise ConfigError(
            "hydra.launcher.halving would compare the values of different losses: set monitor=val/accuracy"
        )


class Halving(Callback):
    """After the epochs `rungs`, keeps the best `keep` of a stack's lanes, at least one, by what they monitor.

    Lanes of different splits are not compared: each split keeps its best.

    The run of a dropped lane has the status `dropped`, with its epoch and rank. Its result is that of the
    epochs that it was trained for, without a test. Its `last.ckpt` can be resumed.

    Args:
        rungs: The epochs.
        keep: The share that is kept.
        peers: The runs that are compared, also those that are not in the stack: a process that was killed
            may have dropped some of them at a rung, or have saved some of them later than others.

    Attributes:
        lane_steps: Steps that were trained, summed over the lanes.
    """

    def __init__(self, rungs: Sequence[int], keep: float = 1 / 3, peers: Sequence[Job] = ()) -> None:
        check(rungs, keep)
        self.rungs = tuple(rungs)
        self.keep = keep
        self._peers = peers
        self.lane_steps = 0
        self._counted = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop lanes. The epoch before is complete: measured and saved, and lanes that stopped have left."""
        if trainer.current_epoch in self.rungs:
            self._drop_worst(cast(Stack, pl_module), trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Count the lanes' steps."""
        steps = trainer.global_step - self._counted
        self._counted = trainer.global_step
        self.lane_steps += steps * sum(len(chunk.lanes) for chunk in cast(Stack, pl_module).chunks)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was saved."""
        lanes = cast(Stack, pl_module).lanes
        total = sum(lane.learner.total_steps for lane in lanes)
        log.info(
            "Halving: %d lanes were trained with %.0f %% of the lane-steps that all of them would take",
            len(lanes),
            100 * self.lane_steps / max(1, total),
        )

    def _drop_worst(self, stack: Stack, epoch: int) -> None:
        for split in {split_key(lane.cfg) for lane in stack.running}:
            running = [lane for lane in stack.running if split_key(lane.cfg) == split]
            others = self._others(epoch, split, {lane.directory.path for lane in stack.lanes})
            ranked: list[tuple[float, Lane | None]] = [(value, None) for value in others]
            ranked += [(value, lane) for lane in running for value in [cost(lane)] if value is not None]
            # Of equal ones, those that were dropped come after those that were kept; no number is the worst.
            ranked.sort(key=lambda entry: (math.isnan(entry[0]), entry[0], entry[1] is None))
            kept = max(1, math.ceil((len(running) + len(others)) * self.keep))
            for rank, (_, lane) in enumerate(ranked, start=1):
                if rank > kept and lane is not None:
                    lane.guarded(drop, lane, epoch, f"rank {rank} of {len(ranked)}")
        stack.compact()

    def _others(self, epoch: int, split: str, stack: Collection[Path]) -> list[float]:
        """What runs of a split that are not in the stack are compared by, of those that came to the rung."""
        directories = {job.directory: job.cfg for job in self._peers if job.directory not in stack}
        costs = [
            cost_at_rung(RunDirectory(path), *ranked_by(cfg), epoch)
            for path, cfg in directories.items()
            if split_key(cfg) == split
        ]
        return [value for value in costs if value is not None]
