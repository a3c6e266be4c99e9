"""A lane: one run of a stack, with its own learner, callbacks, loggers and run directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any, cast

import torch
from lightning import __version__ as lightning_version
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.loggers import Logger

from abreast.board import TensorBoard
from abreast.callbacks import Progress
from abreast.checkpoint import AtomicCheckpointIO
from abreast.module import Learner
from abreast.results import RunDirectory
from abreast.seeding import derive
from abreast.stacking.grouping import Config
from abreast.stacking.optimizers import Pack, cloned

GLOBAL_GENERATOR = Lock()  # there is one for all threads of chunks
IO = AtomicCheckpointIO(every=0)  # the stack itself says when


class LaneTrainer:
    """The stack's Trainer as a lane's callbacks see it: with metrics, weights and an end of its own."""

    def __init__(self, lane: Lane, trainer: Trainer, loops: Callable[[], dict[str, Any]]) -> None:
        self.lane = lane
        self.trainer = trainer
        self.loops = loops
        self.callback_metrics: dict[str, torch.Tensor] = {}
        self.should_stop = False
        self.datamodule: Any = None
        self._frozen: tuple[int, int] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    @property
    def lightning_module(self) -> Learner:
        """The lane's learner."""
        return self.lane.learner

    @property
    def callbacks(self) -> list[Callback]:
        """The lane's callbacks."""
        return self.lane.callbacks

    @property
    def loggers(self) -> list[Logger]:
        """The lane's loggers."""
        return self.lane.loggers

    @property
    def logger(self) -> Logger | None:
        """The first of the lane's loggers."""
        return self.lane.loggers[0] if self.lane.loggers else None

    @property
    def optimizers(self) -> list[Any]:
        """The optimizer that the lane has, alone or with others."""
        return [self.lane.pack.optimizer]

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        """The lane's schedule, as Lightning wraps it."""
        scheduler = self.lane.pack.scheduler
        return [] if scheduler is None else [SimpleNamespace(scheduler=scheduler)]

    @property
    def global_step(self) -> int:
        """Optimizer steps that the lane has done."""
        return self._frozen[0] if self._frozen else self.trainer.global_step

    @property
    def current_epoch(self) -> int:
        """The lane's epoch."""
        return self._frozen[1] if self._frozen else self.trainer.current_epoch

    def freeze(self) -> None:
        """The lane's count of steps and epochs goes no further."""
        self._frozen = (self.trainer.global_step, self.trainer.current_epoch)

    def save_checkpoint(self, path: str | Path, weights_only: bool | None = None, **_: Any) -> None:
        """Keep the checkpoint that the plain run would write now; `Lane.flush` writes it."""
        self.lane.kept[str(path)] = self.lane.checkpoint(self.loops())


@dataclass(eq=False)
class Lane:
    """One run: what is its own. `state` is running, stopped (all went well) or failed."""

    number: int
    cfg: Config
    directory: RunDirectory
    learner: Learner
    callbacks: list[Callback]
    loggers: list[Logger]

    def __post_init__(self) -> None:
        self.callbacks = [each for each in self.callbacks if not isinstance(each, Progress)]
        self.state = "running"
        self.error: BaseException | None = None
        self.kept: dict[str, dict[str, Any]] = {}
        self.pack: Pack
        self.optimizer: Any = None  # with the lane's settings
        self.trainer: LaneTrainer
        device = self.learner.device
        seed = derive(self.cfg["seed"], "dropout", 0)
        self.stream = torch.Generator(device).manual_seed(seed)

    @property
    def running(self) -> bool:
        """Whether the lane still trains."""
        return self.state == "running"

    @contextmanager
    def own_stream(self) -> Iterator[None]:
        """Let torch's global generator be the lane's own for a while."""
        if self.learner.device.type != "cpu":
            yield
            return
        with GLOBAL_GENERATOR:
            everyone = torch.random.get_rng_state()
            torch.random.set_rng_state(self.stream.get_state())
            try:
                yield
            finally:
                self.stream.set_state(torch.random.get_rng_state())
                torch.random.set_rng_state(everyone)

    def attach(self, trainer: Trainer, loops: Callable[[], dict[str, Any]]) -> None:
        """Let the learner and the callbacks see the stack's Trainer as their own."""
        self.trainer = LaneTrainer(self, trainer, loops)
        self.learner.trainer = cast(Trainer, self.trainer)

    def call(self, hook: str, *arguments: Any, monitoring: bool | None = None) -> None:
        """A hook of the callbacks; with `monitoring`, only of those that (do not) watch a metric."""
        for callback in self.callbacks:
            watches = isinstance(callback, (Checkpoint, EarlyStopping))
            if monitoring is None or monitoring == watches:
                getattr(callback, hook)(self.trainer, self.learner, *arguments)

    def guarded(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Do something for this lane alone; what goes wrong is this lane's failure alone."""
        try:
            action(*arguments)
        except Exception as error:
            self.fail(error)

    def measure(self, stage: str, values: dict[str, torch.Tensor]) -> None:
        """Take a stage's metrics, as a plain run does."""
        self.learner.take(stage, values)

    def stop(self) -> None:
        """The lane's training is over, as a plain run's would be."""
        self.call("on_train_end")
        self.trainer.freeze()
        self.state = "stopped"

    def fail(self, error: BaseException) -> None:
        """The lane's training is over, and its run has failed."""
        self.state = "failed"
        self.error = error
        self.trainer.freeze()
        self.flush()
        for logger in self.loggers:
            logger.finalize("failed")
            if isinstance(logger, TensorBoard):
                logger.close()
        self.directory.write_failure(error)

    def checkpoint(self, loops: dict[str, Any]) -> dict[str, Any]:
        """What Lightning would put into a plain run's checkpoint; tensors are copies of the lane's own."""
        states = {each.state_key: each.state_dict() for each in self.callbacks}
        scheduler = self.pack.scheduler
        content: dict[str, Any] = {
            "epoch": self.trainer.current_epoch,
            "global_step": self.trainer.global_step,
            "pytorch-lightning_version": lightning_version,
            "state_dict": cloned(self.learner.state_dict()),
            "loops": loops,
            "callbacks": {key: cloned(state) for key, state in states.items() if state},
            "optimizer_states": [self.pack.state_dict(self.number)],
            "lr_schedulers": [] if scheduler is None else [cloned(scheduler.state_dict())],
        }
        for callback in self.callbacks:
            callback.on_save_checkpoint(cast(Trainer, self.trainer), self.learner, content)
        self.learner.on_save_checkpoint(content)
        return content

    def flush(self) -> None:
        """Write the checkpoints that are kept."""
        kept, self.kept = self.kept, {}
        for path, content in kept.items():
            IO.save_checkpoint(content, path)
