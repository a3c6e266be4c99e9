"""Build the lanes, the data and the Trainer of a stack from configs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Callback, Trainer
from torch import nn

from abreast.build.changed_data import check_same_data
from abreast.build.components import ComponentCache, build_learner, build_net
from abreast.build.data import build_data, ignore_index
from abreast.build.instantiate import Factories, make
from abreast.build.sizing import net_sizes
from abreast.build.steps import build_step_config
from abreast.build.trainer import OWN_WORK, build_callbacks, build_loggers, trainer_node
from abreast.callbacks import RunWriter
from abreast.config.types import Config
from abreast.data.checks import check_labels
from abreast.data.datamodule import DataModule
from abreast.learner.module import Learner
from abreast.learner.random_state import random_state
from abreast.runs.directory import RunDirectory
from abreast.runtime.cuda_graph import StepGraphs
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import seed_everything, seeded
from abreast.stacking.eligibility import is_same_architecture, why_ineligible
from abreast.stacking.grouping import is_said_elementwise, split_key
from abreast.stacking.lane import Lane
from abreast.stacking.network_size import network_size
from abreast.stacking.optimizers.eligibility import OptimizerChecks
from abreast.stacking.random_numbers import is_custom_run, steps_draw
from abreast.stacking.split_data import SplitData


class NotStackableError(Exception):
    """A run that has to be trained individually; the message says why."""


@dataclass(frozen=True)
class Job:
    """A run to be trained.

    Attributes:
        cfg: Its resolved config.
        directory: Its run directory.
        title: What sets it apart from the other runs.
        position: Where it continues: epochs that are complete, and mini-batches of the next one.
        joined: Epochs that its stack had trained when the run began.
    """

    cfg: Config
    directory: Path
    title: str = ""
    position: tuple[int, int] = (0, 0)
    joined: int = 0


@dataclass
class Outcome:
    """How a job ended.

    Attributes:
        value: The objective for sweepers; the worst value for a run that diverged.
        error: What made the run fail.
        not_stacked: Why the run was not trained: it has to be trained individually.
    """

    value: float | None = None
    error: BaseException | None = None
    not_stacked: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the run was begun; one that was not has no outcome."""
        return self.value is not None or self.error is not None


def lanes_that_fit(memory_gib: float, cfg: Config) -> int:
    """How many lanes fit into memory.

    Each has weights, gradients, two moments and two checkpoints, and feature maps of a mini-batch with their
    gradients.
    """
    data = build_data(cfg)
    net = build_net(cfg, data.net_shape, data.out_features)
    lane = sum(p.numel() * p.element_size() for p in net.parameters()) * (4 + 2 * 3)
    lane += 2 * 4 * data.batch_size * network_size(net, data.net_shape).features
    return max(1, int(memory_gib * 2**30 / lane))


def lane_builder(jobs: Sequence[Job], count: int, *, is_open: bool = False) -> LaneBuilder:
    """Prepare the process and the data for the lanes of a stack.

    Lanes of different splits have their own data modules, which share the rows.

    Args:
        jobs: The runs that are known to become lanes, now or later.
        count: The most lanes at a time.
        is_open: Whether there may be others, perhaps of other splits.
    """
    cfg = jobs[0].cfg
    prepare_process()
    seed_everything(cfg["seed"])
    _, steps = build_step_config(cfg)
    lenient = next((job.cfg for job in jobs if ignore_index(job.cfg) is not None), cfg)
    shared = is_open or len({split_key(job.cfg) for job in jobs}) > 1
    return LaneBuilder(SplitData({**lenient, "seed": cfg["seed"]}, steps, shared=shared), count)


class LaneBuilder:
    """Builds the lanes of one stack, which share what takes long to make.

    Args:
        data: The data of all lanes.
        count: The number of lanes.
    """

    def __init__(self, data: SplitData, count: int) -> None:
        self.data = data
        self.count = count
        self._batches: int | None = None  # in an epoch of the first lane
        self._cache = ComponentCache()
        self._factories = Factories()
        self._optimizers = OptimizerChecks()
        self._make_net: Callable[[], nn.Module] | None = None
        self._first_net: nn.Module | None = None

    def build(self, number: int, job: Job, directory: RunDirectory) -> Lane:
        """Build the lane of a job.

        Raises:
            NotStackableError: The job has to be trained individually.
        """
        cfg = job.cfg
        reason = self.data.why_not(cfg)
        if reason is not None:
            raise NotStackableError(reason)
        data = self.data.of(cfg)
        check_same_data(directory, data.content)
        _check_labels(cfg, data)
        self._check_length(cfg, data)
        step_config, _ = build_step_config(cfg)
        if step_config is None:
            raise NotStackableError("it uses Lightning's automatic optimization")
        net = self._build_net(cfg, data)
        is_custom = is_custom_run(cfg)
        with seeded(cfg["seed"]) if is_custom else nullcontext():
            learner = build_learner(cfg, data, step_config, net=net, cache=self._cache)
            built = random_state() if is_custom else None
        learner.graphs = StepGraphs()  # the stack has its own
        self._check_stackable(learner, cfg)
        callbacks = build_callbacks(cfg, directory, self._factories)
        for callback in callbacks:
            if isinstance(callback, RunWriter):
                callback.share = 1 / self.count
        loggers = build_loggers(cfg, directory, self._factories)
        lane = Lane(number, cfg, directory, data, learner, callbacks, loggers, 1 / self.count)
        if built is not None:
            lane.random.continue_from(built)
        return lane

    def _check_length(self, cfg: Config, data: DataModule) -> None:
        """Lanes whose epochs differ in length cannot be counted by one limit of steps."""
        self._batches = self._batches or data.batches_per_epoch
        if cfg["trainer"].get("max_steps", -1) != -1 and data.batches_per_epoch != self._batches:
            raise NotStackableError(
                f"trainer.max_steps counts epochs of {self._batches} mini-batches for the stack's first run, "
                f"and of {data.batches_per_epoch} for this one's split"
            )

    def _check_stackable(self, learner: Learner, cfg: Config) -> None:
        if [*learner.loss.parameters()]:
            raise NotStackableError(f"{learner.loss.name} has parameters")
        reason = why_ineligible(learner.net)
        if reason is not None:
            raise NotStackableError(reason)
        if self._first_net is None:
            self._first_net = learner.net
            with suppress(Exception):  # some cannot be copied; a copy stays as it is when the lane is trained
                self._first_net = copy.deepcopy(learner.net)
        elif not is_same_architecture(learner.net, self._first_net):
            name = type(learner.net).__name__
            raise NotStackableError(f"{name} differs in architecture from the stack's first run")
        reason = self._optimizers.why_individual(
            learner.make_optimizer,
            [*learner.net.parameters()],
            elementwise=is_said_elementwise(cfg),
        )
        if reason is not None:
            raise NotStackableError(reason)
        if steps_draw(cfg, learner):  # takes steps, which some optimizers cannot without a loss
            raise NotStackableError(f"{cfg['optim']['_target_']} or its schedule draws random numbers")

    def _build_net(self, cfg: Config, data: DataModule) -> nn.Module:
        """Build the network as `build_net` does, but find its class only once.

        Hydra takes longer to find the class than to make a small network. A network with arguments that
        Hydra makes, too, is built anew for every lane, or lanes would share them.
        """
        if self._make_net is None:
            net = build_net(cfg, data.net_shape, data.out_features)
            if str(cfg["model"]).count("_target_") == 1:
                sizes = net_sizes(cfg["model"], data.net_shape, data.out_features)
                self._make_net = make("model", {**cfg["model"], "_partial_": True}, **sizes)
            return net
        with seeded(cfg["seed"]):
            net = copy.deepcopy(self._make_net)()
        assert isinstance(net, nn.Module)
        return net


def _check_labels(cfg: Config, data: DataModule) -> None:
    """Check the labels for one lane, which may ignore one that is invalid for others."""
    if not data.classes:
        return
    ignored = ignore_index(cfg)
    labels = {name: getattr(data, name).targets for name in ("train", "val", "test")}
    for name, targets in labels.items():
        check_labels(targets, len(data.classes), name, ignored)
    data.ignores = ignored is not None and any(bool(targets.eq(ignored).any()) for targets in labels.values())


def stack_trainer(cfg: Config, callbacks: Sequence[Callback] = ()) -> Trainer:
    """Build Lightning's Trainer for a stack, without anything that belongs to a single run."""
    node = {k: v for k, v in trainer_node(cfg).items() if not k.startswith("gradient_clip")}
    node.pop("accumulate_grad_batches", None)
    node["log_every_n_steps"] = 1
    trainer = make(
        "trainer",
        node,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        **OWN_WORK,
    )
    assert isinstance(trainer, Trainer)
    return trainer
