"""Successive halving inside a stack: at rungs the worst lanes are dropped, and their share of the work freed.

Jamieson & Talwalkar 2016 (arXiv 1502.07943): every run gets a few epochs, the better ones more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer

from abreast.errors import ConfigError
from abreast.metrics.objective import monitor, ranked_by
from abreast.stacking.lane import Lane
from abreast.training.finish import finish

if TYPE_CHECKING:
    from abreast.stacking.module import Stack

log = logging.getLogger(__name__)


def check(rungs: Sequence[int], keep: float, configs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Raise ConfigError for rungs that are none, or for runs that have no value in common to go by."""
    if not rungs or min(rungs) < 1 or sorted(set(rungs)) != list(rungs):
        raise ConfigError(f"hydra.launcher.halving={list(rungs)}: must be epochs in rising order, from 1 on")
    if not 0 < keep < 1:
        raise ConfigError(f"hydra.launcher.keep={keep}: must be a share of the lanes, in (0, 1)")
    watched = {monitor(cfg) for cfg in configs}
    if None in watched:
        raise ConfigError(
            "hydra.launcher.halving goes by validation, and data.val_fraction=0 holds no rows out"
        )
    if len(watched) > 1:
        names = ", ".join(sorted(each[0] for each in watched if each is not None))
        raise ConfigError(
            f"hydra.launcher.halving goes by one metric, but the runs have {names}: set monitor="
        )
    losses = {repr(cfg["loss"]) for cfg in configs}
    if len(losses) > 1 and any(each is not None and each[0].endswith("/loss") for each in watched):
        raise ConfigError(
            "hydra.launcher.halving would compare the values of different losses: set monitor=val/accuracy"
        )


class Halving(Callback):
    """After the epochs `rungs` keeps the best `keep` of a stack's lanes, at least one, by what they monitor.

    A dropped lane's run has the status `dropped`, with its epoch and rank; its result is that of the epochs
    that it had, without a test. Its `last.ckpt` is one to go on from.
    """

    def __init__(self, rungs: Sequence[int], keep: float = 1 / 3) -> None:
        check(rungs, keep)
        self.rungs = tuple(rungs)
        self.keep = keep
        self.lane_steps = 0
        self._counted = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The epoch before is whole: measured, saved, and its lanes that stop are gone."""
        stack: Stack = pl_module  # type: ignore[assignment]
        if trainer.current_epoch in self.rungs:
            self._rung(stack, trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count what is trained."""
        stack: Stack = pl_module  # type: ignore[assignment]
        steps = trainer.global_step - self._counted
        self._counted = trainer.global_step
        self.lane_steps += steps * sum(len(chunk.lanes) for chunk in stack.chunks)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what it has spared."""
        stack: Stack = pl_module  # type: ignore[assignment]
        whole = stack.lanes[0].learner.total_steps * len(stack.lanes)
        log.info(
            "Halving: %d lanes were trained with %.0f %% of the lane-steps that all of them would take",
            len(stack.lanes),
            100 * self.lane_steps / max(1, whole),
        )

    def _rung(self, stack: Stack, epoch: int) -> None:
        lanes = [(value, lane) for lane in stack.running for value in [_value(lane)] if value is not None]
        lanes.sort(key=lambda each: each[0])
        kept = max(1, math.ceil(len(stack.running) * self.keep))
        for rank, (_, lane) in enumerate(lanes, start=1):
            if rank > kept:
                lane.guarded(_drop, stack, lane, epoch, f"rank {rank} of {len(lanes)}")
        stack.compact()


def _value(lane: Lane) -> float | None:
    """What the lane is ranked by, the lower the better: the last value that was measured."""
    name, mode = ranked_by(lane.cfg)
    value = lane.trainer.callback_metrics.get(name)
    return None if value is None else float(value if mode == "min" else -value)


def _drop(stack: Stack, lane: Lane, epoch: int, rank: str) -> None:
    lane.stop()
    lane.state = "dropped"
    lane.flush()
    name, _ = ranked_by(lane.cfg)
    chosen = lane.load_chosen()
    trainer = cast(Trainer, lane.trainer)
    seconds = lane.directory.read_metrics()[-1]["seconds"]
    finish(
        trainer,
        lane.learner,
        stack.data,
        lane.directory,
        lane.cfg,
        chosen,
        seconds=seconds,
        status="dropped",
    )
    reason = f"dropped after epoch {epoch}: {rank} by {name}"
    lane.directory.write_status("dropped", reason=reason, dropped_at=epoch)
