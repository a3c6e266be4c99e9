"""A lane: one run of a stack, with its own learner, callbacks, loggers and run directory."""

from __future__ import annotations

from collections import OrderedDict
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

from abreast.callbacks import RunWriter, TestImages
from abreast.errors import disk_error
from abreast.learner.checkpoint_io import DeferredCheckpoints
from abreast.learner.epoch_progress import EpochState
from abreast.learner.module import Learner
from abreast.learner.random_state import RandomState, fresh_random_state
from abreast.loggers.tensorboard import TensorBoard
from abreast.runs.directory import RunDirectory
from abreast.runtime.seeding import derive
from abreast.stacking.grouping import Config
from abreast.stacking.optimizers import OptimizerGroup, OptimizerSnapshot, cloned
from abreast.stacking.parameters import detach_from_stack
from abreast.training.finish import ChosenWeights, chosen_file, read_chosen

GLOBAL_GENERATOR = Lock()  # there is one for all threads of chunks
OF_A_RUN = (RunWriter, TestImages, EarlyStopping, Checkpoint)  # others watch the process


class Metrics(dict[str, torch.Tensor]):
    """Metrics by name. They are replaced, never changed: ModelCheckpoint's deep copies need not be deep."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Metrics:
        return Metrics(self)


class LaneTrainer:
    """The stack's Trainer as a lane's callbacks see it: with metrics, weights and an end of its own."""

    def __init__(self, lane: Lane, trainer: Trainer, loops: Callable[[], dict[str, Any]]) -> None:
        self.lane = lane
        self.trainer = trainer
        self.loops = loops
        self.callback_metrics = Metrics()
        self._told_to_stop = False
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
        """The optimizer that the lane has, alone or with others; none, once it has left the stack."""
        return [] if self.lane.pack is None else [self.lane.pack.optimizer]

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        """The lane's schedule, as Lightning wraps it."""
        scheduler = None if self.lane.pack is None else self.lane.pack.scheduler
        return [] if scheduler is None else [SimpleNamespace(scheduler=scheduler)]

    @property
    def global_step(self) -> int:
        """Optimizer steps that the lane has done."""
        return self._frozen[0] if self._frozen else self.trainer.global_step

    @property
    def current_epoch(self) -> int:
        """The lane's epoch."""
        return self._frozen[1] if self._frozen else self.trainer.current_epoch

    @property
    def should_stop(self) -> bool:
        """Whether the lane's training ends with this epoch: somebody said so, or all steps are done."""
        return self._told_to_stop or self.trainer.global_step == self.trainer.max_steps

    @should_stop.setter
    def should_stop(self, value: bool) -> None:
        self._told_to_stop = value

    def random_state(self) -> RandomState:
        """That of the plain run's process, in which nothing but dropout draws."""
        lane = self.lane
        if lane.random is None:
            lane.random = fresh_random_state(lane.cfg["seed"], lane.stream)
        return {**lane.random, "torch": lane.stream.get_state()}

    def freeze(self) -> None:
        """The lane's count of steps and epochs goes no further."""
        self._frozen = (self.trainer.global_step, self.trainer.current_epoch)

    def save_checkpoint(self, path: str | Path, weights_only: bool | None = None, **_: Any) -> None:
        """Keep the checkpoint that the plain run would write now; `Lane.flush` writes it."""
        self.lane.deferred.keep(Path(path), self.lane.checkpoint(self.loops()))


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
        self.callbacks = [each for each in self.callbacks if isinstance(each, OF_A_RUN)]
        self.state = "running"
        self.error: BaseException | None = None
        self.deferred = DeferredCheckpoints()
        self._written: dict[str, tuple[int, dict[str, torch.Tensor]]] = {}  # epoch and weights of the files
        self.pack: OptimizerGroup | None = None  # none before and after its time in a chunk
        self.optimizer: Any = None  # with the lane's settings
        self._weights: OrderedDict[str, torch.Tensor] | None = None  # views, while they stay where they are
        self.random: RandomState | None = None  # of a process in which nothing was drawn
        self.trainer: LaneTrainer
        self.content: dict[str, Any] | None = None  # of the checkpoint that the lane goes on from
        self.epoch_state: Callable[[], EpochState]  # what has come of the epoch so far
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
        self.learner.random_state = self.trainer.random_state

    def begin(self, restore: Callable[[Lane], None]) -> None:
        """Begin the run: its loggers' files, its callbacks and what `restore` gives them from before."""
        for logger in self.loggers:
            _ = getattr(logger, "experiment", None)  # opens its file
            logger.save()
        self.call("setup", "fit")
        restore(self)
        self.call("on_train_start")

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
        self.learner.record(stage, values)

    def stop(self) -> None:
        """The lane's training is over, as a plain run's would be."""
        self.call("on_train_end")
        self.trainer.freeze()
        self.state = "stopped"

    def fail(self, error: BaseException) -> None:
        """The lane's training is over, and its run has failed."""
        self.state = "failed"
        self.trainer.freeze()
        full = disk_error(error, self.directory.path)
        try:
            self.flush()
            for logger in self.loggers:
                logger.finalize("failed")
                if isinstance(logger, TensorBoard):
                    logger.close()
        except OSError as another:  # what cannot be kept is to be made again
            full = full or disk_error(another, self.directory.path)
        if full is not None:
            full.args = (f"{full}, then run the same command again",)
        self.error = full or error
        self.directory.note_failure(self.error)

    def enter(self, number: int, pack: OptimizerGroup) -> None:
        """Be lane `number` of a chunk, which has taken the network in, with its optimizer in the pack."""
        self.number = number
        self.pack = pack
        self.optimizer = SimpleNamespace(param_groups=[pack.group(number)])
        self._weights = None

    def carry(self) -> OptimizerSnapshot:
        """The lane's optimizer and schedule as they stand."""
        assert self.pack is not None
        return self.pack.carry(self.number)

    def leave(self) -> None:
        """Take the weights, as they are, out of the memory that is shared with the other lanes."""
        detach_from_stack(self.learner.net)
        self.pack = self.optimizer = self._weights = None

    def checkpoint(self, loops: dict[str, Any]) -> dict[str, Any]:
        """What Lightning would put into a plain run's checkpoint; tensors are copies of the lane's own."""
        states = {each.state_key: each.state_dict() for each in self.callbacks}
        if self._weights is None:
            self._weights = cast("OrderedDict[str, torch.Tensor]", self.learner.state_dict())
        assert self.pack is not None
        scheduler = self.pack.scheduler
        content: dict[str, Any] = {
            "epoch": self.trainer.current_epoch,
            "global_step": self.trainer.global_step,
            "pytorch-lightning_version": lightning_version,
            "state_dict": cloned(self._weights),
            "loops": loops,
            "callbacks": {key: cloned(state) for key, state in states.items() if state},
            "optimizer_states": [self.pack.state_dict(self.number)],
            "lr_schedulers": [] if scheduler is None else [cloned(scheduler.state_dict())],
        }
        for callback in self.callbacks:
            callback.on_save_checkpoint(cast(Trainer, self.trainer), self.learner, content)
        self.learner.on_save_checkpoint(content)
        own = content["abreast"]["position"]["ranks"][0]
        if "epoch" in own:
            own["epoch"] = self.epoch_state()
        return content

    def flush(self) -> None:
        """Write the checkpoints that are kept in memory; what cannot be written is not tried again."""
        try:
            written = self.deferred.flush()
        except OSError:
            self.deferred.clear()
            raise
        for path, content in written.items():
            self._written[path.name] = content["epoch"], content["state_dict"]

    def load_chosen(self) -> ChosenWeights:
        """Load the weights that the config wants tested into the learner, and return them.

        Reading a file back takes longer than to keep what was written into it.
        """
        file = chosen_file(self.directory, self.cfg["checkpoint"])
        if file.name in self._written:
            epoch, weights = self._written[file.name]
            chosen = ChosenWeights(file, epoch + 1, weights)
        else:  # written before this process began
            chosen = read_chosen(self.directory, self.cfg["checkpoint"])
        self.learner.load_state_dict(chosen.weights)
        self._written.clear()
        return chosen
