"""One update for the lanes of many optimizers, with a vector of each hyperparameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from abreast.stacking.optimizers.formulas import Flags, Tile
from abreast.stacking.optimizers.rules import SWITCHES
from abreast.stacking.optimizers.slab_state import LaneOptimizer, Slabs, SlabState
from abreast.stacking.parameters import StackedState, flat_by_lane

TILE = 1 << 16  # values of a tile: five arrays of as many float32 stay in a core's second cache


class SlabUpdate:
    """Steps the optimizers of neighbouring lanes at once on the CPU, by the rule of their class.

    Args:
        on: The flags, equal for all.
        groups: The optimizers, of one rule and in the order of their lanes.
        stack: The stacked parameters of the chunk's lanes.
        width: Values that a fused kernel handles at once; the remainder is rounded differently. 0: no matter.
    """

    def __init__(self, on: Flags, groups: Sequence[LaneOptimizer], stack: StackedState, width: int) -> None:
        self.on = on
        self.groups = groups
        self.stack = stack
        self.width = width
        self.slab = SlabState(groups, stack)
        self.lanes = self.slab.lanes
        self._taken = np.full(len(self.slab.members), 2.0)  # steps: the optimizers have taken the first
        self._tiles: list[tuple[Tile, Mapping[str, Tensor]]] = []  # empty until the state is in slabs
        self._coefficients: Tensor  # [coefficients, K, 1]

    @property
    def is_joint(self) -> bool:
        """Whether the next step is taken together."""
        return bool(self._tiles)

    @torch.no_grad()
    def step(self) -> None:
        """Take one step of each optimizer; the first, in which they make their state, is their own."""
        is_new = self.slab.read()
        if not self._tiles or (is_new and not self._have_flags()):
            self._step_each()
            return
        self.slab.count()
        if is_new or self.slab.rule.counts:
            _, factors = self.slab.factors(self._taken)
            self._coefficients.copy_(torch.from_numpy(factors))
        for tile, coefficients in self._tiles:
            self.slab.rule.update(tile, coefficients, self.on)

    def _have_flags(self) -> bool:
        """Whether momentum and weight decay are still in use, or not, as a schedule may change them."""
        columns = self.slab.columns
        return all(((columns[key] != 0) == self.on[key]).all() for key in SWITCHES if key in columns)

    def _step_each(self) -> None:
        """Take one step of each optimizer by itself, then let the next be taken together."""
        if self._tiles:
            self.slab.separate_numbers()
        self._tiles.clear()
        for lane_optimizer in self.groups:
            lane_optimizer.optimizer.step()
        if self.slab.is_complete(self.on) and self._have_flags():
            self.slab.share_numbers()
            slabs = self.slab.move_to_slabs(self.on)
            names = [*self.slab.table(self._taken)]
            self._coefficients = torch.zeros(len(names), len(self.lanes), 1)
            self._tiles = [
                (tile, {name: self._coefficients[number, lanes] for number, name in enumerate(names)})
                for tile, lanes in self._divided(slabs)
            ]
            self.slab.forget()  # coefficients are computed at the next step

    def _divided(self, slabs: Slabs) -> Iterator[tuple[Tile, slice]]:
        """The tiles of all parameters, and the lanes of each."""
        scratch = torch.empty(3, TILE)
        first, stop = self.lanes.start, self.lanes.stop
        for name, weight in self.stack.parameters.items():
            lane_tensors = [weight.detach()[first:stop], self.stack.gradients[name][first:stop]]
            flat = [flat_by_lane(tensor) for tensor in (*lane_tensors, *slabs[name].values())]
            values = flat[0].shape[1]
            whole = values - values % self.width if self.width else values
            ranges = [slice(start, min(start + TILE, whole)) for start in range(0, whole, TILE)]
            for columns in [*ranges, slice(whole, values)] if whole < values else ranges:
                width = columns.stop - columns.start
                height = max(1, TILE // width)
                for start in range(0, len(self.lanes), height):
                    lanes = slice(start, min(start + height, len(self.lanes)))
                    parts = [tensor[lanes, columns] for tensor in flat]
                    state = dict(zip(slabs[name], parts[2:], strict=True))
                    buffers = scratch.flatten()[: 3 * parts[0].numel()].view(3, *parts[0].shape)
                    is_remainder = columns.start == whole
                    yield Tile(parts[0], parts[1], state, buffers, is_remainder), lanes
