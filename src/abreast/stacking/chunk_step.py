"""One mini-batch of a chunk's lanes on the device: what a CUDA graph of it records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from abreast.build.step_graphs import STEP_PARTS, graphs_unless, why_no_graphs
from abreast.config.types import Config
from abreast.learner.module import Learner
from abreast.optim.capturable import plain_settings, prepare_recording, why_not_recorded
from abreast.runtime.cuda_graph import StepGraphs
from abreast.stacking.clipping import Clipping, LaneClipping, StackedClipping
from abreast.stacking.loader import StackBlock
from abreast.stacking.losses.lane_by_lane import CustomLosses
from abreast.stacking.losses.stacked_loss import StackedLoss
from abreast.stacking.optimizers.device_update import DeviceUpdate
from abreast.stacking.optimizers.groups import OptimizerGroup
from abreast.stacking.optimizers.steppers import Stepper, device_steppers, steppers
from abreast.stacking.parameters import BufferPool, StackedState
from abreast.stacking.sequential import is_on_device
from abreast.stacking.shared_batches import group_of_lane

OnError = Callable[[Mapping[int, Exception]], None]


class StepRecord(NamedTuple):
    """What a step leaves to be measured after the block."""

    saved: list[Tensor]  # by the loss, for its values
    scores: Tensor  # [K, B, C]
    targets: Tensor  # [K, B]


@dataclass(frozen=True)
class MiniBatch:
    """A mini-batch of a chunk's lanes.

    Attributes:
        block: The block of these lanes.
        number: Its number in the epoch.
        positions: Its examples' positions, of `block.positions`.
        is_sampled: Whether the norms of its gradients are wanted.
    """

    block: StackBlock
    number: int
    positions: Tensor
    is_sampled: bool


class BatchedNet(Protocol):
    """The lanes' networks."""

    def forward(self, x: Tensor) -> Tensor: ...

    def backward(self, grad: Tensor) -> object: ...


class ChunkStep:
    """Takes the optimizer steps of a chunk's lanes.

    Args:
        learners: The lanes' learners.
        net: Their networks.
        state: The networks' parameters.
        loss: The lanes' losses.
        groups: The lanes' optimizers.
        sharing: Neighbours that share their mini-batches; None where none do.
        shares_product: Whether these share the first layer's product, too.
        one_data: Whether all lanes train on the same examples.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        net: BatchedNet,
        state: StackedState,
        loss: StackedLoss,
        groups: Sequence[OptimizerGroup],
        sharing: Sequence[slice] | None,
        *,
        shares_product: bool,
        one_data: bool,
    ) -> None:
        self.learners, self.net, self.state, self.loss = learners, net, state, loss
        self.groups, self.sharing, self.shares_product = groups, sharing, shares_product
        self.graphs = StepGraphs()
        self.steppers: Sequence[Stepper] = groups
        self.only = None if sharing is None else [lanes.start for lanes in sharing]
        self._norms = [learners[n].normalize for n in self.only or range(len(learners))]
        self._mean, self._scale = self._moments(one_data)
        self._group_of_lane = group_of_lane(sharing or (), self._mean.device)
        self._gathered, self._normalized = BufferPool(most=2), BufferPool(most=2)
        bounds = [learner.step_config for learner in learners]
        self._clip: Clipping = (
            StackedClipping(state, bounds) if is_on_device(state) else LaneClipping(groups, bounds)
        )

    def use_graphs(self, configs: Sequence[Config]) -> None:
        """Record the steps where that is possible; once the optimizers are as they were left.

        Args:
            configs: The lanes' configurations.
        """
        device = self._mean.device
        is_waited_for = device.type == "cpu" and not graphs_unless(None, configs[0]).is_on(device)
        if not is_waited_for:
            self.steppers = device_steppers(self.groups, self.state)
        individual = [stepper for stepper in self.steppers if isinstance(stepper, OptimizerGroup)]
        optimizers = [group.optimizer for group in individual]
        alone = {lane for group in individual for lane in group.lanes}
        lanes = enumerate(zip(configs, self.learners, strict=True))
        reasons = (
            self._why_not(individual),
            *(why_not_recorded(optimizer) for optimizer in optimizers),
            *(
                why_no_graphs(cfg, learner.step_config, STEP_PARTS if lane in alone else STEP_PARTS[:2])
                for lane, (cfg, learner) in lanes
            ),
        )
        self.graphs = graphs_unless(next(filter(None, reasons), None), configs[0])
        prepare_recording(optimizers, self.graphs.is_on(device))
        if is_waited_for:
            self.steppers = steppers(self.groups, self.state)

    def _why_not(self, individual: Sequence[OptimizerGroup]) -> str | None:
        """Why a stack's steps cannot be recorded, though those of an individual run may be.

        Args:
            individual: The optimizers that take their own steps.
        """
        schedules = [group.schedule for group in individual]
        if any(schedule is not None and schedule.interval == "step" for schedule in schedules):
            return "schedule.interval=step changes the lanes' learning rates with every step"
        if any(isinstance(layer, nn.modules.dropout._DropoutNd) for layer in self.learners[0].net.modules()):
            return "dropout draws from a generator of each lane"
        if any(isinstance(part, CustomLosses) for _, part in self.loss.parts):
            return "custom losses draw from the generators of their lanes"
        return None

    def settings(self) -> object:
        """The plain numbers of the optimizers, which change between blocks alone where steps are recorded."""
        if not self.graphs.is_on(self._mean.device):
            return None
        groups = [stepper for stepper in self.steppers if isinstance(stepper, OptimizerGroup)]
        return plain_settings(group.optimizer for group in groups)

    def take(self, batch: MiniBatch, settings: object, on_error: OnError) -> tuple[StepRecord, Tensor | None]:
        """Train on a mini-batch.

        Args:
            batch: The mini-batch.
            settings: What `settings` gave for its block.
            on_error: Takes what losses, before the optimizers step, and optimizers have raised, by lane.

        Returns:
            What the step leaves, and the norm of each lane's gradient `[K]` if it is sampled.
        """
        step = partial(self._step, batch, on_error)
        updates = [stepper for stepper in self.steppers if isinstance(stepper, DeviceUpdate)]
        for update in updates:
            update.prepare()
        if self.graphs.is_on(batch.positions.device):
            rows = batch.block.rows
            flags = [tuple(update.on.items()) for update in updates]
            kind = (batch.is_sampled, rows.inputs.data_ptr(), rows.targets.data_ptr(), *flags)
            results = self.graphs.run(kind, settings, [batch.positions], step)
        else:
            results = step(batch.positions)
        scores, targets, *rest = results
        norms = rest.pop() if batch.is_sampled else None
        return StepRecord(rest, scores, targets), norms

    def _step(self, batch: MiniBatch, on_error: OnError, positions: Tensor) -> list[Tensor]:
        inputs, targets = batch.block.gather(positions, batch.number, self._gathered)
        x = self._normalize(inputs)
        if self.sharing is not None:
            targets = targets.index_select(0, self._group_of_lane)
            x = x if self.shares_product else x.index_select(0, self._group_of_lane)
        scores = self.net.forward(x)
        raised = len(self.loss.errors)
        gradient, saved = self.loss.gradient(scores, targets)
        self._check_recorded(raised)
        self.net.backward(gradient)
        if self.loss.errors:
            on_error(self.loss.errors)
        self._freeze(saved)
        norms = [self.state.gradient_norms()] if batch.is_sampled else []
        self._clip(norms[0] if norms else None)
        for stepper in self.steppers:
            self._update(stepper, on_error)
        return [scores, self.learners[0].loss.labels(targets), *saved, *norms]

    def _freeze(self, saved: list[Tensor]) -> None:
        """On a device, for which nothing waits: a lane whose loss is not finite is updated no more."""
        updates = [stepper for stepper in self.steppers if isinstance(stepper, DeviceUpdate)]
        if updates:
            (losses,) = self.loss.values([saved])
            for update in updates:
                update.freeze(losses.isfinite())

    def _update(self, stepper: Stepper, on_error: OnError) -> None:
        """Step an optimizer; one that raises fails its lanes alone, and is stepped no more."""
        try:
            stepper.step()
        except Exception as error:
            if self.graphs.is_recording or not isinstance(stepper, OptimizerGroup):
                raise
            self.steppers = [other for other in self.steppers if other is not stepper]
            on_error(dict.fromkeys(stepper.lanes, error))

    def _check_recorded(self, raised: int) -> None:
        """Raise RuntimeError if it was the recording that a loss did not bear; the lanes are not to blame."""
        new = [*self.loss.errors][raised:]
        if new and self.graphs.is_recording:
            errors = [self.loss.errors.pop(lane) for lane in new]
            raise RuntimeError(f"a loss: {errors[0]}") from errors[0]

    def _normalize(self, inputs: Tensor) -> Tensor:
        """As the learners' `normalize`, always in the same memory."""
        buffer = self._normalized.aligned(*inputs.shape, like=self._mean)
        buffer.copy_(inputs).sub_(self._mean).mul_(self._scale)
        first = self._norms[0]
        if first.mean.ndim:
            buffer.nan_to_num_(nan=0.0)
        if first.components is None:
            return buffer
        return torch.stack([norm.project(x, x.ndim - 1) for norm, x in zip(self._norms, buffer, strict=True)])

    def _moments(self, one_data: bool) -> tuple[Tensor, Tensor]:
        """Mean and inverse deviation of the training inputs: of all lanes, or `[K, 1, ...]` of each.

        Those of columns or channels have their dimensions last.
        """
        norms = self._norms
        if one_data:
            return norms[0].mean, norms[0].scale
        shape = (-1, 1, *(norms[0].mean.shape or [1] * len(self.learners[0].in_shape)))
        return torch.stack([norm.mean for norm in norms]).view(shape), torch.stack(
            [norm.scale for norm in norms]
        ).view(shape)
